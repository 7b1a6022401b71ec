"""`read_torch_file`: a torch checkpoint, opened so that nothing in it can run."""

import pickle
import re
import struct
from pathlib import Path
from typing import Any

import torch

from ppkt_zoo.errors import PPKTZooError

__all__ = ["PICKLE", "UNREADABLE", "ZIP", "read_torch_file"]

# How a torch checkpoint begins, since torch 1.6 and before.
ZIP, PICKLE = b"PK\x03\x04", b"\x80\x02"
# What torch.load raises at files that are cut, damaged or of another kind.
UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_torch_file(file: Path, what: str, error_type: type[PPKTZooError]) -> Any:
    """What a checkpoint holds, its tensors on the CPU; opened with ``weights_only=True`` alone.

    Args:
        file: the checkpoint.
        what: how the messages call it.
        error_type: raised where it is cut or damaged, or holds objects that torch does not open safely.
    """
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        refused = re.search(r"[Uu]nsupported (?:global: GLOBAL|class) ([\w.]+)", str(error))
        if refused is not None:
            raise error_type(
                f"{what} holds a {refused[1]} besides its tensors, which could run code when opened, so "
                "it was not opened. If you trust its source, keep its tensors alone: "
                f"torch.save(torch.load({file.name!r}, weights_only=False)['state_dict'], 'tensors.pth')"
            ) from error
        raise error_type(
            f"{what} ({file.stat().st_size} bytes) is a torch checkpoint that is cut or damaged "
            f"({type(error).__name__}): fetch it again"
        ) from error
