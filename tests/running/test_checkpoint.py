"""Checkpoints: exact, atomic, strict."""

import resource
import signal
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.running.checkpoint import resume, save_checkpoint


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
        with pytest.raises(TrainingError, match=r"could not be written .* stays: .*step-00000001"):
            save_checkpoint(tmp_path, 2, "recipe", model, optimizer, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [file.name for file in tmp_path.iterdir()] == [good.name]
    assert resume(tmp_path, "recipe", model, optimizer).step == 1
