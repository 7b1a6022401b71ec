"""The demo, with a small room."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import ppkt_zoo
import ppkt_zoo.zoo.hub
import ppkt_zoo.zoo.manifest
from ppkt_zoo.cli.run.demo import run_demo
from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.visualization.pca import pca_colors
from tests.support.small_weight import NAME, make_folder, make_manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small"
    make_folder(path)
    return path


@dataclass
class Run:
    picture: Path
    cloud: Path
    features: Path
    said: str


@pytest.fixture(scope="module")
def demo(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A demo of the weight that is bundled."""
    home, said = tmp_path_factory.mktemp("demo"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppkt_zoo.zoo.manifest, "MANIFEST_PATHS", (make_manifest(home / "manifest.json", folder),))
        patch.setattr(ppkt_zoo.zoo.hub, "BUNDLED", folder.parent)
        assert ppkt_zoo.default_weight() == NAME
        done = run_demo(home / "out", 3, None, Console(file=said, width=240), spacing=0.06, cameras=2)
    assert done.points == len(np.load(done.files[2])["xyz"])
    return Run(*map(Path, done.files), said.getvalue())


def test_demo_writes_what_it_says(demo: Run) -> None:
    arrays = np.load(demo.features)
    count = len(arrays["xyz"])
    assert count > 1000
    assert arrays["features"].shape == (count, 64)
    assert arrays["features"].dtype == np.float32
    assert arrays["rgb"].shape == (count, 3)
    assert arrays["label"].shape == (count,)
    cloud = read_cloud(demo.cloud)
    np.testing.assert_array_equal(cloud.xyz, arrays["xyz"])
    np.testing.assert_array_equal(cloud.rgb, pca_colors(arrays["features"]))
    with Image.open(demo.picture) as picture:
        assert picture.width > picture.height > 500


def test_demo_says_what_it_did_and_what_to_type_next(demo: Run) -> None:
    features = np.load(demo.features)["features"]
    for part in (NAME, "5.23 M", "seed 3", "2 views", f"float32 {features.shape}", "voxels", " s\n"):
        assert part in demo.said
    for path in (demo.picture, demo.cloud, demo.features):
        assert str(path) in demo.said
    for command in ("encode", "list", "show", "pretrain"):
        assert f"ppkt-zoo {command}" in demo.said


def test_the_same_seed_gives_the_same_features(demo: Run, folder: Path, tmp_path: Path) -> None:
    quiet = Console(file=io.StringIO())
    again = np.load(run_demo(tmp_path, 3, f"local-dir:{folder}", quiet, spacing=0.06, cameras=2).files[2])
    first = np.load(demo.features)
    for key in ("xyz", "rgb", "label"):
        np.testing.assert_array_equal(first[key], again[key])
    np.testing.assert_allclose(first["features"], again["features"], atol=1e-4)


def test_without_a_weight_there_is_no_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppkt_zoo.zoo.manifest, "MANIFEST_PATHS", (make_manifest(tmp_path / "empty.json", None),))
    with pytest.raises(WeightError, match="no weight is bundled"):
        run_demo(tmp_path / "out", console=Console(file=io.StringIO()))
    assert not (tmp_path / "out").exists()
