"""What was released stays readable, and gives what it gave: weights, folders, the manifest, the preprocessing."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from ppkt_zoo import PointCloud
from ppkt_zoo.native import library
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.points.input_spec import PREPROCESSING_VERSION, InputSpec
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.sparse import get_engine
from ppkt_zoo.zoo.folder import open_weight_folder
from ppkt_zoo.zoo.load import load_backbone, load_projection, verify
from ppkt_zoo.zoo.manifest import BundledSource, load_manifest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
RELEASED = sorted(FIXTURES.glob("weight_of_*"))
# What voxelize() gave for the cloud below when each version was current. A change of its result is a new version with
# a line of its own here; what stands here never changes.
PREPROCESSING = {1: "470eb100cb3d6517818b6d65b5f0441ad6dd3feb5d826eab759f1ac99d4cc40f"}


def a_cloud() -> CloudBatch:
    """Two clouds from integer arithmetic alone, so that no generator's change can change them."""
    number = np.arange(4000, dtype=np.int64)
    mixed = np.stack([number * 7919 % 1009, number * 104729 % 1013, number * 1299709 % 1019], axis=1)
    xyz = mixed.astype(np.float32) / np.float32(256) - np.float32(1.5)
    rgb = (mixed * 31 % 256).astype(np.uint8)
    halves = [PointCloud.from_arrays(xyz[rows], rgb[rows]) for rows in (slice(0, 2500), slice(2500, 4000))]
    return CloudBatch.collate(halves)


def test_preprocessing_is_what_its_version_was() -> None:
    digest = hashlib.sha256()
    for channels in (("red", "green", "blue"), ("ones", "blue")):
        found = voxelize(a_cloud(), InputSpec(voxel_size=0.0625, channels=channels))
        for tensor in (found.coords, found.features, found.inverse):
            digest.update(str((tensor.dtype, tuple(tensor.shape))).encode() + tensor.contiguous().numpy().tobytes())
    assert PREPROCESSING_VERSION in PREPROCESSING, "a new version of the preprocessing needs its digest here"
    assert digest.hexdigest() == PREPROCESSING[PREPROCESSING_VERSION], (
        "voxelize() gives other numbers than this preprocessing version gave: raise PREPROCESSING_VERSION, and let "
        "weights of the old version go on as they did"
    )


@pytest.mark.parametrize("folder", RELEASED, ids=lambda folder: folder.name)
def test_released_folders_still_open(folder: Path) -> None:
    opened = open_weight_folder(folder)
    assert verify(opened).ok
    assert opened.record().parameters == sum(one.numel() for one in opened.backbone().parameters())
    name = f"local-dir:{folder}"
    features = load_backbone(name).encode(opened.golden().cloud.xyz, opened.golden().cloud.rgb)
    assert torch.isfinite(features).all()
    assert load_projection(name)["head.projection.weight"].shape == (16, 8)


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("manifest_of_*.json")), ids=lambda file: file.stem)
def test_released_manifests_are_still_read(file: Path) -> None:
    (weight,) = load_manifest(file).weights
    assert weight.name == "sr_unet.fixture"
    released = open_weight_folder(FIXTURES / file.stem.replace("manifest", "weight"))
    for name, entry in released.config.files.items():
        assert weight.files[name] == entry


def test_something_was_released() -> None:
    assert [folder.name for folder in RELEASED] == ["weight_of_0_1_0"]


def cpu_engines() -> list[str]:
    """Engines that are installed and compute on the CPU."""
    there = {"torch": True, "native": library() is not None, "spconv": importlib.util.find_spec("spconv") is not None}
    return [name for name, usable in there.items() if usable and get_engine(name, "cpu")]


@pytest.mark.parametrize("name", [one.name for one in load_manifest().weights if isinstance(one.source, BundledSource)])
def test_every_listed_weight_holds_on_every_engine_of_this_machine(name: str) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # spconv's CPU wheel is right with one thread alone
    try:
        reports = [verify(name, engine=engine) for engine in cpu_engines()]
    finally:
        torch.set_num_threads(threads)
    assert reports
    assert all(report.ok for report in reports)
