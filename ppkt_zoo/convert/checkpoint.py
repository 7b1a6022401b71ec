"""`open_checkpoint`: every tensor of a checkpoint that another project saved, by its full name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.safetensors import load_foreign
from ppkt_zoo.files.torch import PICKLE, ZIP, check_plain_tensors, first_bytes, read_torch_file

__all__ = ["open_checkpoint"]

_DEEPEST = 4
_MISSING = "does not exist: give the checkpoint's path"


def open_checkpoint(file: Path) -> dict[str, Tensor]:
    """Name → tensor of a ``.pth`` or safetensors file; those of dictionaries inside, their names joined by dots.

    A ``.pth`` is opened with ``weights_only=True`` alone, so nothing in it can run; its parts are held against their
    checksums.

    Raises:
        WeightError: no such file, cut or damaged, objects that torch does not open safely, or no tensors.
    """
    start = first_bytes(file, "checkpoint", WeightError, _MISSING)
    if start == ZIP or start[:2] == PICKLE:
        content = read_torch_file(file, str(file), WeightError)
    else:
        content = load_foreign(file, f"{file} is neither a torch checkpoint nor a safetensors file", WeightError)
    found = dict(_tensors(content, "", 0))
    if not found:
        raise WeightError(f"{file} holds a {type(content).__name__} without tensors")
    check_plain_tensors(found, str(file), WeightError)
    return found


def _tensors(content: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield prefix, content
    elif isinstance(content, Mapping) and depth < _DEEPEST:
        for name, value in content.items():
            yield from _tensors(value, f"{prefix}.{name}" if prefix else str(name), depth + 1)
