"""The examples for others' loops run: Lightning, Accelerate, PyTorch Geometric, Open3D, scikit-learn, dictionaries."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

import ppkt_zoo
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.rooms import CLASSES, make_room, room_cloud
from tests.data.frame_folders import HEIGHT, POSES, WIDTH, seven_scenes
from tests.support.small_weight import make_folder
from tests.test_examples import EXAMPLES, load

# Each is shorter than a screen or two, so that it is read before it is copied.
LOOPS = (
    "finetune_segmentation",
    "open3d_cloud",
    "pointcept_dict",
    "pyg_data",
    "rgbd_folder",
    "sklearn_on_features",
    "torch_pointcloud_dict",
    "train_with_accelerate",
    "train_with_lightning",
)


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_folder(tmp_path_factory.mktemp("weights") / "small")


@pytest.fixture(scope="module")
def room() -> tuple[np.ndarray, np.ndarray]:
    xyz, rgb, _, _ = room_cloud(make_room(3), spacing=0.08, views=2)
    return xyz, rgb


class SmallRooms:
    """Rooms in the place of the examples' own, of a small part of their points."""

    def __init__(self, seed: int, rooms: int, spacing: float, views: int) -> None:
        self.seed, self.rooms, self.spacing, self.views = seed, rooms, spacing, views

    def __len__(self) -> int:
        return self.rooms

    def __getitem__(self, index: int) -> LabelledScene:
        xyz, rgb, label, instance = room_cloud(make_room(self.seed + index), self.spacing, views=self.views)
        return LabelledScene(xyz, rgb, label, instance, None, None, CLASSES, (), f"room {index}")


def on_small_rooms(name: str, spacing: float = 0.1, views: int = 2) -> ModuleType:
    example = load(name)
    vars(example)["RoomScenes"] = partial(SmallRooms, spacing=spacing, views=views)
    return example


def needed(library: str) -> None:
    """Skip where it is absent; Open3D's wheel also needs libraries of the system, which a bare container lacks."""
    why = f'{library} is not installed, or cannot be imported: pip install "ppkt-zoo[examples]"'
    pytest.importorskip(library, reason=why, exc_type=ImportError)


@pytest.mark.parametrize("name", LOOPS)
def test_an_example_is_short(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 80


def test_every_example_stands_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert [file.name for file in sorted(EXAMPLES.glob("*.py")) if f"]({file.name})" not in index] == []


def test_lightning(weight: str, tmp_path: Path) -> None:
    needed("lightning")
    how = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    out = tmp_path / "named"
    loss = on_small_rooms("train_with_lightning").main(weight, 2, str(out), 1, default_root_dir=tmp_path, **how)
    assert 0 < loss < 10
    assert len(ppkt_zoo.load_segmentation(out).classes) == 29


@pytest.mark.slow
def test_accelerate_with_bf16_on_two_processes(weight: str, tmp_path: Path) -> None:
    """One of them tells and saves; the parameters have moved."""
    out = tmp_path / "named"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    told = {"ACCELERATE_USE_CPU": "true", "ACCELERATE_MIXED_PRECISION": "bf16", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(EXAMPLES / "train_with_accelerate.py"), weight, "2", str(out)],
        capture_output=True,
        text=True,
        env=os.environ | told,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("after 2 steps; processes: 2, precision: bf16") == 1
    before, after = ppkt_zoo.load_backbone(weight), ppkt_zoo.load_segmentation(out).backbone
    assert not all(torch.equal(one, two) for one, two in zip(before.parameters(), after.parameters(), strict=True))


def test_accelerate_in_one_process(weight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    AcceleratorState._reset_state(True)  # of earlier tests: Accelerate keeps one state a process
    assert 0 < on_small_rooms("train_with_accelerate").main(weight, steps=3, scenes=1, out=str(tmp_path / "named")) < 10
    assert "after 3 steps; processes: 1, precision: no" in capsys.readouterr().out


def test_pyg_data(weight: str, capsys: pytest.CaptureFixture[str]) -> None:
    needed("torch_geometric")
    example = load("pyg_data")
    assert example.main(weight, 2).shape == (2, 64)
    told = capsys.readouterr().out
    assert "of the backbone got a gradient" in told
    # Features are those of the points, whatever else the data holds.
    backbone = ppkt_zoo.load_backbone(weight)
    (data,) = example.rooms(1)
    found = example.PretrainedFeatures(backbone)(data.clone())
    assert torch.allclose(found.x, backbone.encode(data.pos, data.color))


def test_open3d_cloud(weight: str, room: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    needed("open3d")
    write_cloud(tmp_path / "room.ply", *room)
    out = tmp_path / "features.ply"
    features = load("open3d_cloud").main(str(tmp_path / "room.ply"), weight, str(out))
    assert np.allclose(features, ppkt_zoo.load_backbone(weight).encode(*room), atol=1e-4)
    assert np.array_equal(np.load(tmp_path / "features.npy"), features)
    shown = read_cloud(out)
    assert len(shown.xyz) == len(room[0])
    assert shown.rgb is not None
    assert len(np.unique(shown.rgb, axis=0)) > 100


def test_scikit_learn_on_features() -> None:
    needed("sklearn")
    found = on_small_rooms("sklearn_on_features", 0.05, 4).main(count=5)
    assert found["features"] > found["color and height"] + 0.05, "features say more than colour and height do"
    assert found["clusters"] > 0.2


def test_an_rgbd_folder(weight: str, tmp_path: Path) -> None:
    seven_scenes(tmp_path / "frames", poses=POSES[:3])
    example = load("rgbd_folder")
    found = example.main(str(tmp_path / "frames"), f"{WIDTH // 2},{HEIGHT // 2}", 1, weight, str(tmp_path / "found"))
    first, second, _ = found
    assert first == "frames_frame-000001", "the frame that was pointed at comes first"
    assert found[first][HEIGHT // 2, WIDTH // 2] == pytest.approx(1, abs=1e-4)
    assert found[second].shape == (HEIGHT, WIDTH)
    assert np.nanmax(found[second]) > 0.5
    stored = np.load(tmp_path / "found" / "similarity.npz")
    assert set(stored) == set(found)
    assert (tmp_path / "found" / f"{second}.png").exists()
    # Without a pose, up is the upper edge of the image.
    color, depth = np.zeros((48, 64, 3), np.uint8), np.full((48, 64), 2.0, np.float32)
    depth[:5] = 0
    camera = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    image = example.encode_images(color, depth, camera, None, ppkt_zoo.load_backbone(weight))
    assert np.isnan(image[:5]).all()
    assert np.isfinite(image[5:]).all()


def test_dictionaries_of_torch_pointcloud(weight: str) -> None:
    example, backbone = load("torch_pointcloud_dict"), ppkt_zoo.load_backbone(weight)
    batch = example.main(weight)
    second = batch["batch"] == 1
    expected = backbone.encode(batch["pos"][second], batch["color"][second])
    assert torch.allclose(batch["x"][second], expected, atol=1e-5)
    one = example.sample(1)
    for color, largest in ((one["color"].float(), 255.0), (one["color"] / 255, 1.0)):
        found = example.with_features(one | {"color": color}, backbone, largest)
        assert torch.allclose(found["x"], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"say largest=255\.0 or largest=1\.0"):
        example.with_features(one | {"color": one["color"].float()}, backbone)


def test_dictionaries_of_pointcept(weight: str) -> None:
    example = load("pointcept_dict")
    data = example.main(weight)
    backbone = ppkt_zoo.load_backbone(weight)
    begin = int(data["offset"][0])
    color = (data["color"][begin:] * 255).round().byte()
    assert torch.allclose(data["feat"][begin:], backbone.encode(data["coord"][begin:], color), atol=1e-5)
    for name, changed in (("255", data["color"] * 255), ("-1..1", data["color"] * 2 - 1)):
        batch = example.cloud_batch(data | {"color": changed}, name)
        assert torch.equal(batch.rgb, (data["color"] * 255).round().byte())
    del data["color"]
    assert example.cloud_batch(data).rgb is None
