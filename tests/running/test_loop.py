"""The loop of all fine-tuning: what a run learns depends on neither workers nor a stop, dropouts included."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from ppkt_zoo.running.interrupt import Stopped, StopRequest
from ppkt_zoo.running.loop import TrainingLoop
from ppkt_zoo.running.progress import TrainingProgress

STEPS = 6


@dataclass
class Batch:
    """Some rows."""

    step: int
    rows: torch.Tensor


class Batches(Dataset[Batch]):
    """Rows by step."""

    def __getitem__(self, step: int) -> Batch:
        return Batch(step, torch.arange(12.0).reshape(3, 4).sin() + step)


def trained(out: Path, workers: int, last: int = STEPS, stop_at: int | None = None) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with TrainingProgress() as progress, StopRequest() as stop:
        loop = TrainingLoop(out, "run", model, optimizer, STEPS, 1, 100, progress, stop)

        def learn(batch: Batch) -> dict[str, float]:
            optimizer.zero_grad()
            loss = model(batch.rows).square().mean()
            loss.backward()
            optimizer.step()
            if batch.step == stop_at:
                stop.signal = 15
            return {"loss": float(loss.detach()), "lr": 0.05}

        loop.run("test", Batches(), last, workers, learn)
    return model.state_dict()


def test_a_dropout_draws_the_same_whatever_the_workers_and_however_often_the_run_stopped(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", workers=0)
    torch.rand(5)  # whatever else draws before
    with pytest.raises(Stopped):
        trained(tmp_path / "parts", workers=1, stop_at=2)
    parts = trained(tmp_path / "parts", workers=1)
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
