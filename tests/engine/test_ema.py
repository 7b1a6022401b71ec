"""The moving average of parameters is the formula's, buffers are the newest, and a checkpoint brings it back."""

import pytest
import torch
from torch import nn

from ppkt_zoo.engine.ema import ParameterAverage
from ppkt_zoo.errors import TrainingError


def test_average_follows_the_formula() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    linear, norm = model
    average = ParameterAverage(model, 0.9)
    expected = linear.weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            linear.weight.add_(step + 1.0)
            norm.running_mean.fill_(step)
        average.update(model)
        expected = 0.9 * expected + 0.1 * linear.weight.detach()
    torch.testing.assert_close(average.state()["0.weight"], expected)
    assert float(average.state()["1.running_mean"][0]) == 4
    again = ParameterAverage(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0.9)
    again.load(average.state())
    with torch.no_grad():
        linear.weight.zero_()
    average.update(model)
    again.update(model)
    torch.testing.assert_close(again.state()["0.weight"], average.state()["0.weight"])


def test_a_checkpoint_without_an_average_is_told() -> None:
    with pytest.raises(TrainingError, match="made without ema"):
        ParameterAverage(nn.Linear(2, 2), 0.9).load({})
