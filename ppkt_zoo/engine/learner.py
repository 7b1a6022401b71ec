"""`Learner`: what one step of a training run learns."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from ppkt_zoo.engine.checkpoint import Resumed
from ppkt_zoo.engine.optim import learning_rate, set_learning_rate
from ppkt_zoo.engine.processes import mean_over_ranks
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.safetensors import write_tensors

_Batch = TypeVar("_Batch")


class Learner(ABC, Generic[_Batch]):
    """A model, its optimiser, and what they learn from a batch.

    Attributes:
        recipe: of the run; its ``optimiser`` says the learning rates and the largest norm of the gradient.
        model, optimizer: what is trained.
        accelerator: of a run on several processes or in half precision, or None.
        average: averaged parameters that follow the model's, or None.
        places: decimal places of the loss in the log.
    """

    recipe: Any
    model: nn.Module
    optimizer: Optimizer
    accelerator: Accelerator | None = None
    average: AveragedModel | None = None
    places: ClassVar[int] = 6

    def set_rates(self, step: int) -> float:
        """Set the learning rates of a step, counted from 0, as the recipe says; gives the one for the log."""
        lr = learning_rate(self.recipe.optimiser, step, self.recipe.steps)
        set_learning_rate(self.optimizer, lr)
        return lr

    @abstractmethod
    def loss(self, batch: _Batch, detail: bool) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, a scalar with gradient, and its figures; ``detail`` asks for those that cost time."""

    @abstractmethod
    def tensors(self, batch: _Batch) -> Mapping[str, Tensor | None]:
        """What is saved for study where the loss of a batch is not finite."""

    def usable(self, batch: _Batch) -> bool:
        """Whether every process has something to learn from this batch; all processes give the same answer."""
        return True

    def notes(self) -> dict[str, Any]:
        """What a checkpoint keeps beside tensors, as JSON."""
        return {}

    def restore(self, resumed: Resumed) -> None:
        """Take up the :meth:`notes` of a checkpoint."""

    @property
    def plain_model(self) -> nn.Module:
        """The model without what Accelerate wraps around it."""
        return self.model if self.accelerator is None else self.accelerator.unwrap_model(self.model)

    @property
    def process(self) -> int:
        """Which of the processes that learn together this is, from 0."""
        return 0 if self.accelerator is None else self.accelerator.process_index

    @property
    def writes(self) -> bool:
        """Whether this process, of several that learn together, is the one that writes."""
        return self.accelerator is None or self.accelerator.is_main_process

    def take_step(
        self, step: int, batches: Sequence[_Batch], detail: bool = True, study: Path | None = None
    ) -> dict[str, float]:
        """One step of the optimiser down the mean gradient of its batches.

        Args:
            step: counted from 0.
            batches: usable ones; with none of them the model stays as it is.
            detail: also give the figures that cost time.
            study: folder for the batch of a loss that is not finite; None takes the step unchecked.

        Returns:
            Means over the batches: the loss over all processes, the figures, and the learning rate; empty without a
            batch.

        Raises:
            TrainingError: the loss is NaN or infinite; names the file that holds the batch.
        """
        lr = self.set_rates(step)
        self.optimizer.zero_grad(set_to_none=True)
        figures: list[dict[str, float]] = []
        for number, batch in enumerate(batches, start=1):
            # Gradients travel between processes with the last batch of a step only.
            with self._without_exchange() if number < len(batches) else nullcontext():
                loss, found = self.loss(batch, detail)
                own = loss.detach()
                value = float(own) if self.accelerator is None else mean_over_ranks(own)
                if study is not None and not math.isfinite(value):
                    raise self._not_finite(value, step, batch, study)
                self._backward(loss / len(batches))
            figures.append({"loss": value, **found})
        if not figures:
            return {}
        self._clip()
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.plain_model)
        means = {name: self._mean([one[name] for one in figures if name in one]) for name in figures[0]}
        return {**means, "lr": round(lr, 8)}

    def _without_exchange(self) -> AbstractContextManager[Any]:
        return nullcontext() if self.accelerator is None else self.accelerator.no_sync(self.model)

    def _backward(self, loss: Tensor) -> None:
        if self.accelerator is None:
            loss.backward()
        else:
            self.accelerator.backward(loss)

    def _clip(self) -> None:
        most = self.recipe.optimiser.clip_norm
        clip = torch.nn.utils.clip_grad_norm_ if self.accelerator is None else self.accelerator.clip_grad_norm_
        if most is not None:
            clip(self.model.parameters(), most)

    def _mean(self, values: list[float]) -> float:
        return round(sum(values) / len(values), self.places)

    def _not_finite(self, loss: float, step: int, batch: _Batch, study: Path) -> TrainingError:
        several = self.accelerator is not None and self.accelerator.num_processes > 1
        rank = f"-process-{self.accelerator.process_index}" if several and self.accelerator is not None else ""
        file = study / f"failed-step-{step + 1:08d}{rank}.safetensors"
        write_tensors(file, self.tensors(batch), error=TrainingError)
        return TrainingError(
            f"the loss of step {step + 1} is {loss}: its batch was saved to {file}; "
            "lower optimiser.lr or set optimiser.clip_norm"
        )
