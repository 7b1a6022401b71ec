"""A weight that was never trained, and a cloud for it."""

from pathlib import Path

import numpy as np
import pytest

import ppkt_zoo.zoo.hub
import ppkt_zoo.zoo.manifest
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.support.small_weight import make_folder, make_manifest


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small"
    make_folder(path)
    return path


@pytest.fixture
def _small_listed(small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small weight is bundled."""
    manifest = make_manifest(tmp_path / "manifest.json", small_folder)
    monkeypatch.setattr(ppkt_zoo.zoo.manifest, "MANIFEST_PATHS", (manifest,))
    monkeypatch.setattr(ppkt_zoo.zoo.hub, "BUNDLED", small_folder.parent)


@pytest.fixture
def small_cloud(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (800, 3)).astype(np.float32)
    xyz[:, 2] *= 0.1
    return write_cloud(tmp_path / "cloud.ply", xyz, rng.integers(0, 256, (800, 3)).astype(np.uint8))
