"""safetensors in and out, with errors that name the file; no other tensor file is ever opened."""

import json
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.checksums import sha256_of, sha256_of_file
from ppkt_zoo.files.limits import MAX_BYTES, MAX_TEXT, Limit, memory_named
from ppkt_zoo.files.reading import open_regular, read_file
from ppkt_zoo.files.safetensors import HEADER
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.torch import UNREADABLE
from ppkt_zoo.zoo.record import FileEntry

StorageDtype = Literal["float16", "float32"]
#: Files that were read and found to be those recorded: name → what was recorded, and the bytes.
Held = dict[str, tuple[FileEntry, bytes]]

_MEND = "it is damaged or cut short, get it again"
_NO_SAFETENSORS = "is not a whole safetensors file"
# Ours have a few hundred tensors; this is room for some ten thousand.
_HEADER_LIMIT = Limit("PPKT_ZOO_MAX_HEADER", 8 * 2**20)
_MOST_AXES = 16
_TEXTS = (".json", ".yaml", ".md")


def file_entry(data: bytes) -> FileEntry:
    """Size and sha256 of a file's bytes."""
    return FileEntry(size=len(data), sha256=sha256_of(data))


def check_bytes(data: bytes, entry: FileEntry, where: str) -> None:
    """Raise WeightError where the bytes are not those that were recorded."""
    _check_size(len(data), entry, where)
    _check_sum(sha256_of(data), entry, where)


def read_bytes(path: Path, entry: FileEntry | None = None) -> bytes:
    """A file's bytes; with ``entry``, exactly those that were recorded.

    Nothing is read before its size was held against the recorded one and against the limit of its kind.

    Raises:
        WeightError: it is missing, unreadable, no regular file, too large, or not the recorded file.
    """
    _check_state(path, entry)
    data = read_file(path, WeightError, limit=MAX_TEXT if path.suffix in _TEXTS else MAX_BYTES)
    if entry is not None:
        check_bytes(data, entry, str(path))
    return data


def check_file(path: Path, entry: FileEntry, held: Held | None = None) -> None:
    """Hold a file against its recorded size and sha256.

    Args:
        held: gets the bytes, for whoever needs them next; without it the file is never whole in memory.

    Raises:
        WeightError: as :func:`read_bytes` does.
    """
    if held is not None:
        held[path.name] = entry, read_bytes(path, entry)
        return
    _check_state(path, entry)
    _check_sum(sha256_of_file(path, WeightError), entry, str(path))


def encode_tensors(tensors: Mapping[str, Tensor], header: object) -> bytes:
    """Tensors and a JSON value as the bytes of a safetensors file; the same input gives the same bytes."""
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    return save(plain, metadata={HEADER: json.dumps(header, sort_keys=True, allow_nan=False)})


def read_claims(data: bytes, where: str) -> tuple[dict[str, tuple[int, ...]], object]:
    """What a safetensors file says of itself, before a tensor of it is made: name → shape, and its JSON value or None.

    Raises:
        WeightError: the header is damaged, larger than any honest one, or that of a pickle.
    """
    if data[:4] == b"PK\x03\x04" or (data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05"):
        raise WeightError(f"{where} is a pickle, not safetensors: pickles can run code and are never opened")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise WeightError(f"{where} {_NO_SAFETENSORS} (it ends within its header): {_MEND}")
    _HEADER_LIMIT.check(length, f"{where}: the header of this file", WeightError)
    header = parse_json(data[8 : 8 + length], f"{where} {_NO_SAFETENSORS}", WeightError)
    try:
        text = header.pop("__metadata__", {}).get(HEADER)
        shapes = {name: _shape(entry["shape"]) for name, entry in header.items()}
        value = None if text is None else parse_json(text, f"{where} {_NO_SAFETENSORS}", WeightError)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise WeightError(f"{where} {_NO_SAFETENSORS} ({_reason(error)}): {_MEND}") from None
    return shapes, value


def claims_of_file(path: Path) -> tuple[dict[str, tuple[int, ...]], object]:
    """As :func:`read_claims`, of a file whose tensors are not read.

    Raises:
        WeightError: it is missing or unreadable, or as :func:`read_claims` does.
    """
    with open_regular(path, WeightError) as file:
        try:
            size = file.read(8)
            length = int.from_bytes(size, "little")
            _HEADER_LIMIT.check(length, f"{path}: the header of this file", WeightError)
            return read_claims(size + file.read(length), str(path))
        except OSError as error:
            raise WeightError(f"{path}: this file cannot be read ({error.strerror})") from None


def decode_tensors(data: bytes, where: str) -> tuple[dict[str, Tensor], object]:
    """Tensors on the CPU and the JSON value (or None) of a safetensors file's bytes.

    Raises:
        WeightError: the bytes are not a whole safetensors file; pickles are named and refused.
    """
    shapes, value = read_claims(data, where)
    try:
        with memory_named(where, WeightError), plain_torch():
            tensors = load(data)
    except (SafetensorError, *UNREADABLE) as error:
        if isinstance(error, WeightError):
            raise
        raise WeightError(f"{where} {_NO_SAFETENSORS} ({_reason(error)}): {_MEND}") from None
    if {name: tuple(tensor.shape) for name, tensor in tensors.items()} != shapes:
        raise WeightError(f"{where} {_NO_SAFETENSORS} (it names a tensor twice): {_MEND}")
    return tensors, value


@contextmanager
def plain_torch() -> Iterator[None]:
    """Context in which tensors are made on the CPU and can be learned, whatever device or mode is set outside of it.

    It is this thread's alone. The default dtype is the whole process's, and is left as it is.
    """
    with torch.inference_mode(False), torch.enable_grad(), torch.device("cpu"):
        yield


def to_storage(tensors: Mapping[str, Tensor], dtype: StorageDtype) -> dict[str, Tensor]:
    """Tensors as they are stored: with float16, those of two or more axes; biases, scales and statistics stay float32.

    Raises:
        WeightError: NaN or infinity, or a value that float16 cannot hold.
    """
    stored = {}
    for key, tensor in tensors.items():
        wanted = storage_dtype(tensor, dtype)
        check_finite(key, tensor, "the network")
        stored[key] = tensor.detach().cpu().to(wanted)
        if not _is_finite(stored[key]):
            raise WeightError(f"{key} has values beyond float16: store this weight with dtype='float32'")
    return stored


def storage_dtype(tensor: Tensor, dtype: StorageDtype) -> torch.dtype:
    """The dtype in which a tensor of a network is stored."""
    if not tensor.is_floating_point():
        return tensor.dtype
    return torch.float16 if dtype == "float16" and tensor.ndim >= 2 else torch.float32


def check_finite(key: str, tensor: Tensor, where: str) -> None:
    """Raise WeightError where a tensor holds NaN or infinity."""
    if not _is_finite(tensor):
        raise WeightError(
            f"{where}: {key} holds NaN or infinity, and every feature would: take an earlier checkpoint of the training"
        )


def _check_state(path: Path, entry: FileEntry | None) -> None:
    try:
        state = path.stat()
    except FileNotFoundError:
        raise WeightError(f"{path} is missing: the weight folder is not complete, get it again") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WeightError(f"{path} cannot be read: {reason}") from None
    if entry is not None and stat.S_ISREG(state.st_mode):
        _check_size(state.st_size, entry, str(path))


def _check_size(found: int, entry: FileEntry, where: str) -> None:
    if found != entry.size:
        raise WeightError(f"{where} has {found} bytes, {entry.size} were recorded: {_MEND}")


def _check_sum(found: str, entry: FileEntry, where: str) -> None:
    if found != entry.sha256:
        raise WeightError(
            f"{where} is not the recorded file: sha256 {found[:12]}…, recorded {entry.sha256[:12]}…: {_MEND}"
        )


def _shape(sizes: object) -> tuple[int, ...]:
    if not isinstance(sizes, list) or len(sizes) > _MOST_AXES:
        raise ValueError("a shape that is none")
    if not all(type(size) is int and 0 <= size < 2**63 for size in sizes):
        raise ValueError("a size that is none")
    return tuple(sizes)


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
