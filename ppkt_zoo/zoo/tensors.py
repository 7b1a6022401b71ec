"""safetensors in and out, with errors that name the file; no other tensor file is ever opened."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.running.tensor_files import HEADER
from ppkt_zoo.zoo.record import FileEntry

StorageDtype = Literal["float16", "float32"]

_MEND = "it is damaged or cut short, get it again"


def file_entry(data: bytes) -> FileEntry:
    """Size and sha256 of a file's bytes."""
    return FileEntry(size=len(data), sha256=hashlib.sha256(data).hexdigest())


def check_bytes(data: bytes, entry: FileEntry, where: str) -> None:
    """Raise WeightError where the bytes are not those that were recorded."""
    if len(data) != entry.size:
        raise WeightError(f"{where} has {len(data)} bytes, {entry.size} were recorded: {_MEND}")
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise WeightError(
            f"{where} is not the recorded file: sha256 {found[:12]}…, recorded {entry.sha256[:12]}…: {_MEND}"
        )


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        WeightError: it is missing or unreadable.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise WeightError(f"{path} is missing: the weight folder is not complete, get it again") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise WeightError(f"{path} cannot be read: {reason}") from None


def encode_tensors(tensors: Mapping[str, Tensor], header: object) -> bytes:
    """Tensors and a JSON value as the bytes of a safetensors file; the same input gives the same bytes."""
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    return save(plain, metadata={HEADER: json.dumps(header, sort_keys=True, allow_nan=False)})


def decode_tensors(data: bytes, where: str) -> tuple[dict[str, Tensor], object]:
    """Tensors and the JSON value (or None) of a safetensors file's bytes.

    Raises:
        WeightError: the bytes are not a whole safetensors file; pickles are named and refused.
    """
    if data[:4] == b"PK\x03\x04" or (data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05"):
        raise WeightError(f"{where} is a pickle, not safetensors: pickles can run code and are never opened")
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        text = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(HEADER)
        return tensors, None if text is None else json.loads(text)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightError(f"{where} is not a whole safetensors file ({reason}): {_MEND}") from None


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


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())
