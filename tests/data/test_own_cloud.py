"""Anybody's file in metres with z up: what is known, what is assumed and what is guessed is told."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppkt_zoo
from ppkt_zoo.data.own_cloud import DEFINED, OWN_ENDINGS, UP_AXES, OwnCloud, load_cloud
from ppkt_zoo.errors import InputError, InputWarning, MeshWarning, UnitWarning
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.data.meshes import made_up_meshes as made

RNG = np.random.default_rng(0)
ROOM = RNG.uniform(0, (5, 4, 2.5), (4000, 3))


def read(path: Path, **how: Any) -> OwnCloud:
    """Read it; whatever is warned of fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_cloud(path, **how)


def test_it_is_a_public_name() -> None:
    assert ppkt_zoo.load_cloud is load_cloud
    assert {".glb", ".e57", ".ply", ".csv"} <= set(OWN_ENDINGS)
    assert set(DEFINED) <= set(OWN_ENDINGS)


@pytest.mark.parametrize(("unit", "scale"), [("mm", 1000), ("cm", 100), ("m", 1), ("ft", 1 / 0.3048)])
def test_every_unit_becomes_metres(tmp_path: Path, unit: str, scale: float) -> None:
    file = write_cloud(tmp_path / "a.npz", ROOM * scale)
    np.testing.assert_allclose(read(file, unit=unit).xyz, ROOM, rtol=1e-12)
    if unit != "ft":
        np.testing.assert_array_equal(read(file).xyz, ROOM * scale)


def test_auto_says_what_it_guessed_and_why(tmp_path: Path) -> None:
    found = read(write_cloud(tmp_path / "a.npz", ROOM * 1000), unit="auto")
    np.testing.assert_allclose(found.xyz, ROOM)
    assert "unit guessed to be millimetres: 4" in " ".join(found.notes)
    assert "fits no other unit" in " ".join(found.notes)
    assert "guessed to be metres" in " ".join(read(write_cloud(tmp_path / "b.npz", ROOM), unit="auto").notes)


def test_auto_refuses_what_is_ambiguous_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--unit m or --unit ft") as caught:
        read(write_cloud(tmp_path / "hall.npz", ROOM / 0.3048), unit="auto")
    assert "in feet it measures 4.9" in str(caught.value)
    with pytest.raises(InputError, match="give --unit mm or --unit cm or --unit m or --unit ft"):
        read(write_cloud(tmp_path / "tiny.npz", ROOM * 1e-6), unit="auto")


def test_the_unit_is_guessed_of_the_cloud_as_it_stands_upright(tmp_path: Path) -> None:
    lying = write_cloud(tmp_path / "a.npz", (ROOM * 1000)[:, [0, 2, 1]])
    assert "millimetres" in " ".join(read(lying, unit="auto", up="y").notes)


def test_names_of_columns_count_where_auto_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    np.savetxt(file, ROOM * 100, delimiter=",", header="x [cm],y [cm],z [cm]", comments="", fmt="%.5f")
    with pytest.warns(UnitWarning, match="--unit cm"):
        assert load_cloud(file).xyz.max() > 400
    for unit in ("auto", "cm"):
        found = read(file, unit=unit)
        np.testing.assert_allclose(found.xyz, ROOM, atol=1e-6)
    assert "centimetres, as the names of its columns say" in " ".join(read(file, unit="auto").notes)
    with pytest.warns(InputWarning, match="in cm, and --unit mm is what counts"):
        load_cloud(file, unit="mm")


@pytest.mark.parametrize("up", UP_AXES)
def test_every_axis_becomes_z(tmp_path: Path, up: str) -> None:
    turn = np.array(UP_AXES[up], dtype=float)
    assert np.linalg.det(turn) == pytest.approx(1)
    file = write_cloud(tmp_path / "a.npz", ROOM @ turn)
    np.testing.assert_allclose(read(file, up=up).xyz, ROOM, atol=1e-12)


@pytest.mark.parametrize(("name", "value"), [("unit", "yard"), ("up", "w"), ("mesh", "all"), ("spacing", 0.0)])
def test_other_values_are_refused(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(InputError):
        load_cloud(write_cloud(tmp_path / "a.npz", ROOM), **{name: value})  # type: ignore[arg-type]


class TestMeshes:
    """Surfaces and vertices."""

    @pytest.fixture(autouse=True)
    def _needs_trimesh(self) -> None:
        pytest.importorskip("trimesh", reason="needs the extra mesh: pip install 'ppkt-zoo[mesh]'")

    def test_gltf_is_in_metres_with_y_up_by_definition(self, tmp_path: Path) -> None:
        tree, body = made.gltf_parts()
        (tmp_path / "a.glb").write_bytes(made.glb(made.with_nodes(tree, [{"mesh": 0}], [0]), body))
        found = read(tmp_path / "a.glb")
        notes = " ".join(found.notes)
        assert "y of the file is up, as glTF defines" in notes
        assert "metres, as glTF defines" in notes
        assert "10\u202f000 points per m²" in notes
        # The square stood in the plane of x and y.
        np.testing.assert_allclose(np.ptp(found.xyz, axis=0), [1, 0, 1], atol=0.02)
        assert np.ptp(read(tmp_path / "a.glb", up="z").xyz[:, 2]) == 0
        assert "as glTF defines" in " ".join(read(tmp_path / "a.glb", unit="auto").notes)

    def test_the_density_is_that_of_the_surface_in_metres(self, tmp_path: Path) -> None:
        (tmp_path / "a.stl").write_bytes(made.stl(scale=1000))
        found = read(tmp_path / "a.stl", unit="mm", spacing=0.02)
        assert len(found.xyz) in (2500, 2501)
        np.testing.assert_allclose(np.ptp(found.xyz, axis=0), [1, 1, 0], atol=0.03)
        assert "millimetres turned into metres" in found.notes
        assert "2 triangles, 1 m² sampled with 2\u202f500 points per m²" in found.notes
        np.testing.assert_array_equal(found.xyz, read(tmp_path / "a.stl", unit="mm", spacing=0.02).xyz)

    def test_a_huge_surface_is_sampled_more_thinly_and_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "a.stl").write_bytes(made.stl(scale=1000))
        found = read(tmp_path / "a.stl")
        assert len(found.xyz) <= 5_000_001
        assert "lowered" in found.notes[0]

    def test_vertices_of_a_ply_are_points_unless_its_surface_is_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "a.ply").write_bytes(made.ply())
        with pytest.warns(MeshWarning, match="--mesh surface"):
            assert len(load_cloud(tmp_path / "a.ply").xyz) == 4
        assert len(read(tmp_path / "a.ply", mesh="vertices").xyz) == 4
        found = read(tmp_path / "a.ply", mesh="surface")
        assert len(found.xyz) in (10_000, 10_001)
        assert found.rgb is not None

    def test_vertices_of_other_meshes_are_points_where_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "a.off").write_bytes(made.off())
        found = read(tmp_path / "a.off", mesh="vertices")
        assert found.xyz.tolist() == made.SQUARE.tolist()
        assert found.notes[0] == "the 4 vertices of 2 triangles"

    def test_gravity_is_found_on_the_surface_and_not_among_a_few_corners(self, tmp_path: Path) -> None:
        trimesh = pytest.importorskip("trimesh")
        trimesh.creation.box((5000, 100, 4000)).export(tmp_path / "slab.stl")
        found = read(tmp_path / "slab.stl", unit="mm", up="gravity")
        assert np.ptp(found.xyz[:, 2]) == pytest.approx(0.1, abs=0.01)
        assert "(0.00, 1.00, 0.00) of the file is up" in " ".join(found.notes).replace("-", "")
