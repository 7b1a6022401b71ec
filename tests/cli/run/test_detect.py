"""`ppkt-zoo detect` and `ppkt-zoo detection`: what they write, and how they fail."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ppkt_zoo import InputSpec, create_backbone
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig, detect, load_detector, save_detector
from ppkt_zoo.downstream.splits import Splits
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.boxes import _wide_enough, box_edges, detection_picture
from ppkt_zoo.visualization.camera import views
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.manifest import BundledSource, Manifest
from tests.support.commands import answer, run
from tests.support.small_weight import NAME, make_folder
from tests.zoo.tiny_weight import install_manifest

CLASSES = ("chair", "table")


def a_cloud(points: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (points, 3)).astype(np.float32)
    return xyz, rng.integers(0, 256, (points, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        backbone = create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.1))
        shape = VoteNetConfig(heading_bins=4, seeds=64, proposals=16, width=16)
        network = VoteNet(backbone, CLASSES, torch.full((2, 3), 0.8), shape).eval()
    folder = tmp_path_factory.mktemp("models") / "model"
    make_folder(folder.with_name("bare"))
    record = open_weight_folder(folder.with_name("bare")).record()
    save_detector(folder, network, NAME, record, PointCloud.from_arrays(*a_cloud()))
    return folder


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    return write_cloud(tmp_path / "cloud.ply", *a_cloud())


def test_without_a_model_it_is_the_bundled_one(
    model: Path, cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_manifest(Manifest(), tmp_path, monkeypatch)
    assert "no model for detection is bundled" in run("detect", cloud, code=2).stderr
    monkeypatch.setattr("ppkt_zoo.zoo.hub.BUNDLED", model.parent)
    spec = weight_spec(open_weight_folder(model), BundledSource(folder=model.name))
    install_manifest(Manifest(weights=(spec,)), tmp_path, monkeypatch)
    bundled, named = tmp_path / "bundled.json", tmp_path / "named.json"
    run("detect", cloud, "--score", 0.0, "--out", bundled)
    run("detect", cloud, "--score", 0.0, "--out", named, "--model", model)
    assert json.loads(bundled.read_text()) == json.loads(named.read_text()) != []


def test_boxes_and_picture(model: Path, cloud: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "new" / "boxes.json", tmp_path / "boxes.png"
    told = run("detect", cloud, "--model", model, "--score", 0.1, "--out", out, "--picture", picture).output
    assert "2 classes" in told
    xyz, rgb = a_cloud()
    expected = detect(load_detector(model), xyz, rgb)
    rows = json.loads(out.read_text())
    kept = expected.score >= 0.1
    assert len(rows) == int(kept.sum()) > 0
    np.testing.assert_allclose([row["center"] for row in rows], expected.boxes[kept, :3], atol=1e-3)
    assert [row["class"] for row in rows] == [CLASSES[one] for one in expected.label[kept]]
    assert Image.open(picture).width > 300


def test_the_json_holds_the_boxes_of_the_file(model: Path, cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "boxes.json"
    found = answer("detect", cloud, "--model", model, "--score", 0.1, "--out", out)
    assert [one.model_dump(mode="json", by_alias=True) for one in found.boxes] == json.loads(out.read_text()) != []
    assert (found.classes, found.source.points, found.files) == (CLASSES, len(a_cloud()[0]), (str(out),))


def test_npz_and_drawn_points_and_none_sure_enough(model: Path, cloud: Path, tmp_path: Path) -> None:
    told = run("detect", cloud, "-m", f"local-dir:{model}", "--points", 800, "--score", 0, "-o", tmp_path / "a.npz")
    assert "from a sample of 800 points" in told.output
    held = np.load(tmp_path / "a.npz")
    assert held["boxes"].shape == (len(held["label"]), 7)
    assert held["classes"].tolist() == list(CLASSES)
    told = run("detect", cloud, "-m", model, "--score", 1, "-o", tmp_path / "b.json", "-p", tmp_path / "b.png")
    assert "no object with a score of 1 or more" in told.output
    assert json.loads((tmp_path / "b.json").read_text()) == []
    assert (tmp_path / "b.png").exists()


def test_a_cloud_is_sampled_to_what_the_model_learned_from(model: Path, cloud: Path, tmp_path: Path) -> None:
    xyz, rgb = a_cloud()
    network = load_detector(model)
    assert network.points is None
    every = detect(network, xyz, rgb)
    network.points = 700
    save_detector(tmp_path / "m", network, NAME, golden_cloud=PointCloud.from_arrays(xyz, rgb))
    known = load_detector(tmp_path / "m")
    assert known.points == 700
    rows = np.sort(np.random.default_rng(0).choice(len(xyz), 700, replace=False))
    network.points = None
    expected = detect(network, xyz[rows], rgb[rows])
    np.testing.assert_allclose(detect(known, xyz, rgb).boxes, expected.boxes, atol=1e-3)
    np.testing.assert_array_equal(detect(known, xyz, rgb, points=len(xyz)).boxes.shape, every.boxes.shape)
    told = run("detect", cloud, "--model", tmp_path / "m", "--score", 0, "--out", tmp_path / "a.json")
    assert "from a sample of 700 points" in told.output
    with pytest.raises(InputError, match="points must be a whole number"):
        detect(known, xyz, rgb, points=0)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--out", "boxes.ply", "written as .json or .npz"),
        ("--picture", "a.jpg", ".png"),
        ("--model", "bare", "without a head"),
    ],
)
def test_what_cannot_be_is_told(model: Path, cloud: Path, tmp_path: Path, option: str, value: str, said: str) -> None:
    given = model.with_name(value) if option == "--model" else tmp_path / value
    assert said in run("detect", cloud, "--model", model, option, given, code=2).output


def test_a_picture_of_boxes() -> None:
    xyz, rgb = a_cloud()
    box = np.array([[1, 1, 1, 0.8, 0.4, 0.6, 0.5]])
    edges, owner = box_edges(box, 0.05)
    assert set(owner.tolist()) == {0}
    turned = (edges - box[0, :3]) @ np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1]])
    on_face = np.isclose(np.abs(turned), box[0, 3:6] / 2)
    assert (on_face.sum(axis=1) >= 2).all(), "an edge lies on two faces"
    assert np.ptp(edges[:, 2]) == pytest.approx(0.6)
    one = detection_picture(xyz, rgb, box, np.array([1]), CLASSES, truth=(box[:0], np.empty(0, np.int64)))
    two = detection_picture(xyz, None, box, np.array([1]), CLASSES)
    assert one.height > 1.5 * two.height
    with pytest.raises(InputError, match="between 0 and 1"):
        detection_picture(xyz, rgb, box, np.array([2]), CLASSES)


def test_boxes_beyond_the_cloud_are_in_the_picture_but_not_at_its_cost() -> None:
    xyz = np.random.default_rng(0).uniform(0, 1, (500, 3)).astype(np.float32)
    (camera, *_) = views(xyz)
    edges, _ = box_edges(np.array([[1.0, 0.5, 0.5, 0.4, 0.4, 0.4, 0]]), 0.05)
    plane, _ = camera.project(edges)
    left, top, right, bottom = _wide_enough(camera, edges).window
    assert (plane >= (left, top)).all()
    assert (plane <= (right, bottom)).all()
    far, _ = box_edges(np.array([[40.0, 0, 0, 1, 1, 1, 0]]), 0.5)
    assert _wide_enough(camera, far).width < 1.6 * camera.width
    assert _wide_enough(camera, edges[:0]) is camera


def test_a_recipe_is_trained_stopped_and_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.cli.run import finetune

    class Scenes:
        name, classes, box_classes = "two", (), CLASSES

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> LabelledScene:
            xyz, rgb = a_cloud(400)
            boxes = np.array([[1.0, 1, 1, 0.8, 0.8, 0.8, 0.1 * index]])
            label = np.full(len(xyz), -1, np.int16)
            name = f"scene {index}"
            return LabelledScene(xyz, rgb, label, None, boxes, np.array([1], np.int16), (), CLASSES, name)

    monkeypatch.setattr(finetune, "_splits", lambda recipe, run, boxes: Splits(Scenes(), None, Scenes()))
    file = tmp_path / "tiny.yaml"
    shipped = yaml.safe_load((Path(__file__).parents[3] / "recipes" / "detection" / "rooms_bench.yaml").read_text())
    file.write_text(yaml.safe_dump({**shipped, "init": "random", "steps": 2, "batch": 1}))
    out = tmp_path / "run"
    command = ("detection", "train", file, "backbone.input_spec.voxel_size=0.1", "shape.seeds=32", "--out", out)
    assert "stopped after 1 of 2 steps" in run(*command, "--stop-after", 1, code=3).output
    told = run(*command).output
    assert "mean of 2 scenes" in told
    assert "next: ppkt-zoo detect FILE --model" in told
    figure = json.loads((out / "scores.json").read_text())["map25"]
    again = run("detection", "test", out / "model", file).output
    assert f"{figure:.3f}" in again
    assert "another recipe" in run(*command, "seed=5", code=2).output
    assert ", votes " in run("verify", f"local-dir:{out / 'model'}").output
