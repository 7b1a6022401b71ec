"""The examples run."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import resnet18

import ppkt_zoo
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.rooms import make_room, room_cloud
from ppkt_zoo.zoo import registry
from tests.encoding.clouds import names_below, tree
from tests.support.small_weight import make_folder

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_folder(tmp_path_factory.mktemp("weights") / "small")


def test_encode_cloud(weight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xyz, rgb, _, _ = room_cloud(make_room(3), spacing=0.06, views=2)
    likeness = load("encode_cloud").main(str(write_cloud(tmp_path / "room.ply", xyz, rgb)), weight)
    assert likeness.shape == (len(xyz),)
    assert likeness.max() == pytest.approx(1, abs=1e-4)
    assert "similarity " in capsys.readouterr().out


@pytest.mark.slow
def test_encode_with_ray(
    weight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray", reason='Ray is not installed: pip install "ppkt-zoo[ray]"')
    pytest.importorskip("ray.data", reason='Ray Data is not installed: pip install "ppkt-zoo[ray]"')
    scans, out = tmp_path / "scans", tmp_path / "out"
    tree(scans, "a.ply", "deep/a.npz", "b.txt")
    (scans / "bad.ply").write_text("no")
    # Ray's workers stand back behind everybody else's processes: on a machine that is busy they would starve.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        example = load("encode_with_ray")
        first = example.main(str(scans), str(out), 2, weight)
        assert (first["written"], first["skipped"]) == (3, 0)
        assert first["failed"] == ["bad.ply: not a .ply file: it does not begin with 'ply'"]
        (out / "b.npz").unlink()
        (scans / "bad.ply").unlink()
        assert example.main(str(scans), out.as_uri(), 1, weight) == {"written": 1, "skipped": 2, "failed": []}
    finally:
        ray.shutdown()
    assert names_below(out) == ["a.npz", "b.npz", "deep/a.npz"]
    xyz, rgb, _ = read_cloud(scans / "deep" / "a.npz")
    expected = ppkt_zoo.load_backbone(weight).encode(xyz, rgb)
    np.testing.assert_allclose(np.load(out / "deep" / "a.npz")["features"], expected, atol=1e-5)
    assert "1 written, 2 skipped, 0 failed" in capsys.readouterr().out


def test_custom_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    monkeypatch.setenv("PPKT_ZOO_CACHE", str(tmp_path / "cache"))
    teacher = tmp_path / "resnet18.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file({name: tensor.contiguous() for name, tensor in resnet18(weights=None).state_dict().items()}, teacher)
    example = load("custom_backbone")
    spec = {"architecture": "resnet18", "stage": "layer2", "weights": "file", "image_size": [48, 64]}
    recipe = {**example.RECIPE, "steps": 3, "teacher": {**example.RECIPE["teacher"], "spec": spec}}
    features = example.main(str(teacher), str(tmp_path / "run"), recipe)
    assert features.shape[1] == 24
    assert float(features.std(axis=0).min()) > 0
    assert "flat_net.my_first verified on cpu" in capsys.readouterr().out
    card = (tmp_path / "run" / "weight" / "README.md").read_text()
    assert "flat_net.my_first" in card
    assert "my teacher" in card


def test_encode_frame(shared: Path, weight: str, tmp_path: Path) -> None:
    out = tmp_path / "frame.png"
    folder = shared / "frames" / "seven_scenes_redkitchen"
    image = load("encode_frame").main(str(folder), "20", weight, str(out))
    assert image.shape == (480, 640, 64)
    assert 0.2 < np.isfinite(image[..., 0]).mean() < 1
    with Image.open(out) as picture:
        assert picture.size == (1280, 480)


def test_own_scans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example, folder = load("own_scans"), tmp_path / "scans"
    example.make_folder(folder, scans=2)
    small = ["init=random", "model=sr_unet14_small.own", "backbone.name=sr_unet14_small", "crop.points=8000"]
    miou = example.main(str(folder), 3, str(tmp_path / "run"), *small)
    assert 0 <= miou <= 1
    told = capsys.readouterr().out
    assert f"1 scans of {folder} to learn from, 0 to validate, 1 to test on" in told
    assert " without a label; " in told
    assert all(f"  {number} {name}: " in told for number, name in example.NAMES.items())


def test_finetune_segmentation(weight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    miou = load("finetune_segmentation").main(weight, steps=3, scenes=1, out=str(tmp_path / "named"))
    assert len(ppkt_zoo.load_segmentation(tmp_path / "named").classes) == 29
    assert 0 < miou < 1
    told = capsys.readouterr().out
    losses = [float(line.split("loss ")[1]) for line in told.splitlines() if line.startswith("step")]
    assert losses[-1] < losses[0]
    assert f"mIoU {miou:.3f} on a room that was never seen" in told


def test_finetune_detection(weight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = load("finetune_detection").main(weight, steps=3, scenes=1, points=4000, out=str(tmp_path / "finder"))
    assert len(ppkt_zoo.load_detector(tmp_path / "finder").classes) == 18
    assert 0 <= found <= 1
    told = capsys.readouterr().out
    losses = [float(line.split("loss ")[1]) for line in told.splitlines() if line.startswith("step")]
    assert losses[-1] < losses[0]
    assert f"mAP@0.25 {found:.3f} on the 1 rooms it learned" in told


def test_classes_without_labels(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    teacher = shared / "teachers" / "deeplabv3_mobilenet_v2_voc21.safetensors"
    frames, picture = shared / "frames" / "seven_scenes_redkitchen", tmp_path / "classes.png"
    label = load("classes_without_labels").main(str(frames), str(teacher), picture=str(picture))
    told = capsys.readouterr().out
    assert "the teacher is sure of background, chair, diningtable" in told
    assert len(np.unique(label)) > 1
    assert Image.open(picture).width > 300
