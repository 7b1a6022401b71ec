"""An exponential moving average of a model's parameters, which is often better than the last ones."""

from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def parameter_average(model: nn.Module, decay: float) -> AveragedModel:
    """The average: a ← decay · a + (1 − decay) · parameter after each step; buffers (batch norm's) are the newest.

    Args:
        model: the model that is trained; the average begins with its parameters.
        decay: 0.99 looks back about a hundred steps.
    """
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    average.update_parameters(model)  # the first one copies
    return average
