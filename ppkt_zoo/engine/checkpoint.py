"""Checkpoints: one safetensors file a step, written atomically, read strictly against a checksum. No pickle."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ppkt_zoo.engine.checkpoint_claims import check_claims
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.safetensors import TensorShape, read_tensors, write_tensors

_NAME = re.compile(r"step-(\d{8})\.safetensors")
_PART = re.compile(r"step-\d{8}\.part")


@dataclass(frozen=True)
class DataPart:
    """One source of a run's data.

    Attributes:
        count: how many items it has.
        unit: what they are, such as "frames".
        digits: change when one of them does.
    """

    count: int
    unit: str
    digits: str


@dataclass(frozen=True)
class Resumed:
    """Where a run goes on.

    Attributes:
        step: steps done.
        notes: whatever the trainer stored beside the tensors.
        average: averaged parameters, if any.
        file: the checkpoint.
        remarks: what the user should know, a line each.
    """

    step: int
    notes: dict[str, Any]
    average: dict[str, Tensor]
    file: Path
    remarks: tuple[str, ...] = field(default=())

    def number(self, name: str) -> float:
        """A number among the notes, 0 or more; TrainingError where it is not there, or is something else."""
        value = self.notes.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise TrainingError(
                f"checkpoint {self.file} is damaged (its notes have no number {name!r}): {_mend(self.file)}"
            )
        return value


def save_checkpoint(
    folder: Path,
    step: int,
    fingerprint: str,
    model: nn.Module,
    optimizer: Optimizer,
    notes: dict[str, Any],
    keep: int = 2,
    average: dict[str, Tensor] | None = None,
    data: Mapping[str, DataPart] | None = None,
) -> Path:
    """Write weights, optimiser and random state after ``step`` steps; the newest ``keep`` files stay.

    The file appears under its name only when it is complete and on the disk; a checksum covers all of it.

    Args:
        data: what was learned from, by name; a run that goes on must find the same.

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
    if data is not None:
        header["data"] = {name: asdict(part) for name, part in data.items()}
    file = folder / f"step-{step:08d}.safetensors"
    try:
        write_tensors(file, tensors, header, checksum=True)
    except TrainingError as error:
        good = _checkpoints(folder)
        kept = f"the checkpoint before stays: {good[-1]}" if good else "there is no checkpoint before it"
        raise TrainingError(f"checkpoint {error}; {kept}. The same command, given again, resumes from there") from error
    for old in _checkpoints(folder)[:-keep]:
        with contextlib.suppress(OSError):  # one that stays too long does no harm
            old.unlink()
    return file


def resume(
    folder: Path,
    fingerprint: str,
    model: nn.Module,
    optimizer: Optimizer,
    data: Mapping[str, DataPart] | None = None,
) -> Resumed | None:
    """Load the newest checkpoint of a folder into model and optimiser; None where there is none.

    Nothing is loaded before all of it was checked.

    Args:
        data: what the run would learn from now, by name.

    Raises:
        TrainingError: the checkpoint belongs to another recipe, the data has changed since, its file is damaged, or
            it fits neither model nor optimiser.
    """
    files = _checkpoints(folder)
    if not files:
        return None
    file = files[-1]

    def check(header: dict[str, Any], claimed: Mapping[str, TensorShape]) -> None:
        if not isinstance(header.get("fingerprint"), str):
            raise ValueError("its header names no recipe")
        if header["fingerprint"] != fingerprint:
            # A fingerprint may name the data behind the recipe's digits; what changed there is told by the data.
            recipes = {one.partition("|")[0] for one in (header["fingerprint"], fingerprint)}
            if len(recipes) == 1 and data is not None and "data" in header:
                check_same_data(_data_parts_in(header["data"]), data, f"step {header.get('step')} ({file})")
            raise TrainingError(
                f"checkpoint {file} was made by another recipe or other overrides: "
                "give the same ones, or choose another --out folder"
            )
        if header.get("step") != int(file.stem.removeprefix("step-")) or isinstance(header["step"], bool):
            raise ValueError("its header names another step than its name")
        if not isinstance(header.get("notes"), dict):
            raise ValueError("its header has no notes")
        if "data" in header:
            _data_parts_in(header["data"])
        check_claims(claimed, header.get("scalars"), model, optimizer)

    header, tensors = read_tensors(file, "checkpoint", _mend(file), check)
    try:
        torch.Generator().set_state(tensors["random.torch"])
    except RuntimeError as error:  # possible in files of before there were checksums
        raise TrainingError(f"checkpoint {file} is damaged (its random state is none): {_mend(file)}") from error
    remarks = []
    if data is not None and "data" in header:
        check_same_data(_data_parts_in(header["data"]), data, f"step {header['step']} ({file})")
    elif data is not None:
        remarks.append(
            f"{file.name} is of an older version, which did not note its data: whether it changed is unknown"
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
    return Resumed(header["step"], header["notes"], _strip(tensors, "average."), file, tuple(remarks))


def clear_parts(folder: Path) -> None:
    """Take away what writing that was killed left behind; for whoever alone works in the folder."""
    if folder.is_dir():
        for file in folder.iterdir():
            if _PART.fullmatch(file.name) and file.is_file():
                with contextlib.suppress(OSError):
                    file.unlink()


def _strip(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _mend(file: Path) -> str:
    earlier = [one for one in _checkpoints(file.parent) if one.name < file.name]
    return f"delete it to resume from the one before, {earlier[-1].name}" if earlier else "delete it to start again"


def _checkpoints(folder: Path) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if _NAME.fullmatch(file.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TrainingError(
            f"{folder}: this must be the folder of a run's checkpoints, it cannot be read ({error.strerror}): move it "
            "away, or give another --out"
        ) from error


def _data_parts_in(value: object) -> dict[str, DataPart]:
    """The parts of a JSON value that a checkpoint was written with; ValueError where it is another value."""
    if not isinstance(value, dict):
        raise ValueError("what it says of the data is no mapping")
    found = {}
    for name, part in value.items():
        kinds = {"count": int, "unit": str, "digits": str}
        if not isinstance(part, dict) or {key: type(one) for key, one in part.items()} != kinds:
            raise ValueError(f"what it says of the data {name!r} is not what was written")
        found[str(name)] = DataPart(**part)
    return found


def check_same_data(kept: Mapping[str, DataPart], now: Mapping[str, DataPart], since: str) -> None:
    """Go on only where the data is what it was.

    Args:
        kept: of when the run was stopped.
        now: of today.
        since: when that was, such as "step 40 in out/checkpoints/…".

    Raises:
        TrainingError: a source is another one; says how many items are where.
    """
    mend = "put them back, or start in another --out"
    for name, before in kept.items():
        after = now.get(name)
        if after == before:
            continue
        if after is None:
            raise TrainingError(f"the {before.unit} of {name!r}, learned from until {since}, are not given: {mend}")
        where = (
            f"{after.count} {after.unit} are now where {before.count} were"
            if after.count != before.count
            else f"there are still {after.count}, but some were edited or renamed"
        )
        raise TrainingError(f"the {before.unit} of {name!r} have changed since {since}: {where}; {mend}")
    if added := sorted(set(now) - set(kept)):
        raise TrainingError(
            f"the data {added[0]!r} was not there until {since}: leave it out, or start in another --out"
        )
