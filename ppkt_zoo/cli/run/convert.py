"""Checkpoints of other projects → weight folders with reference outputs; our weights → their tensor names."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rich.console import Console

from ppkt_zoo.cli.answers.weights import Converted, Exported
from ppkt_zoo.cli.options import numbers
from ppkt_zoo.cli.run.steps import Steps
from ppkt_zoo.cli.streams import say
from ppkt_zoo.convert.minkowski import ConvertedNetwork, convert_res16unet, open_checkpoint
from ppkt_zoo.convert.spunet import to_spunet
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.files.checksums import sha256_of_file
from ppkt_zoo.files.limits import MAX_TEXT
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.safetensors import write_tensors
from ppkt_zoo.files.strict_yaml import parse_yaml
from ppkt_zoo.files.text import first_few
from ppkt_zoo.files.validation import parse_mapping
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.rooms import make_room, room_cloud
from ppkt_zoo.zoo.folder import write_weight_folder
from ppkt_zoo.zoo.load import load_backbone
from ppkt_zoo.zoo.registry import create_backbone

if TYPE_CHECKING:
    from ppkt_zoo.cli.weights import Foreign

#: Names by which the projects call the members of the family.
ARCHITECTURES = {"res16unet14a": "sr_unet14", "res16unet18a": "sr_unet18", "res16unet34c": "sr_unet34"}
# What each dialect's authors say of their files; `about` overrides any of it.
_ABOUT: Mapping[str, Mapping[str, Any]] = {
    "pointcontrast": {
        "method": "point_contrast",
        "data": [{"name": "ScanNet", "licence": "ScanNet terms of use", "attribution": "Dai et al., CVPR 2017"}],
        "citation": "Xie et al., PointContrast, ECCV 2020, arXiv 2007.10985",
    },
    "csc": {
        "method": "contrastive_scene_contexts",
        "data": [{"name": "ScanNet", "licence": "ScanNet terms of use", "attribution": "Dai et al., CVPR 2017"}],
        "citation": "Hou et al., Exploring Data-Efficient 3D Scene Understanding with Contrastive Scene Contexts, "
        "CVPR 2021, arXiv 2012.09165",
    },
    "slidr": {
        "method": "slidr",
        "data": [{"name": "nuScenes", "licence": "CC BY-NC-SA 4.0", "attribution": "Caesar et al., CVPR 2020"}],
        "citation": "Sautier et al., Image-to-Lidar Self-Supervised Distillation, CVPR 2022, arXiv 2203.16258",
    },
}
_GOLDEN_VOXELS, _GOLDEN_POINTS = 64, 8000


def convert_minkowski(given: "Foreign", console: Console | None = None) -> Converted:
    """Write a Res16UNet that MinkowskiEngine saved as a weight folder, in single precision, with reference outputs.

    ``arch`` may also be what the projects call it (``Res16UNet34C``); all but ``sr_unet``, which takes whatever widths
    there are, are checked against the file. The fields of ``about`` stand in place of what is known of the dialect.

    Raises:
        WeightError: the file does not open, holds no such network, or the folder exists.
        InputError, UnknownNameError, ManifestError: an architecture, channel or field that does not exist.
    """
    told = {
        "voxel_size": given.voxel,
        "channels": tuple(part.strip() for part in given.channels.split(",")),
        "color_range": numbers("--color-range", given.color_range, "-0.5,0.5"),
    }
    about = read_fields(given.about)
    steps = Steps(console)
    name = ARCHITECTURES.get(given.arch.lower(), given.arch)
    with steps.step("file", f"reading {given.file}") as step:
        network = convert_res16unet(open_checkpoint(given.file), given.dialect.value)
        step.text = _told(network, given.file)
    with steps.step("network", "building it") as step:
        spec = parse_mapping(InputSpec, told, "what the network takes", InputError)
        if len(spec.channels) != network.in_channels:
            raise InputError(
                f"the stem takes {network.in_channels} channels, {', '.join(spec.channels)} are {len(spec.channels)}: "
                "say what it was trained with"
            )
        backbone = create_backbone(name, input_spec=spec, **_arguments(name, network))
        _load(backbone, network, given.arch)
        count = sum(one.numel() for one in backbone.parameters())
        step.text = f"{name}, {count:,} parameters, blocks {'-'.join(map(str, network.blocks))}"
    with steps.step("weight", "computing its reference outputs on a room") as step:
        folder = write_weight_folder(
            given.out,
            backbone.eval(),
            f"{name}.{given.dialect.value if given.tag is None else given.tag}",
            {**_record(given, name, network), **about},
            _golden_cloud(given.voxel),
            dtype="float32",
            projection={f"final.{key}": value for key, value in network.final.items()} or None,
            overwrite=given.overwrite,
        )
        step.text = f"{given.out}: load_backbone('local-dir:{given.out}')"
    return Converted(name=folder.config.name, parameters=count, left_out=tuple(network.left_out), files=(given.out,))


def convert_to_spunet(weight: str, out: Path) -> Exported:
    """Write a weight's tensors under SpUNet's names, as safetensors, float32.

    Raises:
        InputError: ``out`` ends in something else, or cannot be written.
        WeightError: the weight is of another family, or cannot be loaded.
    """
    if out.suffix != ".safetensors":
        raise InputError(f"tensors are written as .safetensors: give an --out that ends so, not {out.name!r}")
    tensors = to_spunet(load_backbone(weight).state_dict())
    write_tensors(out, tensors, error=InputError)
    say("written", "bold green", f"{out}: {len(tensors)} tensors; examples/spunet_in_spconv.py is a network for them")
    return Exported(tensors=len(tensors), files=(out,))


def _arguments(name: str, network: ConvertedNetwork) -> dict[str, Any]:
    found: dict[str, Any] = {"stem_kernel": network.stem_kernel}
    if name == "sr_unet":
        found |= {"planes": network.planes, "blocks": network.blocks, "stem_channels": network.stem_channels}
    return found


def _load(backbone: torch.nn.Module, network: ConvertedNetwork, asked: str) -> None:
    ours = {key: tuple(value.shape) for key, value in backbone.state_dict().items()}
    theirs = {key: tuple(value.shape) for key, value in network.state.items()}
    if ours != theirs:
        raise WeightError(
            f"the file holds no {asked}: its widths are {network.planes}, its blocks {network.blocks}, its stem "
            f"{network.stem_channels}; --arch sr_unet takes any, {', '.join(ARCHITECTURES.values())} are of the papers"
        )
    backbone.load_state_dict(network.state, strict=True)


def _record(given: "Foreign", name: str, network: ConvertedNetwork) -> dict[str, Any]:
    dialect = given.dialect.value
    digest = sha256_of_file(given.file, WeightError, "checkpoint")
    known = _ABOUT[dialect]
    limits = ["Trained by others; what it is worth on other data was not measured here."]
    if network.left_out:
        limits.append(f"Not part of the backbone and left out: {', '.join(network.left_out[:8])}")
    return {
        "description": f"{name} of {given.origin}, converted from MinkowskiEngine ({dialect}).",
        **known,
        "conversion": {"origin": given.origin, "dialect": dialect, "sha256": digest},
        "limits": limits,
        "licences": {"data": ", ".join(one["licence"] for one in known["data"]), "weights": given.licence},
    }


def _golden_cloud(voxel_size: float) -> PointCloud:
    """A column of a furnished procedural room about its middle, wide enough for the coarsest level."""
    xyz, rgb, _, _ = room_cloud(make_room(7), spacing=max(0.01, min(voxel_size / 2, 0.05)))
    middle = (xyz[:, :2].min(axis=0) + xyz[:, :2].max(axis=0)) / 2
    near = np.flatnonzero((np.abs(xyz[:, :2] - middle) < _GOLDEN_VOXELS * voxel_size / 2).all(axis=1))
    rows = near[np.linspace(0, len(near) - 1, min(len(near), _GOLDEN_POINTS)).round().astype(int)]
    return PointCloud.from_arrays(xyz[rows], rgb[rows])


def _told(network: ConvertedNetwork, file: Path) -> str:
    parts = [f"{file.name}: {len(network.state)} tensors"]
    if network.prefix:
        parts.append(f"under {network.prefix!r}")
    if network.final:
        parts.append(f"a final layer of {len(network.final['bias'])} channels, kept as projection")
    if network.left_out:
        parts.append(f"left out {len(network.left_out)} that belong to no Res16UNet ({first_few(network.left_out)})")
    return "; ".join(parts)


def read_fields(file: Path | None) -> dict[str, Any]:
    """The fields of a record in a YAML file; none without a file.

    Raises:
        InputError: it is no YAML, or holds something else.
    """
    if file is None:
        return {}
    try:
        content = parse_yaml(read_file(file, InputError, "file of a record's fields", limit=MAX_TEXT).decode())
    except ValueError as error:
        raise InputError(f"{file} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{file} must hold fields of a record, such as 'description: …'")
    return content
