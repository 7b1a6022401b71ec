"""What doctor says of a cloud: each oddity alone in an otherwise sound room, and nothing of a sound one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppkt_zoo.data.examine.cloud import examine_file
from ppkt_zoo.data.examine.finding import Finding
from ppkt_zoo.data.examine.report import CloudReport, Wanted
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.data.meshes import made_up_meshes as made

RNG = np.random.default_rng(0)


def a_room(points: int = 60_000) -> np.ndarray:
    """Floor, two walls and a table, 4 × 3 × 2.4 m, scanned with a few millimetres of noise."""
    floor, table = RNG.uniform(0, 1, (points // 2, 2)) * (4, 3), RNG.uniform(0, 1, (points // 10, 2)) * (1.5, 0.8)
    wall, side = RNG.uniform(0, 1, (points // 4, 2)) * (4, 2.4), RNG.uniform(0, 1, (points // 6, 2)) * (3, 2.4)
    zero = np.zeros
    parts = [
        np.column_stack([floor, zero(len(floor))]),
        np.column_stack([table + 1, np.full(len(table), 0.75)]),
        np.column_stack([wall[:, 0], zero(len(wall)), wall[:, 1]]),
        np.column_stack([zero(len(side)), side]),
    ]
    xyz = np.concatenate(parts)
    return xyz + RNG.normal(0, 0.002, xyz.shape)


ROOM = a_room()
RGB = RNG.integers(0, 256, ROOM.shape, dtype=np.uint8)


def report_of(path: Path, xyz: np.ndarray = ROOM, rgb: Any = RGB, **wanted: Any) -> CloudReport:
    """What is said of it, as an .npz."""
    arrays = {"xyz": xyz} | ({} if rgb is None else {"rgb": rgb})
    np.savez(path / "room.npz", **arrays)
    return examine_file(path / "room.npz", Wanted("w", 0.04, True, **wanted))


def told(report: CloudReport, topic: str) -> Finding:
    """The one finding of a topic that is not fine."""
    found = [one for one in report.findings if one.topic == topic and one.level != "fine"]
    assert len(found) == 1, report.findings
    return found[0]


def test_of_a_sound_room_nothing_is_remarked(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert {one.level for one in report.findings} == {"fine"}
    assert report.options == []
    assert (report.points, report.dropped, report.unit, report.up, report.color) == (len(ROOM), 0, "m", "z", True)
    np.testing.assert_allclose(report.size, [4, 3, 2.4], atol=0.05)
    assert report.spacing == pytest.approx(0.02, rel=0.5)


@pytest.mark.parametrize(("scale", "unit"), [(1000, "mm")])
def test_another_unit_is_found_and_all_else_is_judged_in_metres(tmp_path: Path, scale: float, unit: str) -> None:
    report = report_of(tmp_path, ROOM * scale)
    assert report.options == ["--unit", unit]
    assert f"give --unit {unit}" == told(report, "unit").mend
    np.testing.assert_allclose(report.size, [4, 3, 2.4], atol=0.05)
    assert {one.topic for one in report.findings if one.level != "fine"} == {"unit"}


def test_a_unit_that_is_given_counts_and_is_doubted(tmp_path: Path) -> None:
    report = report_of(tmp_path, ROOM * 1000, unit="cm")
    assert report.unit == "cm"
    assert "the extent speaks for mm" in told(report, "unit").text


def test_an_unclear_unit_is_no_guess(tmp_path: Path) -> None:
    assert told(report_of(tmp_path, ROOM * 100), "unit").mend == "give --unit mm or --unit cm"
    assert "kilometres, degrees" in told(report_of(tmp_path, ROOM * 1e-5), "unit").text


@pytest.mark.parametrize(
    ("turn", "up"),
    [([[1, 0, 0], [0, 0, 1], [0, -1, 0]], "y"), ([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], "x")],
)
def test_another_vertical_is_found(tmp_path: Path, turn: list[list[int]], up: str) -> None:
    report = report_of(tmp_path, ROOM @ np.array(turn, float).T)
    assert report.options == ["--up", up]
    assert f"{up} is much likelier" in told(report, "up").text
    np.testing.assert_allclose(sorted(report.size), [2.4, 3, 4], atol=0.05)
    assert report.size[2] == pytest.approx(2.4, abs=0.05)
    assert report_of(tmp_path, ROOM @ np.array(turn, float).T, up=up).findings[0].level == "fine"


def test_a_tilted_room_is_read_with_gravity(tmp_path: Path) -> None:
    angle = np.radians(30)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    report = report_of(tmp_path, ROOM @ turn.T)
    assert report.options == ["--up", "gravity"]
    assert "tilted by 30°" in told(report, "up").text


def test_a_camera_cloud_is_read_with_gravity(shared: Path) -> None:
    report = examine_file(shared / "clouds" / "kinect_table_rgb.pcd", Wanted("w", 0.04, True))
    assert report.options == ["--up", "gravity"]
    assert "depth camera" in told(report, "up").text
    assert told(report, "positions").text.startswith("47,353 rows (15.4 %)")


def test_map_coordinates_without_colour(shared: Path) -> None:
    report = examine_file(shared / "clouds" / "terrain_utm.pcd", Wanted("w", 0.04, False))
    assert report.unit == "m"
    assert "need colour" in (told(report, "colour").mend or "")
    assert "stand 0.5 apart" in told(report, "precision").text
    assert "far too sparse" in told(report, "density").text


@pytest.mark.parametrize(
    ("rgb", "words"),
    [
        (None, "the file has none"),
        (np.full(ROOM.shape, 200, np.uint8), "same colour (200, 200, 200)"),
        (np.repeat(RGB[:, :1], 3, axis=1), "red, green and blue are the same"),
        ((RGB > 128).astype(np.uint8), "nearly everything is black"),
        (np.where(RGB[:, :1] > 128, [255, 0, 0], [0, 0, 255]).astype(np.uint8), "two or three colours"),
        (RGB.astype(np.float32) * 3 - 100, "must lie in"),
    ],
)
def test_colours_that_are_odd(tmp_path: Path, rgb: Any, words: str) -> None:
    assert words in told(report_of(tmp_path, rgb=rgb), "colour").text


@pytest.mark.parametrize(
    ("rgb", "words"),
    [
        (RGB, "8 bits, 0 to 255"),
        (RGB.astype(np.uint16) * 257, "16 bits (0 to 65535)"),
        (RGB / 255, "floats in 0 to 1"),
        (RGB.astype(np.float32), "floats in 0 to 255"),
        (RGB.astype(np.int64), "whole numbers of 64 bits"),
    ],
)
def test_ranges_of_colours_are_told(tmp_path: Path, rgb: Any, words: str) -> None:
    found = [one for one in report_of(tmp_path, rgb=rgb).findings if one.topic == "colour"]
    assert [one.level for one in found] == ["fine"]
    assert words in found[0].text


def test_thin_and_thick_clouds(tmp_path: Path) -> None:
    few = RNG.permutation(len(ROOM))[:500]
    assert "far too sparse" in told(report_of(tmp_path, ROOM[few], RGB[few]), "density").text
    some = RNG.permutation(len(ROOM))[:4000]
    assert "sparse" in told(report_of(tmp_path, ROOM[some], RGB[some]), "density").text
    thick = np.concatenate([ROOM + RNG.normal(0, 0.002, ROOM.shape) for _ in range(30)])
    assert "denser" in told(report_of(tmp_path, thick, None), "density").text


def test_rows_without_position_doubles_and_outliers(tmp_path: Path) -> None:
    holes = ROOM.copy()
    holes[::4] = np.nan
    assert told(report_of(tmp_path, holes), "positions").text.startswith(f"{len(holes[::4]):,} rows (25.0 %)")
    corner = ROOM.copy()
    corner[::4] = 0
    assert "(0, 0, 0)" in told(report_of(tmp_path, corner), "duplicates").text
    assert "50 % of the points" in told(report_of(tmp_path, np.repeat(ROOM, 2, axis=0), None), "duplicates").text
    far = ROOM.copy()
    far[:3] += 5000
    outlier = told(report_of(tmp_path, far), "outliers").text
    assert outlier.startswith("3 points lie far")
    assert "4.01 × 3.01 × 2.4" in outlier
    assert "only 20 points" in told(report_of(tmp_path, ROOM[:20], RGB[:20]), "points").text


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    for name, content, words in (
        ("a.ply", b"", "the file is empty"),
        ("a.ply", b"ply\n", "cut short"),
        ("a.doc", b"x", "no reader for .doc"),
        ("a.npy", b"\x93NUMPY", ""),
    ):
        (tmp_path / name).write_bytes(content)
        (found,) = examine_file(tmp_path / name, Wanted("w", 0.04, True)).findings
        assert found.level == "problem"
        assert words in found.text
        assert str(tmp_path) not in found.text
    report = report_of(tmp_path, np.full((5, 3), np.nan), None)
    assert report.findings[0].text == "no row has a finite position"


def test_a_coarse_mesh_is_read_by_its_surface(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(made.ply())
    report = examine_file(tmp_path / "a.ply", Wanted("w", 0.04, True))
    assert report.options == ["--mesh", "surface"]
    assert "vertices of a coarse mesh" in told(report, "density").text


def test_meshes_are_judged_by_their_surface(tmp_path: Path) -> None:
    pytest.importorskip("trimesh", reason="needs the extra mesh: pip install 'ppkt-zoo[mesh]'")
    tree, body = made.gltf_parts()
    (tmp_path / "a.glb").write_bytes(made.glb(made.with_nodes(tree, [{"mesh": 0, "scale": [500, 500, 1]}], [0]), body))
    report = examine_file(tmp_path / "a.glb", Wanted("w", 0.04, True))
    assert (report.triangles, report.points, report.up, report.unit) == (2, 0, "y", "m")
    assert report.findings[0].text.startswith("2 triangles")


def test_names_of_labels_and_normals_are_told(tmp_path: Path) -> None:
    write_cloud(tmp_path / "a.ply", ROOM, RGB, label=np.zeros(len(ROOM), np.int32), nx=ROOM[:, 0])
    report = examine_file(tmp_path / "a.ply", Wanted("w", 0.04, True))
    assert report.labels == ("label",)
    assert [one.level for one in report.findings if one.topic in ("labels", "normals")] == ["fine", "fine"]


def test_columns_that_name_their_unit(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "a.csv", ROOM * 100, delimiter=",", header="x [cm],y [cm],z [cm]", comments="", fmt="%.3f")
    report = examine_file(tmp_path / "a.csv", Wanted("w", 0.04, True))
    assert report.options == ["--unit", "cm"]
    assert "names of its columns" in told(report, "unit").text
