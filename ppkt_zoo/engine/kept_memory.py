"""Memory that a training step frees is kept for the next one, where the C library is GNU's."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# From <malloc.h>: what is returned to the system at once, and which blocks are the system's own from the start.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = (1 << 31) - 1
# What GNU's library comes to by itself once blocks of the largest size have been freed.
_BLOCK, _TRIM = 32 << 20, 64 << 20


@contextmanager
def kept_memory() -> Iterator[None]:
    """While open, freed memory stays with the process.

    A step frees all its activations and gradients and takes them anew in the next: returned to the system, each page
    of them is cleared and mapped again, which costs a tenth of the time of a step. The largest amount in use is no
    more than before. Afterwards what is free is given back.
    """
    library = _gnu_library()
    if library is None:
        yield
        return
    library.mallopt(_TRIM_THRESHOLD, _LARGEST)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST)
    try:
        yield
    finally:
        library.mallopt(_TRIM_THRESHOLD, _TRIM)
        library.mallopt(_MMAP_THRESHOLD, _BLOCK)
        library.malloc_trim(0)


def _gnu_library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
