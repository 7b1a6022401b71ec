"""The base of everything that is read strictly, and sections that recipes of several kinds share."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: Steps of a run: its checkpoints are named by eight digits.
MOST_STEPS = 99_999_999
#: Images, scenes or frames of a step; more never fit into a machine.
MOST_BATCH = 100_000
#: Pairs of a step, and keys of a queue.
MOST_PAIRS = 10_000_000
#: Numbers of an embedding.
MOST_DIM = 65_536


class StrictModel(BaseModel):
    """No field beyond the known ones, no number that is none, and no change after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptimiserSection(StrictModel):
    """Optimiser and learning-rate schedule: linear warm-up, then the schedule."""

    name: Literal["sgd", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD only")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="part of the steps")
    schedule: Literal["cosine", "polynomial", "exponential", "constant"] = "cosine"
    power: float = Field(default=0.9, gt=0, description="of the polynomial schedule")
    gamma: float = Field(default=0.99, gt=0, le=1, description="of the exponential one, every gamma_steps")
    gamma_steps: int = Field(default=250, gt=0)
    clip_norm: float | None = Field(default=None, gt=0)
