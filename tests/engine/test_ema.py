"""The moving average of parameters is the formula's, buffers are the newest, and a checkpoint brings it back."""

import torch
from torch import nn

from ppkt_zoo.engine.ema import parameter_average


def test_average_follows_the_formula() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    linear, norm = model
    average = parameter_average(model, 0.9)
    expected = linear.weight.detach().clone()
    for step in range(5):
        with torch.no_grad():
            linear.weight.add_(step + 1.0)
            norm.running_mean.fill_(step)
        average.update_parameters(model)
        expected = 0.9 * expected + 0.1 * linear.weight.detach()
    torch.testing.assert_close(average.module.state_dict()["0.weight"], expected)
    assert float(average.module.state_dict()["1.running_mean"][0]) == 4
    again = parameter_average(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), 0.9)
    again.module.load_state_dict(average.module.state_dict())
    with torch.no_grad():
        linear.weight.zero_()
    average.update_parameters(model)
    again.update_parameters(model)
    torch.testing.assert_close(again.module.state_dict()["0.weight"], average.module.state_dict()["0.weight"])
