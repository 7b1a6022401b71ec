"""Numbers too small to matter, set to zero while a network runs, and left alone everywhere else."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_DENORMAL = 5e-310


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormals to zero inside, then as it was before.

    Activations that fade to denormals make a CPU ten times slower. The processor's flag is a thread's own and new
    threads inherit it; left on, it would change other people's numbers: packed colours in ``.pcd`` files are
    denormal floats.
    """
    before = _flushes()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def _flushes() -> bool:
    """Whether this thread flushes denormals now; torch can set the flag but not tell it."""
    factor = float(len("x"))
    return _DENORMAL * factor == 0.0
