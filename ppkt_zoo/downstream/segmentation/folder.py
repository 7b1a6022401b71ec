"""A fine-tuned model as a weight folder: the backbone as ever, and its head beside it."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from ppkt_zoo.downstream.golden_cloud import Cloud, golden_cloud_of
from ppkt_zoo.downstream.own_loop import NOT_TOLD, name_of, ready_folder, record_of
from ppkt_zoo.downstream.segmentation.head import (
    SegmentationHead,
    SegmentationHeadConfig,
    read_segmentation_head,
)
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.errors import InputError
from ppkt_zoo.zoo.folder import WeightFolder, write_weight_folder
from ppkt_zoo.zoo.load import load_backbone, open_weight
from ppkt_zoo.zoo.record import WeightRecord

__all__ = ["load_segmentation", "save_segmentation"]


def save_segmentation(
    folder: str | os.PathLike[str],
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
    if not isinstance(model, SegmentationModel):
        raise InputError(
            f"model must be a SegmentationModel(backbone, classes), got {type(model).__name__}; of a wrapper such as "
            "DistributedDataParallel give .module"
        )
    ids = None if model.ids == tuple(range(len(model.classes))) else model.ids
    colors = tuple(model.colors.get(one) for one in model.classes) if model.colors else None
    config = SegmentationHeadConfig(level=model.level, classes=model.classes, ids=ids, colors=colors)
    weight, bias = (one.detach().float().cpu() for one in (model.head.weight, model.head.bias))
    return write_weight_folder(
        ready_folder(folder),
        model.backbone,
        name_of(model.backbone, name),
        record_of("segmentation", model.classes, record, description, data, data_licence, licence),
        golden_cloud_of(golden_cloud, model.backbone.input_spec.voxel_size),
        head=SegmentationHead(config, weight, bias),
        extra_files=None if recipe is None else {"recipe.yaml": recipe},
        overwrite=overwrite,
    )


def load_segmentation(
    name: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
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
        model = SegmentationModel(backbone, config.classes, config.level, config.ids, colors)
    model.head.load_state_dict({"weight": head.weight, "bias": head.bias})
    return model.to(next(backbone.parameters()).device).eval()
