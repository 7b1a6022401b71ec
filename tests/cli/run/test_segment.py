"""`ppkt-zoo segment` and `ppkt-zoo segmentation`: what they write, and how they fail."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from ppkt_zoo import InputSpec, create_backbone, default_weight
from ppkt_zoo.downstream.segmentation import SegmentationModel, load_segmentation, save_segmentation
from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.files.ply import parse_vertices
from ppkt_zoo.rooms import CLASSES as ROOM_CLASSES
from ppkt_zoo.visualization.classes import class_colors
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.manifest import BundledSource, Manifest
from tests.support.commands import answer, run
from tests.support.small_weight import NAME, make_folder
from tests.zoo.tiny_weight import install_manifest


def a_cloud(points: int = 800) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (points, 3)).astype(np.float32)
    xyz[:, 2] *= 0.1
    return xyz, rng.integers(0, 256, (points, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        backbone = create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.05))
        network = SegmentationModel(backbone, ("wall", "floor", "chair"))
    folder = tmp_path_factory.mktemp("models") / "model"
    make_folder(folder.with_name("bare"))
    record = open_weight_folder(folder.with_name("bare")).record()
    save_segmentation(folder, network, NAME, record, PointCloud.from_arrays(*a_cloud(1500)))
    return folder


def test_without_a_model_it_is_the_bundled_one(
    model: Path, cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_manifest(Manifest(), tmp_path, monkeypatch)
    failed = run("segment", cloud, code=2)
    assert "no model for segmentation is bundled" in failed.stderr
    monkeypatch.setattr("ppkt_zoo.zoo.hub.BUNDLED", model.parent)
    spec = weight_spec(open_weight_folder(model), BundledSource(folder=model.name))
    install_manifest(Manifest(weights=(spec,)), tmp_path, monkeypatch)
    with pytest.raises(WeightError, match="no weight is bundled"):  # one that was fine-tuned is none to begin with
        default_weight()
    out = tmp_path / "labels.npz"
    run("segment", cloud, "--out", out)
    named = tmp_path / "named.npz"
    run("segment", cloud, "--model", model, "--out", named)
    with np.load(out) as first, np.load(named) as second:
        assert np.array_equal(first["label"], second["label"])


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    return write_cloud(tmp_path / "cloud.ply", *a_cloud())


def test_labels_names_and_picture(model: Path, cloud: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "new" / "labels.ply", tmp_path / "seg.png"
    told = run("segment", cloud, "--model", model, "--voting", 2, "--out", out, "--picture", picture).output
    assert "3 classes" in told
    rows = parse_vertices(out.read_bytes(), "labels")
    xyz, rgb = a_cloud()
    expected = load_segmentation(model).predict(xyz, rgb, voting=2)
    assert (rows["label"] == expected.labels).all()
    np.testing.assert_allclose(rows["confidence"], expected.probabilities.max(axis=1), atol=1e-5)
    written = read_cloud(out)
    assert (written.xyz == xyz).all()
    assert written.rgb is not None
    assert (written.rgb == class_colors(3)[expected.labels]).all()
    names = json.loads((tmp_path / "new" / "labels.classes.json").read_text())
    assert [row["name"] for row in names] == ["wall", "floor", "chair"]
    assert Image.open(picture).width > 300


def test_npz_keeps_colours_and_may_hold_probabilities(model: Path, cloud: Path, tmp_path: Path) -> None:
    run("segment", cloud, "--model", f"local-dir:{model}", "--out", tmp_path / "labels.npz", "--probabilities")
    held = np.load(tmp_path / "labels.npz")
    assert (held["rgb"] == a_cloud()[1]).all()
    assert held["label"].dtype == np.int16
    assert (held["probabilities"].argmax(axis=1) == held["label"]).all()


def test_the_json_counts_the_classes_of_the_file(model: Path, cloud: Path, tmp_path: Path) -> None:
    found = answer("segment", cloud, "--model", model, "--out", tmp_path / "labels.npz")
    labels = np.load(tmp_path / "labels.npz")["label"]
    assert [(one.label, one.name, one.points) for one in found.classes] == [
        (label, name, int((labels == label).sum())) for label, name in enumerate(("wall", "floor", "chair"))
    ]
    assert found.files == (str(tmp_path / "labels.npz"), str(tmp_path / "labels.classes.json"))
    assert found.model == str(model)


def test_a_weight_without_a_head_says_what_to_do(model: Path, cloud: Path) -> None:
    failed = run("segment", cloud, "--model", model.with_name("bare"), code=2)
    assert "is a backbone without a head: fine-tune one first" in failed.output


@pytest.mark.parametrize(
    ("option", "path", "said"), [("--out", "labels.pcd", "written as .npz or .ply"), ("--picture", "a.jpg", ".png")]
)
def test_endings_are_checked_first(model: Path, cloud: Path, tmp_path: Path, option: str, path: str, said: str) -> None:
    failed = run("segment", cloud, "--model", model, option, tmp_path / path, code=2)
    assert said in failed.output


def test_a_recipe_is_trained_stopped_and_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.cli.run import finetune
    from ppkt_zoo.data.scenes import LabelledScene
    from ppkt_zoo.downstream.splits import Splits

    class Scenes:
        name, classes, box_classes = "two", ROOM_CLASSES[:3], ()

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> LabelledScene:
            xyz, rgb = a_cloud(400)
            label = (xyz[:, 0] > 1).astype(np.int16)
            return LabelledScene(xyz, rgb, label, None, None, None, self.classes, (), f"scene {index}")

    monkeypatch.setattr(finetune, "_splits", lambda recipe, run, boxes: Splits(Scenes(), None, Scenes()))
    file = tmp_path / "tiny.yaml"
    shipped = yaml.safe_load((Path(__file__).parents[3] / "recipes" / "segmentation" / "rooms_bench.yaml").read_text())
    file.write_text(yaml.safe_dump({**shipped, "init": "random", "steps": 2, "batch": 1}))
    out = tmp_path / "run"
    command = ("segmentation", "train", file, "backbone.input_spec.voxel_size=0.1", "--out", out)
    assert "stopped after 1 of 2 steps" in run(*command, "--stop-after", 1, code=3).output
    told = run(*command).output
    assert "mean of 2 scenes" in told
    assert "next: ppkt-zoo segment FILE --model" in told
    figure = json.loads((out / "scores.json").read_text())["miou"]
    again = run("segmentation", "test", out / "model", file).output
    assert f"{figure:.3f}" in again
    assert "another recipe" in run(*command, "seed=5", code=2).output
