"""A detector as a weight folder: the backbone as ever, and VoteNet's head beside it."""

import copy
import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import torch
from pydantic import FailFast, Field, field_validator
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.downstream.detection.model import VoteNet, VoteNetShape
from ppkt_zoo.downstream.golden_cloud import Cloud, golden_cloud_of
from ppkt_zoo.downstream.own_loop import NOT_TOLD, name_of, ready_folder, record_of
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.zoo.folder import WeightFolder, write_weight_folder
from ppkt_zoo.zoo.golden import Golden
from ppkt_zoo.zoo.load import load_backbone, open_weight
from ppkt_zoo.zoo.record import Model, WeightRecord
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, encode_tensors
from ppkt_zoo.zoo.validation import parse_json

__all__ = ["is_detector", "load_detector", "save_detector", "verify_detector"]

_TENSORS: Final = "detector.safetensors"
_CONFIG: Final = "detector.json"
_BACKBONE = "backbone."
_GOLDEN = "golden.votes"


class _DetectorConfig(Model):
    """The whole of detector.json; the header of ``detector.safetensors`` repeats it."""

    format: Literal[1] = 1
    task: Literal["detection"] = "detection"
    classes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], FailFast()] = Field(min_length=1)
    shape: dict[str, float]

    @field_validator("shape")
    @classmethod
    def _shape_is_whole(cls, shape: dict[str, float]) -> dict[str, float]:
        if set(shape) != set(VoteNetShape.__dataclass_fields__):
            raise ValueError(f"must give {', '.join(VoteNetShape.__dataclass_fields__)}")
        return shape

    def votenet(self) -> VoteNetShape:
        """The shape, with whole numbers as such."""
        whole = {name: number if name == "radius" else int(number) for name, number in self.shape.items()}
        return VoteNetShape(**whole)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _DetectorFiles:
    """VoteNet's part of a weight folder, a :class:`~ppkt_zoo.zoo.head.HeadFiles`."""

    model: VoteNet

    def files(self, backbone: Backbone, golden: Golden) -> dict[str, bytes]:
        """The two files; the golden votes are those of the backbone as it is stored."""
        config = _DetectorConfig(classes=self.model.classes, shape=dataclasses.asdict(self.model.shape))
        head = _head_state(self.model)
        for name, tensor in head.items():
            check_finite(name, tensor, "the detector")
        stored = _assembled(copy.deepcopy(backbone), config, head, "the detector")
        tensors = {**head, _GOLDEN: _votes(stored, golden.cloud)}
        return {
            _TENSORS: encode_tensors(tensors, config.model_dump(mode="json")),
            _CONFIG: config.model_dump_json(indent=2).encode(),
        }


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
    you don't tell stands in its card as not told.

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
        head=_DetectorFiles(model),
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
    full = _full_name(name)
    folder = open_weight(full, cache_dir=cache_dir)
    config, tensors, where = _read(folder)
    backbone = load_backbone(full, engine=engine, device=device, cache_dir=cache_dir)
    model = _assembled(backbone, config, {key: one for key, one in tensors.items() if key != _GOLDEN}, where)
    return model.to(next(backbone.parameters()).device)


def verify_detector(
    name: str | os.PathLike[str],
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    tolerance: float = 1e-3,
    cache_dir: str | os.PathLike[str] | None = None,
) -> float:
    """Prove that a detector still votes as it did: its largest error in metres, over the golden cloud's largest vote.

    Raises:
        WeightError: it does not hold here, or as :func:`load_detector` does.
    """
    model = load_detector(name, engine=engine, device=device, cache_dir=cache_dir)
    folder = open_weight(_full_name(name), cache_dir=cache_dir)
    expected = _read(folder)[1][_GOLDEN]
    found = _votes(model, folder.golden().cloud)
    difference = (found - expected).abs().max() if found.shape == expected.shape else torch.tensor(torch.inf)
    error = float(difference / expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny))
    if not error <= tolerance:
        raise WeightError(
            f"{folder.config.name}: the detector's votes differ by {error:.1e} from the recorded ones, tolerance "
            f"{tolerance:.0e}: try engine='torch' and device='cpu', and report it"
        )
    return error


def is_detector(folder: WeightFolder) -> bool:
    """Whether a weight folder holds a detector."""
    return _TENSORS in folder.config.files


def _full_name(name: str | os.PathLike[str]) -> str:
    return name if isinstance(name, str) else f"local-dir:{Path(name)}"


def _read(folder: WeightFolder) -> tuple[_DetectorConfig, dict[str, Tensor], str]:
    if not is_detector(folder):
        raise WeightError(f"{folder.config.name} is no detector: fine-tune one first, ppkt-zoo detection train RECIPE")
    where = str(folder.path / _TENSORS)
    config = parse_json(_DetectorConfig, folder.read(_CONFIG), str(folder.path / _CONFIG), WeightError)
    tensors, header = decode_tensors(folder.read(_TENSORS), where)
    if header != config.model_dump(mode="json"):
        raise WeightError(f"{where} and {_CONFIG} disagree on shape or classes: get the folder again")
    votes = tensors.get(_GOLDEN)
    if votes is None or votes.dtype != torch.float32 or votes.ndim != 2 or votes.shape[1] != 3:
        raise WeightError(f"{where} must hold {_GOLDEN}, float32 (S, 3): get the folder again")
    for name, tensor in tensors.items():
        check_finite(name, tensor, where)
    return config, tensors, where


def _head_state(model: VoteNet) -> dict[str, Tensor]:
    return {key: one.detach().cpu() for key, one in model.state_dict().items() if not key.startswith(_BACKBONE)}


def _assembled(backbone: Backbone, config: _DetectorConfig, head: Mapping[str, Tensor], where: str) -> VoteNet:
    """A detector of a backbone and the stored tensors of its head, in eval mode; strictly."""
    with torch.random.fork_rng(devices=[]):  # the layers' first numbers are overwritten at once
        model = VoteNet(backbone, config.classes, torch.ones(len(config.classes), 3), config.votenet())
    own = _head_state(model)
    for key in sorted(set(own) ^ set(head)):
        raise WeightError(f"{where}: {key} is {'missing' if key in own else 'unknown'}: it belongs to another backbone")
    for key, tensor in head.items():
        if tensor.shape != own[key].shape or tensor.dtype != own[key].dtype:
            raise WeightError(
                f"{where}: {key} is {tensor.dtype} {tuple(tensor.shape)}, must be {own[key].dtype} "
                f"{tuple(own[key].shape)}: it belongs to other classes or another backbone"
            )
    state = {key: one for key, one in model.state_dict().items() if key.startswith(_BACKBONE)}
    model.load_state_dict({**state, **head})
    return model.eval()


@torch.no_grad()
def _votes(model: VoteNet, cloud: PointCloud) -> Tensor:
    """What a detector's seeds vote for in a cloud: float32 (S, 3) on the CPU."""
    with flushed_denormals():
        return model(CloudBatch.collate([cloud]).to(model.mean_sizes.device)).votes.cpu()
