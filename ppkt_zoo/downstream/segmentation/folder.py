"""A fine-tuned model as a weight folder: the backbone as ever, and its head beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import FailFast, Field, field_validator, model_validator
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.downstream.model_folder import check_model, write_model
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.golden import Golden, relative_error
from ppkt_zoo.zoo.golden_cloud import Cloud
from ppkt_zoo.zoo.head import HeadConfig, decode_head, encode_head
from ppkt_zoo.zoo.load import load_backbone, open_weight
from ppkt_zoo.zoo.names import StrPath
from ppkt_zoo.zoo.own_record import NOT_TOLD
from ppkt_zoo.zoo.record import Text, WeightRecord
from ppkt_zoo.zoo.tensors import check_finite

_Id = Annotated[int, Field(ge=0, lt=2**31)]
_Part = Annotated[int, Field(ge=0, le=255)]


def save_segmentation(
    folder: StrPath,
    model: SegmentationModel,
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
    """Write a model as a weight folder with a head: what ``load_segmentation`` and ``ppkt-zoo segment`` open.

    The folder appears whole or not at all. A model that was trained in your own loop needs nothing but itself; what
    you do not state stands on its card as not specified.

        model = SegmentationModel(ppkt_zoo.load_backbone("sr_unet14_slim.ppkt_voc"), ["floor", "wall", "pipe"])
        ...
        ppkt_zoo.save_segmentation("runs/pipes", model, description="Finds pipes.", data="our plant, 12 scans")

    Args:
        folder: where; folders above it are made.
        model: its backbone was made by :func:`ppkt_zoo.create_backbone` or loaded.
        name: ``architecture.tag``, by default the tag ``own``.
        record: a whole :class:`~ppkt_zoo.zoo.record.WeightRecord`, or some of its fields, which go before the words
            below.
        golden_cloud: a :class:`~ppkt_zoo.points.cloud.PointCloud` or (xyz, rgb) of the kind the model is for; its
            output for it is stored, and ``verify`` compares it anywhere. A procedural room by default.
        recipe: the recipe's YAML, to be kept as ``recipe.yaml``.
        overwrite: put the new folder in the place of an old one.
        description: one sentence: what this model is.
        data: what it learned from.
        data_licence: of the data.
        licence: of the model; without one it says that it is not to be published.

    Raises:
        InputError: the model is none, or the cloud does not fit.
        WeightError, ManifestError: as :func:`ppkt_zoo.zoo.folder.write_weight_folder` does.
    """
    check_model(model, SegmentationModel, "SegmentationModel(backbone, classes)")
    ids = None if model.ids == tuple(range(len(model.classes))) else model.ids
    colors = tuple(model.colors.get(one) for one in model.classes) if model.colors else None
    how = model.readout
    config = SegmentationHeadConfig(level=model.level, classes=model.classes, ids=ids, colors=colors, readout=how)
    weight, bias = (one.detach().float().cpu() for one in (model.head.weight, model.head.bias))
    head, told = SegmentationHead(config, weight, bias), (description, data, data_licence, licence)
    return write_model("segmentation", head, folder, model, name, record, golden_cloud, recipe, overwrite, told)


def load_segmentation(
    name: StrPath,
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    cache_dir: StrPath | None = None,
) -> SegmentationModel:
    """A fine-tuned model, strictly, in eval mode.

    Args:
        name: a ``Path`` of its folder, or a name as for :func:`ppkt_zoo.load_backbone`.
        engine, device, cache_dir: as for :func:`ppkt_zoo.load_backbone`.

    Raises:
        WeightError: the weight has no head, or its files are missing, damaged or do not fit.
        UnknownNameError, InputError: as ``load_backbone`` does.
    """
    folder = open_weight(name, cache_dir=cache_dir, hold=True)
    head = read_segmentation_head(folder)
    backbone = load_backbone(folder, engine=engine, device=device)
    with torch.random.fork_rng(devices=[]):  # the layer's first numbers are overwritten at once
        config = head.config
        pairs = () if config.colors is None else zip(config.classes, config.colors, strict=True)
        colors = {name: color for name, color in pairs if color is not None}
        level = config.level if config.readout is None else "last"
        model = SegmentationModel(backbone, config.classes, level, config.ids, colors, config.readout)
    model.head.load_state_dict({"weight": head.weight, "bias": head.bias})
    return model.to(next(backbone.parameters()).device).eval()


class SegmentationHeadConfig(HeadConfig):
    """The whole of head.json."""

    task: Literal["segmentation"] = "segmentation"
    level: Text = Field(description="the backbone's level that the head reads")
    classes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], FailFast()] = Field(
        min_length=2, description="a name each output"
    )
    ids: tuple[_Id, ...] | None = Field(default=None, description="what files call each class; its place where absent")
    colors: tuple[tuple[_Part, _Part, _Part] | None, ...] | None = Field(
        default=None, description="in pictures, red, green and blue a class; any that fits where a class has none"
    )

    readout: ReadOut | None = Field(default=None, description="what the head reads in place of the level")

    @field_validator("classes")
    @classmethod
    def _classes_are_distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("names no class twice")
        return classes

    @model_validator(mode="after")
    def _one_each(self) -> "SegmentationHeadConfig":
        for field in (self.ids, self.colors):
            if field is not None and len(field) != len(self.classes):
                raise ValueError(f"has {len(field)} ids or colors for {len(self.classes)} classes")
        if self.ids is not None and len(set(self.ids)) != len(self.ids):
            raise ValueError("gives two classes one id")
        return self


@dataclass(frozen=True)
class SegmentationHead:
    """A linear layer on one level's features, a :class:`~ppkt_zoo.zoo.head.TaskHead`.

    Attributes:
        config: level and classes.
        weight: float32 (K, C).
        bias: float32 (K,).
        golden: float32 (rows, K), what it gives for the golden features; None before it was written.
    """

    config: SegmentationHeadConfig
    weight: Tensor
    bias: Tensor
    golden: Tensor | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """A name each output."""
        return self.config.classes

    def scores(self, features: Tensor) -> Tensor:
        """Features float32 (N, C) → scores (N, K)."""
        return torch.nn.functional.linear(features, self.weight.to(features.device), self.bias.to(features.device))

    def files(self, backbone: Backbone, golden: Golden) -> dict[str, bytes]:
        """The head's two files, see :class:`~ppkt_zoo.zoo.head.TaskHead`.

        Raises:
            WeightError: the head does not fit the backbone's level, or holds NaN.
        """
        _check(self, backbone.level_channels, "the head")
        scores = self.scores(self._read(backbone, golden, golden.features))
        return encode_head("segmentation", self.config, {"weight": self.weight, "bias": self.bias, "golden": scores})

    def errors(self, backbone: Backbone, golden: Golden, features: Mapping[str, Tensor]) -> dict[str, float]:
        """``head`` → how far its scores of the golden rows are from the stored ones."""
        assert self.golden is not None
        return {"head": relative_error(self.scores(self._read(backbone, golden, features)), self.golden)}

    def _read(self, backbone: Backbone, golden: Golden, features: Mapping[str, Tensor]) -> Tensor:
        """What the head reads of the golden rows, float32 (K, C)."""
        if self.config.readout is None:
            return features[self.config.level]
        cloud = golden.cloud
        return backbone.encode(cloud.xyz, cloud.rgb, readout=self.config.readout).cpu()[golden.rows]


def read_segmentation_head(folder: WeightFolder) -> SegmentationHead:
    """The head of a segmentation model's folder.

    Raises:
        WeightError: the weight has none, or its files are damaged or do not fit the backbone.
    """
    config, tensors, where = decode_head(folder, "segmentation", SegmentationHeadConfig)
    if set(tensors) != {"weight", "bias", "golden"}:
        raise WeightError(f"{where} must hold bias, golden, weight, it holds {', '.join(sorted(tensors))}")
    head = SegmentationHead(config, **tensors)
    _check(head, folder.config.levels, where)
    if config.readout is not None and config.readout.levels == "concat" and folder.config.readout is None:
        raise WeightError(f"{where} reads all levels on one scale, and {folder.path} has no statistics for that")
    if tensors["golden"].ndim != 2 or tensors["golden"].shape[1] != len(config.classes):
        raise WeightError(f"{where}: golden must have {len(config.classes)} columns, one a class")
    return head


def _check(head: SegmentationHead, levels: Mapping[str, int], where: str) -> None:
    if head.config.level not in levels:
        raise WeightError(f"{where} reads the level {head.config.level!r}, which the backbone does not have")
    readout = head.config.readout
    channels = levels[head.config.level] if readout is None else readout.channels(levels)
    shapes = {"weight": (len(head.classes), channels), "bias": (len(head.classes),)}
    for key, shape in shapes.items():
        tensor: Tensor = getattr(head, key)
        if tensor.shape != shape or tensor.dtype != torch.float32:
            raise WeightError(
                f"{where}: {key} is {tensor.dtype} {tuple(tensor.shape)}, must be float32 {shape}: "
                "it belongs to other classes or another backbone"
            )
        check_finite(key, tensor, where)
