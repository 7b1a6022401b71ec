"""``ppkt-zoo view`` and ``--html``: what is in the page is what the commands found."""

import json
from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.cli.run.demo import run_demo
from ppkt_zoo.cli.run.encode import color_basis
from ppkt_zoo.cli.run.job import load_weight
from ppkt_zoo.files.writing import write_json
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.support import doc_stand_ins
from tests.support.commands import answer, run
from tests.support.small_weight import NAME
from tests.visualization.page.reading import about_of, array_of, features_of, places_of, title_of


def page_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("_small_listed")
def test_a_cloud_is_encoded_and_shown_in_the_colours_of_its_weight(small_cloud: Path, tmp_path: Path) -> None:
    out, html = tmp_path / "new" / "view.html", tmp_path / "encode.html"
    found = answer("view", small_cloud, "-o", out)
    assert (found.weight, found.shown, found.source.points, found.files) == (NAME, 800, 800, (str(out),))
    assert set(found.seconds) == {"points", "weight", "features", "page"}
    run("encode", small_cloud, "-o", tmp_path / "o.npz", "--html", html)
    arrays = np.load(tmp_path / "o.npz")
    for page in (page_of(out), page_of(html)):
        rows = array_of(page, "row")
        np.testing.assert_allclose(places_of(page), arrays["xyz"][rows], atol=1e-4)
        np.testing.assert_array_equal(array_of(page, "color"), arrays["rgb"][rows])
        assert title_of(page) == small_cloud.name
        unit = arrays["features"][rows] / np.linalg.norm(arrays["features"][rows], axis=1, keepdims=True)
        scaled = features_of(page) * np.array(about_of(page)["features"]["scale"])
        np.testing.assert_allclose(scaled, unit, atol=0.01)
    network, _ = load_weight(_reading(small_cloud), None)
    colors = color_basis(None, network, arrays["features"], _reading(small_cloud)).colors(arrays["features"])
    np.testing.assert_array_equal(array_of(page_of(out), "pca"), colors[array_of(page_of(out), "row")])


def _reading(path: Path) -> object:
    from ppkt_zoo.cli.options import FeatureReading

    return FeatureReading(path=path)


@pytest.mark.parametrize("ending", [".npz", ".ply"])
@pytest.mark.usefixtures("_small_listed")
def test_features_in_a_file_are_shown_and_nothing_is_computed(small_cloud: Path, tmp_path: Path, ending: str) -> None:
    stored, out = tmp_path / f"stored{ending}", tmp_path / "page.html"
    run("encode", small_cloud, "-o", stored)
    found = answer("view", stored, "-o", out)
    assert found.weight is None
    assert set(found.seconds) == {"points", "page"}
    assert about_of(page_of(out))["features"]["channels"] == 64
    named = answer("view", stored, "-o", out, "--weight", NAME)
    assert (named.weight, "features" in named.seconds) == (NAME, False)


@pytest.mark.usefixtures("_small_listed")
def test_clusters_are_groups_of_like_features(small_cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    found = answer("view", small_cloud, "-o", out, "--clusters", 3)
    assert "clusters" in found.seconds
    clusters = array_of(page_of(out), "clusters")
    sizes = np.bincount(clusters)
    assert len(sizes) == 3
    assert sizes.tolist() == sorted(sizes, reverse=True), "the largest comes first"
    assert [one["name"] for one in about_of(page_of(out))["clusters"]] == ["cluster 0", "cluster 1", "cluster 2"]
    said = run("view", small_cloud, "-o", out, "--clusters", "3", "--plain", code=2).stderr
    assert "--clusters groups points by them" in said


@pytest.mark.usefixtures("_small_listed")
def test_classes_and_boxes_of_other_commands_are_shown(small_cloud: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz, label = rng.uniform(0, 2, (500, 3)), rng.integers(0, 2, 500)
    ids, colors = np.array([7, 40]), np.array([[200, 30, 30], [20, 160, 90]], np.uint8)
    source = write_cloud(tmp_path / "scan_labels.ply", xyz, colors[label], label=ids[label].astype(np.int16))
    names = [{"label": 7, "name": "wall", "color": [200, 30, 30]}, {"label": 40, "name": "<i>", "color": [20, 160, 90]}]
    write_json(tmp_path / "scan_labels.classes.json", names, ValueError)  # type: ignore[arg-type]
    box = {"class": "chair", "score": 0.75, "center": [1, 1, 1], "size": [1, 1, 1], "heading": 0}
    (tmp_path / "boxes.json").write_text(json.dumps([box]), encoding="utf-8")
    array = {"boxes": np.array([[1, 1, 1, 1, 1, 1, 0.0]]), "label": np.array([1]), "score": np.array([0.5])}
    np.savez(tmp_path / "boxes.npz", classes=np.array(["a", "ö"]), **array)
    out = tmp_path / "page.html"
    found = answer("view", source, "-o", out, "--boxes", tmp_path / "boxes.json")
    assert found.weight is None, "classes are shown without an encoding"
    page = page_of(out)
    assert [one["name"] for one in about_of(page)["classes"]] == ["wall", "<i>"]
    assert [one["color"] for one in about_of(page)["classes"]] == colors.tolist()
    np.testing.assert_array_equal(array_of(page, "classes"), label[array_of(page, "row")])
    assert not about_of(page)["has_color"], "the colours in the file are those of its classes"
    assert about_of(page)["boxes"][0]["score"] == 0.75
    answer("view", small_cloud, "-o", out, "--plain", "--boxes", tmp_path / "boxes.npz")
    assert about_of(page_of(out))["boxes"][0]["name"] == "ö"
    assert about_of(page_of(out))["features"] is None


@pytest.mark.usefixtures("_small_listed")
def test_similar_opens_at_its_point(small_cloud: Path, tmp_path: Path) -> None:
    html = tmp_path / "similar.html"
    run("similar", small_cloud, "--at", "1,1,0.1", "-o", tmp_path / "o.npz", "--html", html)
    xyz = np.load(tmp_path / "o.npz")["xyz"]
    picked = about_of(page_of(html))["picked"]
    assert array_of(page_of(html), "row")[picked] == np.linalg.norm(xyz - [1, 1, 0.1], axis=1).argmin()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("view", "CLOUD", "-o", "page.png"), "--out"),
        (("view", "nothing.ply"), "does not exist"),
        (("view", "CLOUD", "--plain", "--weight", "x"), "--plain"),
        (("view", "CLOUD", "--levels", "all"), "--levels"),
        (("view", "CLOUD", "--plain", "--boxes", "nothing.json"), "nothing.json"),
        (("view", "CLOUD", "--plain", "--boxes", "boxes.txt"), "--boxes"),
        (("view", "CLOUD", "--plain", "--rerun", "a.bin"), ".rrd"),
        (("view", "CLOUD", "--plain", "--tile", "many"), "--tile"),
        (("encode", "CLOUD", "--html", "page.png"), "--html"),
    ],
)
def test_what_does_not_fit_is_told_before_any_work(
    small_cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*(str(small_cloud) if word == "CLOUD" else word for word in words), code=2)
    assert told in done.stderr
    assert not list(tmp_path.glob("*.html"))


def test_segment_and_detect_show_what_they_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    doc_stand_ins.fill(tmp_path, "scan.ply runs/points/model runs/boxes/model")
    run("segment", "scan.ply", "-m", "runs/points/model", "-o", "labels.npz", "--html", "labels.html")
    page = page_of(tmp_path / "labels.html")
    labels = np.load("labels.npz")["label"]
    assert [one["name"] for one in about_of(page)["classes"]] == ["wall", "floor", "chair"]
    np.testing.assert_array_equal(array_of(page, "classes"), labels[array_of(page, "row")])
    done = answer("detect", "scan.ply", "-m", "runs/boxes/model", "--score", 0, "-o", "b.json", "--html", "boxes.html")
    found = about_of(page_of(tmp_path / "boxes.html"))
    assert done.files == ("b.json", "boxes.html")
    assert [one["name"] for one in found["boxes"]] == [one.name for one in done.boxes]
    assert len(done.boxes) > 0
    centres = np.array([one["center"] for one in found["boxes"]]) + found["origin"]
    np.testing.assert_allclose(centres, [one.center for one in done.boxes], atol=1e-3)


@pytest.mark.usefixtures("_small_listed")
def test_the_demo_makes_a_page_with_the_names_of_its_classes(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "demo", weight=NAME, spacing=0.1, cameras=2, html=tmp_path / "demo.html")
    page = page_of(tmp_path / "demo.html")
    assert Path(done.files[-1]) == tmp_path / "demo.html"
    assert "wall" in [one["name"] for one in about_of(page)["classes"]]
    assert about_of(page)["features"]["channels"] == 64
