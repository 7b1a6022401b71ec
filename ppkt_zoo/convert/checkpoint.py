"""`open_checkpoint`: every tensor of a checkpoint that another project saved, by its full name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.running.torch_files import PICKLE, ZIP, read_torch_file

__all__ = ["open_checkpoint"]

_DEEPEST = 4


def open_checkpoint(file: Path) -> dict[str, Tensor]:
    """Name → tensor of a ``.pth`` or safetensors file; those of dictionaries inside, their names joined by dots.

    A ``.pth`` is opened with ``weights_only=True`` alone, so nothing in it can run.

    Raises:
        WeightError: no such file, cut or damaged, objects that torch does not open safely, or no tensors.
    """
    if not file.is_file():
        raise WeightError(f"{file} does not exist: give the checkpoint's path")
    with file.open("rb") as stream:
        start = stream.read(4)
    if start == ZIP or start[:2] == PICKLE:
        content = read_torch_file(file, str(file), WeightError)
    else:
        try:
            content = load_file(file)
        except (SafetensorError, OSError) as error:
            raise WeightError(f"{file} is neither a torch checkpoint nor a safetensors file ({error})") from error
    found = dict(_tensors(content, "", 0))
    if not found:
        raise WeightError(f"{file} holds a {type(content).__name__} without tensors")
    return found


def _tensors(content: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield prefix, content
    elif isinstance(content, Mapping) and depth < _DEEPEST:
        for name, value in content.items():
            yield from _tensors(value, f"{prefix}.{name}" if prefix else str(name), depth + 1)
