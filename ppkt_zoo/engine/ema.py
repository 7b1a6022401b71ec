"""An exponential moving average of a model's parameters, which is often better than the last ones."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ppkt_zoo.errors import TrainingError


class ParameterAverage:
    """The average: a ← decay · a + (1 − decay) · parameter after each step; buffers (batch norm's) are the newest.

    Args:
        model: the model that is trained; the average begins with its parameters.
        decay: 0.99 looks back about a hundred steps.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self._average.update_parameters(model)  # the first one copies

    @property
    def model(self) -> nn.Module:
        """The averaged model."""
        averaged: nn.Module = self._average.module
        return averaged

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """After a step of the optimiser."""
        self._average.update_parameters(model)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint holds."""
        return self.model.state_dict()

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint's state.

        Raises:
            TrainingError: the checkpoint was made without an average.
        """
        if not state:
            raise TrainingError("the checkpoint holds no averaged parameters: it was made without ema")
        self.model.load_state_dict(dict(state), strict=True)
