"""Own scans are divided in a way that is told, looked through before hours go by, and come back under their own ids."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.data.readers.labelled_folder import LabelledFolder, scan_name
from ppkt_zoo.downstream.own_scans import divide_scans, look_through
from ppkt_zoo.downstream.sampler import scenes_fingerprint
from ppkt_zoo.downstream.segmentation import load_segmentation, load_segmentation_recipe, open_splits
from ppkt_zoo.errors import FrameError, RecipeError
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.points.files.fields import read_fields
from ppkt_zoo.visualization.classes import class_colors
from tests.data.readers.own_scans import IDS, arrays, boxes, names, scan

SMALL = [
    *("init=random", "backbone.name=sr_unet14_small", "backbone.input_spec.voxel_size=0.2", "steps=12"),
    *("precision='no'", "checkpoint_every=12", "validate_every=null"),
]
QUICK = ["batch_norm_momentum=0.5", "optimiser.lr=0.005", "optimiser.warmup=0", "steps=20"]


def divided(folder: Path, **parts: float) -> dict[str, list[str]]:
    found = divide_scans(folder, **parts)
    return {
        part: [scan_name(folder, file) for file in getattr(found, part)] for part in ("train", "validation", "test")
    }


def several(folder: Path, count: int, start: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        scan(folder, f"scan{number}.npz", number)


def test_sub_folders_then_lists_then_names_say_what_is_tested(tmp_path: Path) -> None:
    several(tmp_path, 10)
    by_name = divided(tmp_path)
    assert [len(by_name[part]) for part in by_name] == [7, 1, 2]
    assert sorted(name for part in by_name.values() for name in part) == sorted(f"scan{number}" for number in range(10))
    assert divided(tmp_path) == by_name
    assert [len(one) for one in divided(tmp_path, test_part=0.5, validation_part=0.0).values()] == [5, 0, 5]
    told = divide_scans(tmp_path).told
    assert f"2 to test on ({', '.join(by_name['test'])}); divided by their names (write train.txt" in told
    (tmp_path / "train.txt").write_text("scan9\n# a remark\n\n./scan2.npz\n")
    (tmp_path / "val.txt").write_text("scan0\n")
    assert divided(tmp_path) == {"train": ["scan9", "scan2"], "validation": [], "test": ["scan0"]}
    (tmp_path / "test.txt").write_text("scan1\n")
    assert divided(tmp_path) == {"train": ["scan9", "scan2"], "validation": ["scan0"], "test": ["scan1"]}
    several(tmp_path / "train", 2)
    several(tmp_path / "test", 1)
    assert divided(tmp_path) == {"train": ["train/scan0", "train/scan1"], "validation": [], "test": ["test/scan0"]}


def test_the_choice_by_names_does_not_depend_on_the_place_or_the_order(tmp_path: Path) -> None:
    several(tmp_path / "a", 5)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert divided(tmp_path / "a") == divided(tmp_path / "b")
    several(tmp_path / "two", 2)
    assert [len(one) for one in divided(tmp_path / "two").values()] == [1, 0, 1]


def test_what_cannot_be_divided_is_told(tmp_path: Path) -> None:
    several(tmp_path, 1)
    with pytest.raises(RecipeError, match=r"holds 1 scans: at least two are needed.* cut into several files"):
        divide_scans(tmp_path)
    several(tmp_path, 3)
    (tmp_path / "test.txt").write_text("scan0\n")
    with pytest.raises(RecipeError, match=r"has test\.txt but neither a folder train nor a list train\.txt"):
        divide_scans(tmp_path)
    (tmp_path / "train.txt").write_text("scan0\nscan1\n")
    with pytest.raises(RecipeError, match="scan scan0 stands in train and in test: a model is tested on"):
        divide_scans(tmp_path)
    (tmp_path / "train.txt").write_text("scan1\nscan7\n")
    with pytest.raises(FrameError, match=r"train\.txt names 'scan7', which is no scan of"):
        divide_scans(tmp_path)
    (tmp_path / "train.txt").write_text("../scan1\n")
    with pytest.raises(FrameError, match=r"names '\.\./scan1', which is no scan"):
        divide_scans(tmp_path)
    (tmp_path / "train.txt").write_text("")
    with pytest.raises(RecipeError, match="no scan to learn from"):
        divide_scans(tmp_path)


def test_a_run_sees_whether_its_own_scans_changed_and_no_others(tmp_path: Path) -> None:
    several(tmp_path / "train", 4)
    several(tmp_path / "test", 1)
    names(tmp_path)
    recipe = load_segmentation_recipe("own", ["fraction=0.5"])

    def digits() -> tuple[str, str]:
        splits = open_splits(recipe, {"own": tmp_path}, tmp_path)
        return scenes_fingerprint(splits.train), scenes_fingerprint(splits.test)

    splits = open_splits(recipe, {"own": tmp_path}, tmp_path)
    learned = {splits.train[number].name for number in range(len(splits.train))}
    assert len(learned) == 2
    before = digits()
    assert before == digits()
    other = next(number for number in range(4) if f"train/scan{number}" not in learned)
    scan(tmp_path / "train", f"scan{other}.npz", 77)
    assert digits() == before, "a scan that the fraction leaves out"
    scan(tmp_path / "test", "scan0.npz", 78)
    assert digits()[0] == before[0]
    assert digits()[1] != before[1]
    scan(tmp_path / "train", f"{min(learned).removeprefix('train/')}.npz", 79)
    assert digits()[0] != before[0]


def test_faults_are_found_before_training_begins(tmp_path: Path) -> None:
    several(tmp_path, 3)
    names(tmp_path, "{2: wall, 5: floor, 9: chair, 11: lamp}")
    told = look_through(LabelledFolder(tmp_path), [], labels=True)
    assert told.startswith("900 labelled points, 0 without a label; ")
    assert told.endswith("no point to learn from of: lamp")
    scan(tmp_path, "scan1.npz", ids=np.full(300, -1))
    with pytest.raises(FrameError, match="scan scan1 has no labelled point: all of its 300 labels are ignored"):
        look_through(LabelledFolder(tmp_path), [], labels=True)
    xyz, _, ids = arrays(1)
    write_cloud(tmp_path / "scan1.npz", xyz, None, label=ids)
    with pytest.raises(FrameError, match=r"scan scan0 has colour and scan1 has none: .*data\.color=false"):
        look_through(LabelledFolder(tmp_path), [], labels=True)
    assert look_through(LabelledFolder(tmp_path, color=False), [], labels=True).startswith("900 labelled points")


def test_boxes_that_hold_nothing_are_found_before_training_begins(tmp_path: Path) -> None:
    several(tmp_path, 2)
    one = {"class": "chair", "centre": [2.5, 1, 1], "size": [1, 2, 2]}
    boxes(tmp_path, "scan0", [one, {**one, "centre": [90, 0, 0]}])
    boxes(tmp_path, "scan1", [])
    source = LabelledFolder(tmp_path, labels=False, boxes=True)
    assert look_through(source, [], labels=False) == "2 boxes to learn from: 2 × chair; 1 boxes hold no point"
    boxes(tmp_path, "scan0", [{**one, "centre": [2500, 1000, 1000], "size": [1000, 2000, 2000]}])
    with pytest.raises(
        FrameError, match="scan scan0: none of its 1 boxes holds a point: they must be given in the frame"
    ):
        look_through(LabelledFolder(tmp_path, labels=False, boxes=True), [], labels=False)


def test_segmentation_learns_from_own_scans_and_answers_in_their_ids(tmp_path: Path) -> None:
    data, run = tmp_path / "scans", tmp_path / "run"
    several(data, 5)
    names(data, "classes: {2: wall, 5: floor, 9: chair}\ncolors: {wall: [1, 2, 3]}\n")
    command = [
        "segmentation",
        "train",
        "own",
        "model=sr_unet14_small.own",
        *SMALL,
        *QUICK,
        "--data",
        f"own={data}",
        "-o",
        str(run),
    ]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "4 scans of" in done.output
    assert "divided by their names" in done.output
    model = load_segmentation(run / "model")
    assert (model.classes, model.ids, model.colors) == (("wall", "floor", "chair"), IDS, {"wall": (1, 2, 3)})
    out = tmp_path / "named.npz"
    source = tmp_path / "new.ply"
    xyz, rgb, ids = arrays(77)
    write_cloud(source, xyz, rgb)
    found = CliRunner().invoke(app, ["segment", str(source), "--model", str(run / "model"), "-o", str(out)])
    assert found.exit_code == 0, found.output
    label = np.load(out)["label"]
    assert set(np.unique(label)) <= set(IDS)
    assert (label == ids).mean() > 0.6
    rows = json.loads((tmp_path / "named.classes.json").read_text())
    assert [(row["label"], row["name"]) for row in rows] == [(2, "wall"), (5, "floor"), (9, "chair")]
    assert rows[0]["color"] == [1, 2, 3]
    assert rows[1]["color"] == class_colors(3)[1].tolist()
    record = json.loads((run / "model" / "record.json").read_text())
    assert record["licences"]["weights"].endswith("not to be published")
    # What it wrote can be corrected and learned from again.
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(tmp_path / "named.classes.json", again / "classes.json")
    shutil.copy(out, again / "named.npz")
    assert (LabelledFolder(again)[0].label == np.searchsorted(IDS, label)).all()
    assert read_fields(out).columns["confidence"].max() <= 1


def test_detection_learns_from_own_scans(tmp_path: Path) -> None:
    data, run = tmp_path / "scans", tmp_path / "run"
    several(data / "train", 2)
    several(data / "test", 1, start=9)
    for place, number in (("train", 0), ("train", 1), ("test", 9)):
        boxes(data / place, f"scan{number}")
    few = ["shape.seeds=16", "shape.proposals=8", "shape.width=16", "shape.neighbours=4", "steps=3", "points=200"]
    small = [one for one in SMALL if not one.startswith(("steps", "validate"))]
    command = ["detection", "train", "own", "model=sr_unet14_small.own_votenet", *small, *few]
    done = CliRunner().invoke(app, [*command, "--data", f"own={data}", "-o", str(run)])
    assert done.exit_code == 0, done.output
    assert "2 boxes to learn from: 2 × chair" in done.output
    scores = json.loads((run / "scores.json").read_text())
    assert [one["name"] for one in scores["classes"]] == ["chair"]
    out = tmp_path / "boxes.json"
    source = str(data / "test" / "scan9.npz")
    found = CliRunner().invoke(app, ["detect", source, "--model", str(run / "model"), "-o", str(out), "--score", "0"])
    assert found.exit_code == 0, found.output
    assert {one["class"] for one in json.loads(out.read_text())} <= {"chair"}
