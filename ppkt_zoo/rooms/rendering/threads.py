"""One thread while a frame is made."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one CPU thread, then as before.

    A frame has to be the same wherever it is rendered, but torch cuts arrays into one piece a thread, and the
    last elements of a piece may be rounded otherwise. Several frames at once, each on one thread, are also
    faster than one frame on several threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
