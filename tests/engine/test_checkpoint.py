"""Checkpoints: exact, atomic, strict."""

import json
import os
import resource
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from ppkt_zoo.engine.checkpoint import DataPart, resume, save_checkpoint
from ppkt_zoo.errors import TrainingError


def _trained(steps: int) -> tuple[nn.Module, AdamW]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    optimizer = AdamW(model.parameters(), lr=0.01)
    _go_on(model, optimizer, steps)
    return model, optimizer


def _go_on(model: nn.Module, optimizer: AdamW, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.rand(16, 4)).square().mean().backward()
        optimizer.step()


def test_resumed_training_equals_uninterrupted(tmp_path: Path) -> None:
    whole, _ = _trained(9)
    model, optimizer = _trained(4)
    save_checkpoint(tmp_path, 4, "recipe", model, optimizer, {"seconds": 1.5})
    fresh, fresh_optimizer = _trained(0)
    torch.manual_seed(99)
    resumed = resume(tmp_path, "recipe", fresh, fresh_optimizer)
    assert resumed is not None
    assert (resumed.step, resumed.notes) == (4, {"seconds": 1.5})
    _go_on(fresh, fresh_optimizer, 5)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, fresh.state_dict()[name]), name


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert resume(tmp_path / "absent", "recipe", *_trained(0)) is None


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, "recipe", *_trained(1), {})
    with pytest.raises(TrainingError, match="another recipe"):
        resume(tmp_path, "other", *_trained(0))


def test_a_cut_checkpoint_is_named(tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path, 1, "recipe", *_trained(1), {})
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(TrainingError, match="step-00000001"):
        resume(tmp_path, "recipe", *_trained(0))


def _with_header(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Write another header into a checkpoint, as an editor would; the tensors stay."""
    content = file.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"]["ppkt_zoo"] = json.dumps(change(json.loads(header["__metadata__"]["ppkt_zoo"])))
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    # Without its checksum too, as checkpoints of before there were any.
    return lambda header: {key: value for key, value in header.items() if key not in (name, "sha256")}


@pytest.mark.parametrize("part", ["model.", "optimizer.", "random."])
def test_one_flipped_bit_is_told(tmp_path: Path, part: str) -> None:
    save_checkpoint(tmp_path, 1, "recipe", *_trained(1), {})
    file = save_checkpoint(tmp_path, 2, "recipe", *_trained(2), {})
    content = bytearray(file.read_bytes())
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    name = next(name for name in header if name.startswith(part))
    content[8 + size + header[name]["data_offsets"][0] + 2] ^= 0x40
    file.write_bytes(content)
    model, optimizer = _trained(0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(TrainingError, match=r"step-00000002.*checksum.*the one before, step-00000001"):
        resume(tmp_path, "recipe", model, optimizer)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()), "nothing is loaded"


@pytest.mark.parametrize(
    "change",
    [
        lambda header: [],
        lambda header: {**header, "notes": {"seconds": 9}},
        *(_without(name) for name in ("fingerprint", "step", "notes", "scalars")),
        lambda header: {**_without("")(header), "step": 7},  # type: ignore[dict-item]
        lambda header: {**_without("")(header), "scalars": {"99.x": 1}},  # type: ignore[dict-item]
        lambda header: {**_without("")(header), "data": {"rooms": 3}},  # type: ignore[dict-item]
    ],
)
def test_a_header_that_was_edited_is_told(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = save_checkpoint(tmp_path, 1, "recipe", *_trained(1), {"seconds": 1.0})
    _with_header(file, change)
    with pytest.raises(TrainingError, match=r"step-00000001.*damaged.*delete it to start again"):
        resume(tmp_path, "recipe", *_trained(0))


def test_a_checkpoint_without_checksum_goes_on(tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path, 1, "recipe", *_trained(1), {"seconds": 1.0})
    _with_header(file, _without(""))
    resumed = resume(tmp_path, "recipe", *_trained(0), {"rooms": DataPart(3, "frames", "a")})
    assert resumed is not None
    assert "older version" in resumed.remarks[0]
    assert resumed.number("seconds") == 1.0
    with pytest.raises(TrainingError, match="no number 'seen_frames'"):
        resumed.number("seen_frames")


def test_a_random_state_that_is_none_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path, 3, "recipe", *_trained(3), {})
    _with_header(file, _without("sha256"))
    content = file.read_bytes()
    state = torch.get_rng_state().numpy().tobytes()
    assert content.count(state[:64]) == 1
    place = content.index(state[:64])
    file.write_bytes(content[:place] + bytes(255 for _ in range(64)) + content[place + 64 :])
    model, optimizer = _trained(0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(TrainingError, match=r"is damaged \(its random state is none\): delete it to start again"):
        resume(tmp_path, "recipe", model, optimizer)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_another_model_or_optimiser_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, "recipe", *_trained(1), {})
    wider = nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(9), nn.Linear(9, 1))
    with pytest.raises(TrainingError, match=r"0\.weight has the shape \(8, 4\), the model wants \(9, 4\)"):
        resume(tmp_path, "recipe", wider, AdamW(wider.parameters()))
    model, _ = _trained(0)
    with pytest.raises(TrainingError, match="optimiser's state of parameter 0"):
        resume(tmp_path, "recipe", model, SGD(model.parameters(), lr=0.1, momentum=0.9))


@pytest.mark.parametrize("kind", ["empty", "folder", "pipe", "text"])
def test_something_else_in_the_place_of_a_checkpoint_is_told(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "step-00000005.safetensors"
    if kind == "folder":
        file.mkdir()
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.write_text("" if kind == "empty" else "hello, this is text")
    with pytest.raises(TrainingError, match="step-00000005"):
        resume(tmp_path, "recipe", *_trained(0))


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("x")
    with pytest.raises(TrainingError, match="checkpoints"):
        resume(tmp_path / "checkpoints", "recipe", *_trained(0))


def test_data_that_changed_is_told_by_name_and_count(tmp_path: Path) -> None:
    kept = {"mine": DataPart(20, "frames", "a"), "rooms": DataPart(4, "frames", "b")}
    save_checkpoint(tmp_path, 40, "recipe", *_trained(1), {}, data=kept)
    assert resume(tmp_path, "recipe", *_trained(0), kept) is not None
    for now, words in (
        ({"mine": DataPart(10, "frames", "c")}, "'mine' have changed since step 40 .*10 frames are now where 20 were"),
        ({"mine": DataPart(20, "frames", "c")}, "still 20, but some were edited"),
        ({"other": DataPart(1, "frames", "d")}, "the data 'other' was not there until step 40"),
    ):
        with pytest.raises(TrainingError, match=words):
            resume(tmp_path, "recipe", *_trained(0), {**kept, **now})
    with pytest.raises(TrainingError, match=r"'rooms', learned from until step 40.* are not given"):
        resume(tmp_path, "recipe", *_trained(0), {"mine": kept["mine"]})


def test_only_the_newest_stay_and_parts_are_ignored(tmp_path: Path) -> None:
    model, optimizer = _trained(1)
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, "recipe", model, optimizer, {})
    (tmp_path / "step-00000009.part").write_bytes(b"half a file")
    assert sorted(file.name for file in tmp_path.glob("*.safetensors")) == [
        "step-00000002.safetensors",
        "step-00000003.safetensors",
    ]
    resumed = resume(tmp_path, "recipe", model, optimizer)
    assert resumed is not None
    assert resumed.step == 3


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    model = nn.Linear(300, 300)
    optimizer = SGD(model.parameters(), lr=0.1)
    good = save_checkpoint(tmp_path, 1, "recipe", model, optimizer, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file may grow to 100 kB, the checkpoint is larger: writing ends as on a full disk, in the middle.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(TrainingError, match=r"cannot be written .* stays: .*step-00000001"):
            save_checkpoint(tmp_path, 2, "recipe", model, optimizer, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [file.name for file in tmp_path.iterdir()] == [good.name]
    assert resume(tmp_path, "recipe", model, optimizer).step == 1
