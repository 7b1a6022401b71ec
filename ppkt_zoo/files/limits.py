"""Named limits in front of every size that a file claims, each with an override; and running out of memory, named.

A limit is what a file may claim before anything is allocated for it. It is there for files from strangers: a few
bytes can announce terabytes. Whoever trusts a larger file sets the environment variable that the message names.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ppkt_zoo.errors import InputError, PPKTZooError

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_SIZE = re.compile(r"(\d{1,18})\s*([KMGT]?)B?", re.IGNORECASE)
_NO_MEMORY = "there is not enough memory for this: give it a smaller part, or a larger machine"
_NO_THREAD = (
    "the system starts no more threads: free some memory, or raise the limits of memory and processes (ulimit -v, "
    "ulimit -u, or the container's)"
)
# How Python words a thread that could not be started.
_OUT_OF_THREADS = "can't start new thread"
# How torch words an allocation that failed on the CPU and on a GPU.
_TORCH_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True)
class Limit:
    """A limit with a name.

    Attributes:
        variable: the environment variable that overrides it, such as ``16GB`` or a plain number.
        default: the limit where the variable is not set.
        unit: what is counted, for messages.
    """

    variable: str
    default: int
    unit: str = "bytes"

    def value(self) -> int:
        """The limit in force; raises InputError where the environment variable is no size."""
        text = os.environ.get(self.variable, "").strip()
        if not text:
            return self.default
        match = _SIZE.fullmatch(text)
        if match is None:
            raise InputError(f"{self.variable}={text!r} is no size: write a number such as 16GB or {self.default}")
        return int(match[1]) * _UNITS[match[2].upper()]

    def check(self, claimed: int, where: str, error: type[PPKTZooError]) -> None:
        """Raise ``error`` where more is claimed than the limit; ``where`` begins the message and ends in no mark."""
        limit = self.value()
        if claimed > limit:
            raise error(
                f"{where} would take {_number(claimed)} {self.unit}, more than the limit of {_number(limit)}: where "
                f"you trust it, set the environment variable {self.variable} to a larger number"
            )


#: Of a file that holds data (a cloud, an image, a shard, tensors), and of what it unpacks to.
MAX_BYTES = Limit("PPKT_ZOO_MAX_BYTES", 4 * 2**30)
#: Of a file that is text and is parsed as a whole: JSON, YAML, poses, intrinsics.
MAX_TEXT = Limit("PPKT_ZOO_MAX_TEXT", 64 * 2**20)
#: Of a scene of meshes, each as often as it is shown.
MAX_MESHES = Limit("PPKT_ZOO_MAX_MESHES", 20_000, "meshes")
#: Of one image.
MAX_PIXELS = Limit("PPKT_ZOO_MAX_PIXELS", 100_000_000, "pixels")


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ") if count < 10**21 else f"over 10^{int(count.bit_length() * 0.30103) - 1}"


@contextmanager
def memory_named(where: str, error: type[PPKTZooError]) -> Iterator[None]:
    """Context in which running out of memory or of threads is an ``error`` that names what was worked on."""
    try:
        yield
    except MemoryError:
        raise error(f"{where}: {_NO_MEMORY}") from None
    except RuntimeError as failure:
        if isinstance(failure, PPKTZooError):
            raise
        if _OUT_OF_THREADS in str(failure):
            raise error(f"{where}: {_NO_THREAD}") from None
        if not any(words in str(failure) for words in _TORCH_OUT_OF_MEMORY):
            raise
        raise error(f"{where}: {_NO_MEMORY}") from None
