"""A backbone of a few hundred parameters, its record, and weight folders of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ppkt_zoo.zoo.manifest
from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.config import FileName
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder, write_weight_folder
from ppkt_zoo.zoo.manifest import Manifest, write_manifest
from ppkt_zoo.zoo.registry import create_backbone
from ppkt_zoo.zoo.tensors import decode_tensors, encode_tensors, file_entry

TENSOR_FILES: tuple[FileName, ...] = ("model.safetensors", "golden.safetensors", "projection.safetensors")
REPO, REVISION = "someone/tiny", "0123456789abcdef0123456789abcdef01234567"


class TinyNet(Backbone):
    """Every point on its own: colour and height through two layers."""

    def __init__(self, input_spec: InputSpec, width: int) -> None:
        super().__init__(input_spec, {"coarse": width, "fine": 6})
        self.first = nn.Linear(len(input_spec.channels) + 1, width)
        self.norm = nn.BatchNorm1d(width)
        self.second = nn.Linear(width, 6)

    def forward(self, batch: CloudBatch) -> PointFeatures:
        assert batch.rgb is not None
        coarse = self.norm(self.first(torch.cat([batch.rgb / 255 - 0.5, batch.xyz[:, 2:]], dim=1)).relu())
        levels = {"coarse": coarse, "fine": self.second(coarse)}

        def every_row(level: str) -> Tensor:
            return torch.arange(len(coarse), device=coarse.device)

        return PointFeatures(levels, every_row)


def tiny_net(*, input_spec: InputSpec, width: int = 8) -> TinyNet:
    """The builder that the tests register."""
    return TinyNet(input_spec, width)


def make_cloud(points: int = 400) -> PointCloud:
    """A patch of a bumpy floor and a wall, with colours."""
    random = torch.Generator().manual_seed(0)
    xyz = torch.rand(points, 3, generator=random) * torch.tensor([2.0, 2.0, 0.1])
    xyz[::3, 0] *= 0.02
    xyz[::3, 2] *= 20
    return PointCloud.from_arrays(xyz, torch.randint(0, 256, (points, 3), generator=random, dtype=torch.uint8))


def make_record(**changes: Any) -> dict[str, Any]:
    """The fields of a complete record, changed here and there."""
    fields: dict[str, Any] = {
        "description": "A tiny net that the tests made.",
        "method": "ppkt",
        "teacher": {
            "name": "mobilenet_v2",
            "stage": "features",
            "origin": "https://example.org/teacher",
            "licence": "Apache-2.0",
            "sha256": "a" * 64,
        },
        "data": [{"name": "rooms", "frames": 12, "licence": "CC0-1.0", "attribution": "ppkt-zoo | rooms"}],
        "recipe": {"file": "recipes/tiny.yaml", "sha256": "b" * 64},
        "seed": 7,
        "trained": {"steps": 10, "hours": 0.5, "machine": "2 cores", "versions": {"torch": "2.15"}},
        "metrics": [
            {
                "name": "mIoU",
                "value": 0.52,
                "interval95": [0.5, 0.54],
                "seeds": [0, 1, 2],
                "n": 400,
                "data": "rooms never trained on",
                "control": {"name": "random network", "value": 0.25, "interval95": [0.24, 0.26]},
            }
        ],
        "deviations": ["AdamW instead of SGD"],
        "limits": ["never saw the outdoors"],
        "licences": {"data": "CC0-1.0", "weights": "CC BY 4.0"},
        "citation": "@article{ppkt, title={Learning from 2D}}",
    }
    return fields | changes


def make_folder(path: Path, name: str = "tiny_net.test", **options: Any) -> WeightFolder:
    """Write a weight folder of the tiny net."""
    torch.manual_seed(3)
    backbone = create_backbone("tiny_net", input_spec=InputSpec(voxel_size=0.05), width=8)
    projection = {"upl.weight": torch.randn(4, 8), "upl.bias": torch.randn(4)}
    defaults = {"record": make_record(), "golden_cloud": make_cloud(), "projection": projection}
    return write_weight_folder(path, backbone, name, **{**defaults, **options})


def install_manifest(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a manifest the installed one for the time of a test."""
    write_manifest(manifest, tmp_path / "weights_manifest.json")
    monkeypatch.setattr(ppkt_zoo.zoo.manifest, "MANIFEST_PATHS", (tmp_path / "weights_manifest.json",))


def use_all(path: Path) -> None:
    """Read everything that a weight folder holds."""
    folder = open_weight_folder(path)
    folder.backbone(), folder.golden(), folder.projection(), folder.record()


def edit_config(path: Path, **changes: Any) -> None:
    """Change fields of config.json as someone with an editor would."""
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def rewrite_tensors(path: Path, name: str, change: Callable[[dict[str, Tensor]], object], header: Any = ...) -> None:
    """Change tensors of a file, and its hash in config.json too: damage that no hash shows."""
    tensors, old = decode_tensors((path / name).read_bytes(), name)
    change(tensors)
    data = encode_tensors(tensors, old if header is ... else header)
    (path / name).write_bytes(data)
    config = json.loads((path / "config.json").read_text())
    edit_config(path, files={**config["files"], name: file_entry(data).model_dump()})
