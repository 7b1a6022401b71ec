"""sha256 of files and of tensors: what is read back is what was written."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.reading import open_regular


def sha256_of(content: bytes) -> str:
    """sha256 of bytes, 64 digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path, error: type[PPKTZooError], what: str = "file") -> str:
    """sha256 of a regular file, read in pieces; raises ``error`` where it cannot be read."""
    with open_regular(path, error, what) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except OSError as failure:
            raise error(f"{path}: this {what} cannot be read ({failure.strerror})") from failure


def sha256_of_tensors(tensors: Mapping[str, Tensor], beside: str = "") -> str:
    """sha256 over names, dtypes, shapes and numbers of tensors in the order of their names, and a text beside them."""
    digest = hashlib.sha256(beside.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
