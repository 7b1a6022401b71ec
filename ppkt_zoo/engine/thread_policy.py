"""How torch's threads wait for each other; it imports nothing, so that it can come before torch.

By default they wait in a busy loop, which is quickest on an idle machine. Where another program wants a core too, a
loop that waits for a thread that does not run makes many small products 5 to 25 times slower, and a network is many
small products. The OpenMP runtime reads its variables once, when torch loads it.
"""

import os
import sys
import warnings

from ppkt_zoo.errors import ThreadWarning

# GNU's runtime, which torch's Linux wheels carry, knows the first two; LLVM's and Intel's the first and the last.
_VARIABLES = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}
# An own run may fill all cores by itself: only what is beyond that is others' work.
_BUSY = 0.5

_too_late = False


def let_threads_sleep() -> None:
    """Ask for threads that sleep while they wait; what the user has set about it stays, and so does a loaded torch."""
    global _too_late
    if any(name in os.environ for name in _VARIABLES):
        return
    if "torch" in sys.modules:
        _too_late = True
    else:
        os.environ.update(_VARIABLES)


def warn_where_busy(stacklevel: int = 3) -> None:
    """Warn, once, where torch was imported first, uses several threads, and the machine has other work.

    Warns:
        ThreadWarning: that is so; the message has the mend.
    """
    global _too_late
    if not _too_late or not hasattr(os, "getloadavg"):
        return
    import torch

    cores = usable_cores()
    load = os.getloadavg()[0]
    if torch.get_num_threads() == 1 or load <= cores + _BUSY:
        return
    _too_late = False
    warnings.warn(
        f"this machine is busy (load {load:.1f} on {cores} cores) and torch's threads wait for each other in a busy "
        "loop, which makes a network many times slower: import ppkt_zoo before torch, or set OMP_WAIT_POLICY=PASSIVE "
        "before Python starts, or call torch.set_num_threads(1)",
        ThreadWarning,
        stacklevel=stacklevel,
    )


def usable_cores() -> int:
    """Cores of the CPU that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
