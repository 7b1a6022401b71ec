"""What every part of the proof shares: the weight, its teacher, where data lies, how much is measured."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from _probes.untrained import make_untrained

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.pretraining.recipe import Recipe, load_recipe
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import Teacher, load_teacher
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.load import load_backbone, open_weight

TEACHER_FILE = "teachers/deeplabv3_mobilenet_v2_voc21.safetensors"

# Far from the seeds of any recipe: 1 trains, 2 validates.
ROOMS_TO_FIT, ROOMS_TO_TEST, ROOMS_TO_RETRIEVE = 700_001, 700_002, 700_003


@dataclass(frozen=True)
class Amount:
    """How much is measured; ``tiny`` only shows that every line runs."""

    retrieval_frames: int = 6
    pairs: int = 4096
    rooms: int = 25
    frames_per_room: int = 4
    rooms_fit_frames: int = 60
    rooms_test_rooms: int = 15
    kitchen_fit: tuple[int, int] = (0, 70)
    kitchen_test: tuple[int, int] = (70, 100)
    mosd_budgets: tuple[int, ...] = (1, 5, 20)
    mosd_test: int = 20
    mosd_validation: int = 10
    choice_seeds: tuple[int, ...] = (101, 102, 103)
    finetune_steps: int = 60
    learning_rates: tuple[float, ...] = (5e-4, 2e-3, 8e-3)
    picture_frames: int = 24


FULL = Amount()
TINY = Amount(
    retrieval_frames=2,
    pairs=256,
    rooms=1,
    frames_per_room=2,
    rooms_fit_frames=1,
    rooms_test_rooms=1,
    kitchen_fit=(0, 2),
    kitchen_test=(98, 100),
    mosd_budgets=(1,),
    mosd_test=2,
    mosd_validation=1,
    choice_seeds=(101,),
    finetune_steps=2,
    learning_rates=(2e-3,),
    picture_frames=2,
)


@dataclass(frozen=True)
class Setting:
    """One run of the proof.

    Attributes:
        weight: name of the weight, anything that `load_backbone` knows.
        shared: folder with ``frames/`` and ``teachers/``.
        teacher_file: the teacher's safetensors file.
        cache: folder for rendered rooms.
        seeds: how many, 0, 1, …; every interval rests on them.
        amount: how much is measured.
    """

    weight: str
    shared: Path
    teacher_file: Path
    cache: Path
    seeds: int = 5
    amount: Amount = field(default=FULL)

    @cached_property
    def folder(self) -> WeightFolder:
        """The weight's folder on this machine."""
        return open_weight(self.weight)

    @property
    def sha256(self) -> str:
        """Of the weight's tensors."""
        return self.folder.config.files["model.safetensors"].sha256

    @cached_property
    def student(self) -> Backbone:
        """The pretrained backbone, in eval mode."""
        return load_backbone(self.weight)

    @cached_property
    def projection(self) -> dict[str, torch.Tensor]:
        """Tensors of UPL and point head."""
        return self.folder.projection()

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that made the weight; a copy lies in its folder."""
        return load_recipe(self.folder.path / "recipe.yaml")

    @cached_property
    def teacher(self) -> Teacher:
        """The teacher exactly as the weight's recipe had it."""
        return load_teacher(self.recipe.teacher.spec, self.teacher_file)

    @cached_property
    def labeller(self) -> Teacher:
        """The Pascal VOC segmenter."""
        return load_teacher(VOC_SEGMENTER, self.shared / TEACHER_FILE)

    def untrained(self, seed: int, clouds: list[PointCloud] | None = None) -> Backbone:
        """The same architecture with random parameters, in eval mode.

        Args:
            seed: of the parameters.
            clouds: where given, batch-norm statistics are gathered on them, without labels. Without that, the
                random network's activations have no common scale, and the control would be needlessly weak.
        """
        return make_untrained(self.folder.config, seed, clouds or ())
