"""A weight folder for tests of what stands above the zoo: right in everything, but never trained."""

from pathlib import Path

import numpy as np
import torch

from ppkt_zoo import InputSpec, create_backbone
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.folder import weight_spec, write_weight_folder
from ppkt_zoo.zoo.manifest import BundledSource, Manifest, write_manifest
from ppkt_zoo.zoo.record import WeightRecord

NAME = "sr_unet14_small.for_tests"


def make_folder(folder: Path, seed: int = 1) -> str:
    """Write the folder, with the random parameters of a seed; the name it is loaded by."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.05))
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (1500, 3)).astype(np.float32)
    cloud = PointCloud.from_arrays(xyz, rng.integers(0, 256, (1500, 3)).astype(np.uint8))
    write_weight_folder(folder, backbone, NAME, _record(backbone), cloud)
    return f"local-dir:{folder}"


def make_manifest(path: Path, folder: Path | None) -> Path:
    """A manifest that lists the folder as bundled, or an empty one."""
    from ppkt_zoo.zoo.folder import open_weight_folder

    weights = () if folder is None else (weight_spec(open_weight_folder(folder), BundledSource(folder=folder.name)),)
    write_manifest(Manifest(weights=weights), path)
    return path


def _record(backbone: torch.nn.Module) -> WeightRecord:
    return WeightRecord.model_validate(
        {
            "description": "Random parameters, for tests.",
            "method": "none",
            "teacher": {"name": "nobody", "stage": "none", "origin": "nowhere", "licence": "Apache-2.0"},
            "data": [{"name": "thin air", "frames": 1, "licence": "CC0-1.0", "attribution": "nobody"}],
            "recipe": {"file": "recipe.yaml", "sha256": "0" * 64},
            "seed": 1,
            "trained": {"steps": 0, "hours": 0, "machine": "none"},
            "metrics": [
                {
                    "name": "mIoU",
                    "data": "nothing",
                    "value": 0.5,
                    "interval95": (0.4, 0.6),
                    "seeds": (0, 1),
                    "n": 3,
                    "control": {"name": "random", "value": 0.25},
                }
            ],
            "licences": {"data": "CC0-1.0", "weights": "Apache-2.0"},
            "citation": "none",
            "parameters": sum(parameter.numel() for parameter in backbone.parameters()),
            "created": "2026-11-23",
        }
    )
