"""A fine-tuned model as a weight folder: the backbone as ever, and its head beside it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.folder import WeightFolder, write_weight_folder
from ppkt_zoo.zoo.head import Head, HeadConfig
from ppkt_zoo.zoo.load import load_backbone, open_weight
from ppkt_zoo.zoo.record import WeightRecord

__all__ = ["load_segmentation", "save_segmentation"]


def save_segmentation(
    folder: str | os.PathLike[str],
    model: SegmentationModel,
    name: str,
    record: WeightRecord | Mapping[str, Any],
    golden_cloud: PointCloud,
    recipe: str | None = None,
    overwrite: bool = False,
) -> WeightFolder:
    """Write a model as a weight folder with a head; it appears whole or not at all.

    Args:
        folder: where; its parent must exist.
        model: its backbone was made by :func:`ppkt_zoo.create_backbone` or loaded.
        name: ``architecture.tag``.
        record, golden_cloud, overwrite: as for :func:`ppkt_zoo.zoo.folder.write_weight_folder`.
        recipe: the recipe's YAML, to be kept as ``recipe.yaml``.

    Raises:
        WeightError, ManifestError: as ``write_weight_folder`` does.
    """
    config = HeadConfig(level=model.level, classes=model.classes)
    weight, bias = (one.detach().float().cpu() for one in (model.head.weight, model.head.bias))
    return write_weight_folder(
        folder,
        model.backbone,
        name,
        record,
        golden_cloud,
        head=Head(config, weight, bias),
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
    full = name if isinstance(name, str) else f"local-dir:{Path(name)}"
    head = open_weight(full, cache_dir=cache_dir).head()
    backbone = load_backbone(full, engine=engine, device=device, cache_dir=cache_dir)
    with torch.random.fork_rng(devices=[]):  # the layer's first numbers are overwritten at once
        model = SegmentationModel(backbone, head.config.classes, head.config.level)
    model.head.load_state_dict({"weight": head.weight, "bias": head.bias})
    return model.to(next(backbone.parameters()).device).eval()
