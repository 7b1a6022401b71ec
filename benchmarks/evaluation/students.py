"""Who is measured: pretrained weights, the same architectures untrained, and no network at all."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from torch import Tensor

from benchmarks.evaluation.heads import Heads, has_head
from benchmarks.evaluation.material import trained_on
from benchmarks.evaluation.probing import Featurise, of_backbone, of_colour_and_height
from benchmarks.machine import ROOT
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.norm import batch_norms
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.teachers.spec import TeacherSpec
from ppkt_zoo.teachers.teacher import Teacher, load_teacher
from ppkt_zoo.transfer.projection import UPL, PointHead
from ppkt_zoo.zoo.config import PROJECTION, NetworkConfig
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder
from ppkt_zoo.zoo.registry import create_backbone

BUNDLED = ROOT / "ppkt_zoo" / "weights"
"""Where the weights of the package lie."""


class Student(Protocol):
    """One line of the tables.

    Attributes:
        name: what the tables call it.
        key: names its journal; another network has another key.
        fixed: whether every seed looks at the same features, so that one encoding serves all of them.
    """

    name: str
    key: str
    fixed: bool

    def featurise(self, seed: int, clouds: Sequence[PointCloud]) -> Featurise:
        """How it sees a cloud; `clouds` are unlabelled ones, for a random network's statistics."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the page says about it."""
        ...


@dataclass(frozen=True)
class Pretrained:
    """A weight folder."""

    folder: WeightFolder
    fixed: bool = True

    @property
    def name(self) -> str:
        """``architecture.tag``."""
        return self.folder.config.name

    @property
    def key(self) -> str:
        """sha256 of the tensors."""
        return self.folder.config.files["model.safetensors"].sha256

    @cached_property
    def backbone(self) -> Backbone:
        """The network, in eval mode."""
        return self.folder.backbone()

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The recipe as it lies in the folder, unchecked: recipes of later versions have further fields."""
        content: dict[str, Any] = yaml.safe_load(self.folder.read("recipe.yaml"))
        return content

    @cached_property
    def projection(self) -> dict[str, Tensor]:
        """Tensors of the heads; none where training had none."""
        return self.folder.projection() if PROJECTION in self.folder.config.files else {}

    @cached_property
    def heads(self) -> Heads | None:
        """UPL and point head; None where training had no pixels to find."""
        if not (has_head(self.projection, "upl.") and has_head(self.projection, "head.")):
            return None
        upl = UPL.from_tensors(self.projection, sampling=self.recipe["loss"].get("upl_sampling", "bilinear"))
        return Heads(upl, PointHead.from_tensors(self.projection), self._level("loss"))

    @cached_property
    def point_heads(self) -> dict[str, tuple[PointHead, str]]:
        """Every contrast's point head, and the level it belongs to."""
        places = {"PPKT": ("head.", "loss"), "PointContrast": ("point_contrast.head.", "point_contrast")}
        return {
            name: (PointHead.from_tensors(self.projection, prefix), self._level(section))
            for name, (prefix, section) in places.items()
            if has_head(self.projection, prefix)
        }

    def _level(self, section: str) -> str:
        return str(self.recipe[section]["level"])

    def taught_by(self, sha256: str) -> bool:
        """Whether its embedding space is that of this teacher."""
        teacher = self.folder.record().teacher
        return self.heads is not None and teacher is not None and teacher.sha256 == sha256

    def teacher(self, files: Sequence[Path]) -> Teacher:
        """The weight's own teacher, at the stage that it learned from, found among files by its sha256.

        Raises:
            FileNotFoundError: none of them is it.
        """
        teacher = self.folder.record().teacher
        assert teacher is not None
        for file in files:
            if teacher.sha256 == hashlib.sha256(file.read_bytes()).hexdigest():
                return load_teacher(TeacherSpec.model_validate(self.recipe["teacher"]["spec"]), file)
        raise FileNotFoundError(f"no file among --teachers has sha256 {teacher.sha256} ({teacher.name})")

    def featurise(self, seed: int, clouds: Sequence[PointCloud]) -> Featurise:
        """The trained features, whatever the seed."""
        return of_backbone(self.backbone)

    def facts(self) -> dict[str, Any]:
        """Method, teacher, size, data and cost of training."""
        record = self.folder.record()
        return _network_facts(self.folder.config) | {
            "kind": "weight",
            "method": record.method,
            "teacher": None if record.teacher is None else record.teacher.name,
            "parameters": record.parameters,
            "steps": record.trained.steps,
            "hours": record.trained.hours,
            "trained_on": trained_on(self.recipe),
        }


@dataclass(frozen=True)
class Untrained:
    """An architecture with random parameters, other ones for every seed."""

    config: NetworkConfig
    fixed: bool = False

    @property
    def name(self) -> str:
        """Architecture and size of voxels: the control of every weight that has both."""
        return f"{self.config.architecture}, untrained"

    @property
    def key(self) -> str:
        """Of what the network is built."""
        text = json.dumps([self.config.header() | {"name": self.config.architecture}], sort_keys=True)
        return "untrained" + hashlib.sha256(text.encode()).hexdigest()

    def backbone(self, seed: int, clouds: Sequence[PointCloud]) -> Backbone:
        """The seed's random network with the clouds' batch-norm statistics."""
        return make_untrained(self.config, seed, clouds)

    def featurise(self, seed: int, clouds: Sequence[PointCloud]) -> Featurise:
        """The seed's random features."""
        return of_backbone(self.backbone(seed, clouds))

    def facts(self) -> dict[str, Any]:
        """What it is built of."""
        count = sum(parameter.numel() for parameter in make_untrained(self.config, 0).parameters())
        return _network_facts(self.config) | {"kind": "untrained", "parameters": count}


@dataclass(frozen=True)
class Raw:
    """Colour and height of the points themselves."""

    name: str = "colour and height"
    key: str = "raw"
    fixed: bool = True

    def featurise(self, seed: int, clouds: Sequence[PointCloud]) -> Featurise:
        """float32 (R, 4), see there."""
        return of_colour_and_height

    def facts(self) -> dict[str, Any]:
        """Nothing was built."""
        return {"kind": "raw"}


def make_untrained(config: NetworkConfig, seed: int, clouds: Sequence[PointCloud] = ()) -> Backbone:
    """A network of this configuration with random parameters, in eval mode.

    Args:
        config: architecture, arguments and input convention.
        seed: of the parameters.
        clouds: where given, batch-norm statistics are gathered on them, without labels. Without that, the
            random network's activations have no common scale, and the control would be needlessly weak.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1000 + seed)
        backbone = create_backbone(config.architecture, input_spec=config.input_spec, **config.arguments)
    if clouds:
        _gather_statistics(backbone, clouds)
    return backbone.eval()


@torch.no_grad()
def _gather_statistics(backbone: Backbone, clouds: Sequence[PointCloud]) -> None:
    """Set every batch norm's statistics to those of all the clouds' voxels together."""
    norms = batch_norms(backbone)
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = 1.0
    backbone.train()
    backbone(CloudBatch.collate(list(clouds)))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum


def open_students(folders: Sequence[Path]) -> list[Student]:
    """The weights in these folders (or in their ``weight/``), each architecture's control once, and the raw input."""
    weights = [Pretrained(open_weight_folder(_weight_folder(folder))) for folder in folders]
    controls = {one.key: one for one in (Untrained(weight.folder.config) for weight in weights)}
    return [*weights, *controls.values(), Raw()]


def open_pretrained(place: str) -> Pretrained:
    """A weight by its folder, its run's folder, or the name of one that comes with the package."""
    folder = Path(place)
    return Pretrained(open_weight_folder(_weight_folder(folder if folder.exists() else BUNDLED / place)))


def control_key(weight: Pretrained) -> str:
    """The key of the untrained network that a weight is compared with."""
    return Untrained(weight.folder.config).key


def _weight_folder(folder: Path) -> Path:
    return folder / "weight" if (folder / "weight").is_dir() else folder


def _network_facts(config: NetworkConfig) -> dict[str, Any]:
    return {
        "architecture": config.architecture,
        "arguments": config.arguments,
        "voxel_size": config.input_spec.voxel_size,
    }
