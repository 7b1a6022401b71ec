"""A detector as a weight folder: the backbone as ever, and VoteNet's head beside it."""

import copy
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import FailFast, Field, field_validator
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.downstream.detection.model import VoteNet, VoteNetConfig
from ppkt_zoo.downstream.model_folder import check_model, write_model
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.golden import Golden, relative_error
from ppkt_zoo.zoo.golden_cloud import Cloud
from ppkt_zoo.zoo.head import HeadConfig, check_task, decode_head, encode_head
from ppkt_zoo.zoo.load import load_backbone, open_weight, verify
from ppkt_zoo.zoo.names import StrPath
from ppkt_zoo.zoo.own_record import NOT_TOLD
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.tensors import check_finite

_BACKBONE = "backbone."
_GOLDEN = "golden.votes"


def save_detector(
    folder: StrPath,
    model: VoteNet,
    name: str | None = None,
    record: WeightRecord | Mapping[str, Any] | None = None,
    golden_cloud: Cloud = None,
    recipe: str | None = None,
    overwrite: bool = False,
    *,
    description: str = NOT_TOLD,
    data: str = NOT_TOLD,
    data_licence: str = NOT_TOLD,
    licence: str | None = None,
) -> WeightFolder:
    """Write a detector as a weight folder: what ``load_detector`` and ``ppkt-zoo detect`` open.

    The folder appears whole or not at all. A detector that was trained in your own loop needs nothing but itself; what
    you do not state stands on its card as not specified.

    Args:
        folder: where; folders above it are made.
        model: its backbone was made by :func:`ppkt_zoo.create_backbone` or loaded.
        name: ``architecture.tag``, by default the tag ``own_votenet``.
        record, golden_cloud, recipe, overwrite, description, data, data_licence, licence: as for
            :func:`ppkt_zoo.save_segmentation`.

    Raises:
        InputError: the model is no detector, or the cloud does not fit.
        WeightError, ManifestError: as :func:`ppkt_zoo.zoo.folder.write_weight_folder` does.
    """
    check_model(model, VoteNet, "VoteNet(backbone, classes, …)")
    head, told = DetectionHead.of(model), (description, data, data_licence, licence)
    return write_model(
        "detection", head, folder, model, name, record, golden_cloud, recipe, overwrite, told, tag="own_votenet"
    )


def load_detector(
    name: StrPath,
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    cache_dir: StrPath | None = None,
) -> VoteNet:
    """A fine-tuned detector, strictly, in eval mode; arguments and errors as of :func:`ppkt_zoo.load_segmentation`."""
    folder = open_weight(name, cache_dir=cache_dir, hold=True)
    head = read_detection_head(folder)
    return head.model(load_backbone(folder, engine=engine, device=device))


def verify_detector(
    name: StrPath,
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    tolerance: float = 1e-3,
    cache_dir: StrPath | None = None,
) -> float:
    """Verify a detector's folder, see :func:`ppkt_zoo.verify`: the largest error of its votes, over the largest vote.

    Raises:
        WeightError: it does not hold here, or as :func:`load_detector` does.
    """
    folder = open_weight(name, cache_dir=cache_dir)
    check_task(folder, "detection")
    return verify(folder, engine=engine, device=device, tolerance=tolerance).errors["votes"]


class DetectionHeadConfig(HeadConfig):
    """The whole of detector.json."""

    task: Literal["detection"] = "detection"
    classes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], FailFast()] = Field(min_length=1)
    shape: dict[str, float]
    points: int | None = Field(default=None, ge=1, le=2**31, description="of each scene that it learned from")

    @field_validator("shape")
    @classmethod
    def _shape_is_whole(cls, shape: dict[str, float]) -> dict[str, float]:
        if set(shape) != set(VoteNetConfig.__dataclass_fields__):
            raise ValueError(f"must give {', '.join(VoteNetConfig.__dataclass_fields__)}")
        return shape

    def votenet(self) -> VoteNetConfig:
        """The shape, with whole numbers as such."""
        whole = {name: number if name == "radius" else int(number) for name, number in self.shape.items()}
        return VoteNetConfig(**whole)  # type: ignore[arg-type]


@dataclass(frozen=True)
class DetectionHead:
    """What VoteNet adds to its backbone, a :class:`~ppkt_zoo.zoo.head.TaskHead`.

    Attributes:
        config: sizes and classes.
        tensors: name → tensor, all of the detector but its backbone's.
        votes: float32 (S, 3), what the seeds of the golden cloud vote for; None before it was written.
        where: begins messages.
    """

    config: DetectionHeadConfig
    tensors: Mapping[str, Tensor]
    votes: Tensor | None = None
    where: str = "the detector"

    @classmethod
    def of(cls, model: VoteNet) -> "DetectionHead":
        """The head of a detector."""
        shape = dataclasses.asdict(model.shape)
        config = DetectionHeadConfig(classes=model.classes, shape=shape, points=model.points)
        return cls(config, _head_state(model))

    @property
    def classes(self) -> tuple[str, ...]:
        """What it finds."""
        return self.config.classes

    def model(self, backbone: Backbone) -> VoteNet:
        """The detector on this backbone, which becomes a part of it, in eval mode on the backbone's device; strictly.

        Raises:
            WeightError: the tensors are of other classes or another backbone.
        """
        with torch.random.fork_rng(devices=[]):  # the layers' first numbers are overwritten at once
            model = VoteNet(backbone, self.classes, torch.ones(len(self.classes), 3), self.config.votenet())
        model.points = self.config.points
        own = _head_state(model)
        for key in sorted(set(own) ^ set(self.tensors)):
            state = "missing" if key in own else "unknown"
            raise WeightError(f"{self.where}: {key} is {state}: it belongs to another backbone")
        for key, tensor in self.tensors.items():
            if tensor.shape != own[key].shape or tensor.dtype != own[key].dtype:
                raise WeightError(
                    f"{self.where}: {key} is {tensor.dtype} {tuple(tensor.shape)}, must be {own[key].dtype} "
                    f"{tuple(own[key].shape)}: it belongs to other classes or another backbone"
                )
        model.load_state_dict(self.tensors, strict=False)  # the keys are all of the head's, as was seen above
        return model.to(next(backbone.parameters()).device).eval()

    def files(self, backbone: Backbone, golden: Golden) -> dict[str, bytes]:
        """The head's two files, see :class:`~ppkt_zoo.zoo.head.TaskHead`.

        Raises:
            WeightError: the head does not fit the backbone, or holds NaN.
        """
        for name, tensor in self.tensors.items():
            check_finite(name, tensor, self.where)
        votes = _votes(self.model(copy.deepcopy(backbone)), golden.cloud)
        return encode_head("detection", self.config, {**self.tensors, _GOLDEN: votes})

    def errors(self, backbone: Backbone, golden: Golden, features: Mapping[str, Tensor]) -> dict[str, float]:
        """``votes`` → how far the votes of the golden cloud's seeds are from the stored ones."""
        assert self.votes is not None
        return {"votes": relative_error(_votes(self.model(backbone), golden.cloud), self.votes)}


def read_detection_head(folder: WeightFolder) -> DetectionHead:
    """The head of a detector's folder.

    Raises:
        WeightError: the weight has none, or its files are damaged or do not fit each other.
    """
    config, tensors, where = decode_head(folder, "detection", DetectionHeadConfig)
    votes = tensors.pop(_GOLDEN, None)
    if votes is None or votes.dtype != torch.float32 or votes.ndim != 2 or votes.shape[1] != 3:
        raise WeightError(f"{where} must hold {_GOLDEN}, float32 (S, 3): get the folder again")
    return DetectionHead(config, tensors, votes, where)


def _head_state(model: VoteNet) -> dict[str, Tensor]:
    return {key: one.detach().cpu() for key, one in model.state_dict().items() if not key.startswith(_BACKBONE)}


@torch.no_grad()
def _votes(model: VoteNet, cloud: PointCloud) -> Tensor:
    """What a detector's seeds vote for in a cloud: float32 (S, 3) on the CPU."""
    with flushed_denormals():
        return model(CloudBatch.collate([cloud]).to(model.mean_sizes.device)).votes.cpu()
