"""`write_tensors` and `read_tensors`: a run's safetensors files, whole or not there, their checksum always checked."""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from ppkt_zoo.errors import PPKTZooError, TrainingError
from ppkt_zoo.files.checksums import sha256_of_tensors
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.reading import open_regular
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.writing import write_whole

HEADER = "ppkt_zoo"
"""Where a safetensors file of ours keeps its JSON. One entry: safetensors writes several in no fixed order, and the
same tensors shall give the same bytes."""
_CHECKSUM = "sha256"


@dataclass(frozen=True)
class TensorShape:
    """What a file claims of a tensor before it is read.

    Attributes:
        shape: its sizes.
        dtype: as safetensors spells it, such as ``F32``.
    """

    shape: tuple[int, ...]
    dtype: str


def write_tensors(
    file: Path,
    tensors: Mapping[str, Tensor | None],
    header: object = None,
    checksum: bool = False,
    error: type[PPKTZooError] = TrainingError,
) -> None:
    """Write a safetensors file that appears under its name only when it is complete and on the disk.

    Args:
        file: its folder is made where it is missing.
        tensors: from any device; those that are None are left out.
        header: a JSON value, stored under :data:`HEADER`; None for none.
        checksum: put a sha256 over tensors and header, which must be a dictionary, into it; :func:`read_tensors`
            checks it.

    Raises:
        error: it cannot be written; what stood under the name stays.
    """
    # Cloned, since safetensors refuses tensors that share memory.
    plain = {name: each.detach().cpu().contiguous().clone() for name, each in tensors.items() if each is not None}
    if checksum:
        assert isinstance(header, dict)
        header = {**header, _CHECKSUM: _sum(plain, header)}
    try:
        content = save(plain, None if header is None else {HEADER: json.dumps(header)})
    except SafetensorError as failure:
        raise error(f"{file}: this file cannot be written ({failure})") from failure
    write_whole(file, content, error)  # save_file would make a file for the owner's eyes alone


def read_tensors(
    file: Path,
    what: str,
    mend: str,
    check: Callable[[dict[str, Any], Mapping[str, TensorShape]], None],
    error: type[PPKTZooError] = TrainingError,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A file of :func:`write_tensors`: its header, a dictionary, and its tensors on the CPU.

    Args:
        file: a regular file.
        what: how messages call it, such as "checkpoint".
        mend: what they say to do where it is damaged.
        check: given the header and what the file claims of its tensors before one is read; raises ValueError with
            the reason where that fits nothing, or an error of ours.
        error: raised where it is missing, damaged, or its checksum does not hold. Files of before there were
            checksums have none and are believed.
    """
    with _damage_named(file, what, mend, error):
        open_regular(file, error, what).close()
        with memory_named(f"{what} {file}", error), safe_open(file, "pt") as opened:
            header = _header(opened.metadata() or {})
            claimed = {name: _claim(opened, name) for name in opened.keys()}  # noqa: SIM118
            check(header, claimed)
            tensors = {name: opened.get_tensor(name) for name in claimed}
        kept = header.pop(_CHECKSUM, None)
        if kept is not None and kept != _sum(tensors, header):
            raise ValueError("its numbers are not those that were written: the checksum does not hold")
    return header, tensors


def load_foreign(file: Path, problem: str, error: type[PPKTZooError]) -> dict[str, Tensor]:
    """All tensors of a safetensors file that others wrote, on the CPU.

    Args:
        file: a regular file of no more than the limit.
        problem: how the message begins where it is none, or damaged.
        error: raised then.
    """
    with open_regular(file, error, "safetensors file") as opened:
        size = os.fstat(opened.fileno()).st_size
    MAX_BYTES.check(size, str(file), error)
    with memory_named(str(file), error):
        try:
            return load_file(file)
        except (SafetensorError, OSError, ValueError, LookupError, AttributeError) as failure:
            raise error(f"{problem} ({failure})") from failure


def _header(metadata: Mapping[str, str]) -> dict[str, Any]:
    if HEADER not in metadata:
        raise ValueError("its header is not one of ours")
    header = parse_json(metadata[HEADER], "its header", _HeaderError, finite=False)
    if not isinstance(header, dict):
        raise ValueError(f"its header is a {type(header).__name__}")
    return header


class _HeaderError(PPKTZooError, ValueError):
    """Becomes the caller's error."""


def _claim(opened: Any, name: str) -> TensorShape:
    part = opened.get_slice(name)
    return TensorShape(tuple(part.get_shape()), str(part.get_dtype()))


def _sum(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    return sha256_of_tensors(tensors, beside=json.dumps(header, sort_keys=True))


@contextlib.contextmanager
def _damage_named(file: Path, what: str, mend: str, error: type[PPKTZooError]) -> Iterator[None]:
    try:
        yield
    except (SafetensorError, OSError, ValueError) as failure:
        if isinstance(failure, PPKTZooError) and not isinstance(failure, _HeaderError):
            raise
        raise error(f"{what} {file} is damaged ({failure}): {mend}") from failure
