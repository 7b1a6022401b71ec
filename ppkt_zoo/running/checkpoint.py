"""Checkpoints: one safetensors file a step, written atomically, read strictly. No pickle."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.optim import Optimizer

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.running.tensor_files import HEADER, write_tensors

_NAME = re.compile(r"step-(\d{8})\.safetensors")


@dataclass(frozen=True)
class Resumed:
    """Where a run goes on: steps done, whatever the trainer stored beside the tensors, averaged parameters if any."""

    step: int
    notes: dict[str, Any]
    average: dict[str, Tensor]


def save_checkpoint(
    folder: Path,
    step: int,
    fingerprint: str,
    model: nn.Module,
    optimizer: Optimizer,
    notes: dict[str, Any],
    keep: int = 2,
    average: dict[str, Tensor] | None = None,
) -> Path:
    """Write weights, optimiser and random state after ``step`` steps; the newest ``keep`` files stay.

    The file appears under its name only when it is complete and on the disk.

    Raises:
        TrainingError: it could not be written (a full disk); the last good checkpoint stays.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    scalars: dict[str, Any] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer.{index}.{name}"] = value
            else:
                scalars[f"{index}.{name}"] = value
    tensors |= {f"average.{name}": tensor for name, tensor in (average or {}).items()}
    tensors["random.torch"] = torch.get_rng_state()
    header = {"step": step, "fingerprint": fingerprint, "scalars": scalars, "notes": notes}
    file = folder / f"step-{step:08d}.safetensors"
    try:
        write_tensors(file, tensors, header)
    except (OSError, SafetensorError) as error:
        good = _checkpoints(folder)
        kept = f"the checkpoint before stays: {good[-1]}" if good else "there is no checkpoint before it"
        raise TrainingError(
            f"checkpoint {file} could not be written ({error}); {kept}. Make room on the disk and give the same "
            "command again: it goes on from there"
        ) from error
    for old in _checkpoints(folder)[:-keep]:
        old.unlink()
    return file


def resume(folder: Path, fingerprint: str, model: nn.Module, optimizer: Optimizer) -> Resumed | None:
    """Load the newest checkpoint of a folder into model and optimiser; None where there is none.

    Raises:
        TrainingError: the checkpoint belongs to another recipe, or its file is damaged.
    """
    files = _checkpoints(folder)
    if not files:
        return None
    file = files[-1]
    try:
        with safe_open(file, "pt") as opened:
            header = json.loads((opened.metadata() or {})[HEADER])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise TrainingError(
            f"checkpoint {file} is damaged ({error}): delete it to go on from the one before"
        ) from error
    if header["fingerprint"] != fingerprint:
        raise TrainingError(
            f"checkpoint {file} was made by another recipe or other overrides: "
            "give the same ones, or choose another --out folder"
        )
    model.load_state_dict(_strip(tensors, "model."), strict=True)
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in _strip(tensors, "optimizer.").items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    for key, value in header["scalars"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["random.torch"])
    return Resumed(int(header["step"]), header["notes"], _strip(tensors, "average."))


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _checkpoints(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))
