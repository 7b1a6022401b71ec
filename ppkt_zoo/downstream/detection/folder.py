"""A detector as a weight folder: the backbone as ever, and VoteNet's head beside it."""

import os
from collections.abc import Mapping
from typing import Any

import torch

from ppkt_zoo.downstream.detection.head import DetectionHead, read_detection_head
from ppkt_zoo.downstream.detection.model import VoteNet
from ppkt_zoo.downstream.golden_cloud import Cloud, golden_cloud_of
from ppkt_zoo.downstream.own_loop import NOT_TOLD, name_of, ready_folder, record_of
from ppkt_zoo.errors import InputError
from ppkt_zoo.zoo.folder import WeightFolder, write_weight_folder
from ppkt_zoo.zoo.load import load_backbone, open_weight, verify
from ppkt_zoo.zoo.record import WeightRecord

__all__ = ["load_detector", "save_detector", "verify_detector"]


def save_detector(
    folder: str | os.PathLike[str],
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
    if not isinstance(model, VoteNet):
        raise InputError(
            f"model must be a VoteNet(backbone, classes, …), got {type(model).__name__}; of a wrapper such as "
            "DistributedDataParallel give .module"
        )
    return write_weight_folder(
        ready_folder(folder),
        model.backbone,
        f"{name_of(model.backbone, None)}_votenet" if name is None else name,
        record_of("detection", model.classes, record, description, data, data_licence, licence),
        golden_cloud_of(golden_cloud, model.backbone.input_spec.voxel_size),
        head=DetectionHead.of(model),
        extra_files=None if recipe is None else {"recipe.yaml": recipe},
        overwrite=overwrite,
    )


def load_detector(
    name: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> VoteNet:
    """A fine-tuned detector, strictly, in eval mode.

    Args:
        name: a ``Path`` of its folder, or a name as for :func:`ppkt_zoo.load_backbone`.
        engine, device, cache_dir: as for :func:`ppkt_zoo.load_backbone`.

    Raises:
        WeightError: the weight is no detector, or its files are missing, damaged or do not fit.
        UnknownNameError, InputError: as ``load_backbone`` does.
    """
    folder = open_weight(name, cache_dir=cache_dir, hold=True)
    head = read_detection_head(folder)
    return head.model(load_backbone(folder, engine=engine, device=device))


def verify_detector(
    name: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    tolerance: float = 1e-3,
    cache_dir: str | os.PathLike[str] | None = None,
) -> float:
    """Verify a detector's folder, see :func:`ppkt_zoo.verify`: the largest error of its votes, over the largest vote.

    Raises:
        WeightError: it does not hold here, or as :func:`load_detector` does.
    """
    folder = open_weight(name, cache_dir=cache_dir)
    read_detection_head(folder)
    return verify(folder, engine=engine, device=device, tolerance=tolerance).errors["votes"]
