"""The loop of every run: gradients are means over what can be used, measurements are never missed nor taken twice."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils.data import Dataset

from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.ema import parameter_average
from ppkt_zoo.engine.interrupt import Stopped, StopRequest
from ppkt_zoo.engine.learner import Learner
from ppkt_zoo.engine.loop import Measurement, TrainingLoop
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.engine.recipes import TrainingRecipe
from ppkt_zoo.errors import TrainingError

STEPS = 4


class Plan(TrainingRecipe):
    """A step is logged, every second one kept."""

    steps: int = STEPS
    log_every: int = 1
    checkpoint_every: int = 2


RECIPE = Plan()


class Numbers(Dataset[float]):
    """Item t is t + 1; -1 where a batch has nothing to learn from."""

    def __init__(self, *unusable: int) -> None:
        self._unusable = unusable

    def __getitem__(self, index: int) -> float:
        return -1.0 if index in self._unusable else index + 1.0


class Slope(Learner[float]):
    """One weight w; the loss of a batch b is w · b, its gradient b."""

    recipe = SimpleNamespace(optimiser=SimpleNamespace(clip_norm=None))

    def __init__(self) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.model.weight)
        self.optimizer = SGD(self.model.parameters(), lr=1.0)

    def set_rates(self, step: int) -> float:
        return 1.0

    def usable(self, batch: float) -> bool:
        return batch > 0

    def loss(self, batch: float, detail: bool) -> tuple[Tensor, dict[str, float]]:
        return self.model(torch.tensor([[batch]])).sum(), {}

    def tensors(self, batch: float) -> Mapping[str, Tensor]:
        return {"batch": torch.tensor(batch)}


def train(
    learner: Slope,
    out: Path,
    data: Dataset[float],
    *measurements: Measurement,
    stop: StopRequest | None = None,
    accumulate: int = 1,
) -> None:
    loop = TrainingLoop(learner, out, RECIPE, TrainingProgress(), stop or StopRequest(), measurements=measurements)
    order = lambda first, last: range(first * accumulate, last * accumulate)  # noqa: E731
    loop.run("test", lambda first, last: DataWorkers(data, order(first, last), 0), accumulate=accumulate)


def test_a_step_follows_the_mean_gradient_of_the_batches_that_can_be_used(tmp_path: Path) -> None:
    learner = Slope()
    train(learner, tmp_path, Numbers(1, 4, 5), accumulate=2)
    # Steps see (1, 2), (3, 4), (5, 6), (7, 8); 2, 5 and 6 cannot be used.
    assert learner.model.weight.item() == pytest.approx(-(1 + 3.5 + 7.5))
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 4]


def test_a_measurement_that_a_stop_cut_off_is_taken_when_the_run_resumes(tmp_path: Path) -> None:
    stop, taken = StopRequest(), []

    def cut_off(done: int) -> dict[str, float]:
        raise Stopped(f"stopped after {done}")

    def measured(done: int) -> dict[str, float]:
        taken.append(done)
        return {"validation_loss": 0.5}

    with pytest.raises(Stopped, match="after 2"):
        train(Slope(), tmp_path, Numbers(), Measurement(2, measured), Measurement(2, cut_off), stop=stop)
    train(Slope(), tmp_path, Numbers(), Measurement(2, measured), Measurement(2, measured))
    assert taken == [2, 2, 4, 4]
    train(Slope(), tmp_path, Numbers(), Measurement(2, measured), Measurement(2, measured))
    assert taken == [2, 2, 4, 4], "a finished run measures nothing again"
    assert [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl")] == [1, 2, 2, 2, 3, 4, 4, 4]


def test_a_checkpoint_without_an_average_is_told(tmp_path: Path) -> None:
    train(Slope(), tmp_path, Numbers())
    averaged = Slope()
    averaged.average = parameter_average(averaged.model, 0.9)
    with pytest.raises(TrainingError, match="made without ema"):
        train(averaged, tmp_path, Numbers())


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_its_batch(tmp_path: Path) -> None:
    class Endless(Numbers):
        def __getitem__(self, index: int) -> float:
            return float("inf")

    with pytest.raises(TrainingError, match=r"loss of step 1 is nan: its batch was saved to .*failed-step-00000001"):
        train(Slope(), tmp_path, Endless())
    assert (tmp_path / "failed-step-00000001.safetensors").is_file()


class Dropping(Slope):
    """A network that draws random numbers at every step."""

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimizer = SGD(self.model.parameters(), lr=0.01)


def test_a_dropout_draws_the_same_whatever_was_drawn_before_and_however_often_the_run_stopped(tmp_path: Path) -> None:
    whole, parts = Dropping(), Dropping()
    train(whole, tmp_path / "whole", Numbers())
    torch.rand(5)  # whatever else draws before
    stop = StopRequest()

    class Stopping(Dropping):
        def usable(self, batch: float) -> bool:
            stop.signal = 15 if batch == 2 else stop.signal
            return True

    with pytest.raises(Stopped):
        train(Stopping(), tmp_path / "parts", Numbers(), stop=stop)
    torch.rand(3)
    train(parts, tmp_path / "parts", Numbers())
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, parts.model.state_dict()[name]), name
