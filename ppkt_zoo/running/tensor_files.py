"""`write_tensors`: the one writer of a run's safetensors files, whole or not there."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

__all__ = ["HEADER", "write_tensors"]

HEADER = "ppkt_zoo"
"""Where a safetensors file of ours keeps its JSON. One entry: safetensors writes several in no fixed order, and the
same tensors shall give the same bytes."""


def write_tensors(file: Path, tensors: Mapping[str, Tensor | None], header: object = None) -> None:
    """Write a safetensors file that appears under its name only when it is complete and on the disk.

    Args:
        file: its folder is made where it is missing.
        tensors: from any device; those that are None are left out.
        header: a JSON value, stored under :data:`HEADER`; None for none.

    Raises:
        OSError, SafetensorError: it could not be written; what stood under the name stays.
    """
    # Cloned, since safetensors refuses tensors that share memory.
    plain = {name: each.detach().cpu().contiguous().clone() for name, each in tensors.items() if each is not None}
    content = save(plain, None if header is None else {HEADER: json.dumps(header)})
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    try:
        with open(part, "wb") as written:  # save_file would make a file for the owner's eyes alone
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        os.replace(part, file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
