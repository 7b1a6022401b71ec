"""Meshes of every format become the same points, with the colours that a viewer shows."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("trimesh", reason="needs the extra mesh: pip install 'ppkt-zoo[mesh]'")

from ppkt_zoo.data.meshes.load import MESH_ENDINGS, load_mesh, parse_mesh
from ppkt_zoo.data.meshes.parts import MeshFile, Part
from ppkt_zoo.data.meshes.surface import sample_surface
from ppkt_zoo.data.own_cloud import MESH_ENDINGS as KNOWN_ENDINGS
from ppkt_zoo.errors import InputError, InputWarning
from tests.data.meshes import made_up_meshes as made

_ONE_NODE = [{"mesh": 0}]


def a_glb(**appearance: object) -> bytes:
    tree, body = made.gltf_parts(**appearance)  # type: ignore[arg-type]
    return made.glb(made.with_nodes(tree, _ONE_NODE, [0]), body)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.stl", made.stl()),
        ("a.stl", made.stl(binary=False)),
        ("a.off", made.off()),
        ("a.ply", made.ply()),
        ("a.obj", made.obj(material=False)),
        ("a.glb", a_glb()),
        ("a.gltf", made.gltf(made.with_nodes(made.gltf_parts()[0], _ONE_NODE, [0]), made.gltf_parts()[1])),
    ],
)
def test_every_format_gives_the_same_square(name: str, content: bytes) -> None:
    mesh = parse_mesh(content, name)
    found = sample_surface(mesh, density=4000)
    assert mesh.triangles == 2
    assert found.area == pytest.approx(1)
    assert len(found.xyz) in (4000, 4001)
    np.testing.assert_allclose(found.xyz.min(axis=0), [0, 0, 0], atol=0.02)
    np.testing.assert_allclose(found.xyz.max(axis=0), [1, 1, 0], atol=0.02)
    # As many in each quarter: the points are spread over the surface.
    quarters = np.histogram2d(found.xyz[:, 0], found.xyz[:, 1], bins=2, range=[[0, 1], [0, 1]])[0]
    np.testing.assert_allclose(quarters, 1000, atol=120)


def test_endings_are_told_in_one_way() -> None:
    assert MESH_ENDINGS == KNOWN_ENDINGS


def test_the_same_seed_gives_the_same_points_and_another_one_does_not() -> None:
    mesh = parse_mesh(made.stl(), "a.stl")
    first, again, other = (sample_surface(mesh, 500, seed=seed).xyz for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(other) in (500, 501)
    assert not np.array_equal(first[:500], other[:500])


def test_large_surfaces_get_fewer_points_to_the_square_metre() -> None:
    found = sample_surface(parse_mesh(made.stl(scale=100), "a.stl"), most=3000)
    assert found.area == pytest.approx(10_000)
    assert found.density == pytest.approx(0.3)
    assert abs(len(found.xyz) - 3000) <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_textures_are_looked_up_the_right_way_round(kind: str) -> None:
    found = sample_surface(parse_mesh(a_glb(texture=made.halves(kind)), "a.glb"), 2000)
    assert found.rgb is not None
    upper, lower = found.xyz[:, 1] > 0.55, found.xyz[:, 1] < 0.45
    np.testing.assert_allclose(found.rgb[upper], np.tile([255, 0, 0], (upper.sum(), 1)), atol=3)
    np.testing.assert_allclose(found.rgb[lower], np.tile([0, 0, 255], (lower.sum(), 1)), atol=3)


def test_an_obj_finds_its_material_and_texture_beside_it(tmp_path: Path) -> None:
    (tmp_path / "tex").mkdir()
    (tmp_path / "tex" / "red over blue.png").write_bytes(made.halves())
    (tmp_path / "square.mtl").write_text(
        "newmtl painted wood\nKd 0.2 0.2 0.2\nmap_Kd -clamp on tex/red over blue.png\n"
    )
    (tmp_path / "square.obj").write_bytes(made.obj())
    found = sample_surface(load_mesh(tmp_path / "square.obj"), 2000)
    assert found.rgb is not None
    assert (found.rgb[found.xyz[:, 1] > 0.55] == [255, 0, 0]).all()
    assert (found.rgb[found.xyz[:, 1] < 0.45] == [0, 0, 255]).all()


@pytest.mark.parametrize(
    ("library", "told"),
    [
        (None, "square.mtl: .* names this file, which is not there"),
        ("newmtl painted wood\nmap_Kd missing.png\n", "missing.png"),
        ("newmtl painted wood\nmap_Kd ../../etc/passwd\n", "not in its own folder"),
        ("newmtl painted wood\nmap_Kd /etc/passwd\n", "not in its own folder"),
        ("newmtl painted wood\nmap_Kd https://example.org/a.png\n", "not in its own folder"),
        ("newmtl painted wood\nmap_Kd square.mtl\n", "square.mtl"),
    ],
)
def test_what_an_obj_lacks_is_told_and_the_rest_is_read(tmp_path: Path, library: str | None, told: str) -> None:
    if library is not None:
        (tmp_path / "square.mtl").write_text(library)
    (tmp_path / "square.obj").write_bytes(made.obj())
    with pytest.warns(InputWarning, match=told):
        mesh = load_mesh(tmp_path / "square.obj")
    assert mesh.triangles == 2


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.mtl").write_text("newmtl painted wood\nKd 1 0 0\n")
    (tmp_path / "inside" / "square.mtl").symlink_to(tmp_path / "secret.mtl")
    (tmp_path / "inside" / "square.obj").write_bytes(made.obj())
    with pytest.warns(InputWarning, match="a link out of its own folder"):
        load_mesh(tmp_path / "inside" / "square.obj")


def test_colours_of_vertices_are_mixed_between_them() -> None:
    colors = np.array([[0, 0, 0], [0, 255, 0], [0, 255, 0], [0, 0, 0]], np.uint8)
    for content, name in ((a_glb(colors=colors), "a.glb"), (made.ply(), "a.ply")):
        found = sample_surface(parse_mesh(content, name), 1000)
        assert found.rgb is not None
        np.testing.assert_allclose(found.rgb[:, 1], 255 * found.xyz[:, 0], atol=1.5)
        assert not found.rgb[:, [0, 2]].any()


def test_a_material_without_texture_has_the_colour_that_screens_show() -> None:
    tree, body = made.gltf_parts()
    tree["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0.2140, 0, 1]}}]
    tree["meshes"][0]["primitives"][0]["material"] = 0
    found = sample_surface(parse_mesh(made.glb(made.with_nodes(tree, _ONE_NODE, [0]), body), "a.glb"), 10)
    assert found.rgb is not None
    # Half of the light that sRGB's 127.5 stands for: IEC 61966-2-1.
    assert found.rgb[0].tolist() == [255, 127, 0]


def test_nodes_move_turn_and_repeat_their_meshes() -> None:
    tree, body = made.gltf_parts()
    half = float(np.sqrt(0.5))
    nodes: list[dict[str, object]] = [
        {"children": [1, 2], "translation": [10, 0, 0], "scale": [2, 2, 2]},
        {"mesh": 0, "rotation": [0, 0, half, half]},  # a quarter turn about z
        {"mesh": 0, "matrix": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 5, 1], "camera": 0},
        {"mesh": 0},  # in no scene
    ]
    tree["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1, "aspectRatio": 1}}]
    mesh = parse_mesh(made.glb(made.with_nodes(tree, nodes, [0]), body), "a.glb")
    corners = sorted((part.vertices.min(axis=0).round(6).tolist(), part.vertices.max(axis=0).round(6).tolist())
                     for part in mesh.parts)  # fmt: skip
    assert corners == [([8, 0, 0], [10, 2, 0]), ([10, 0, 10], [12, 2, 10])]
    assert (mesh.unit, mesh.up) == ("m", "y")


def test_files_of_points_alone_are_points() -> None:
    points = parse_mesh(b"v 0 0 0 1 0 0\nv 1 2 3 0 1 0\n", "a.obj")
    found = sample_surface(points, 100)
    np.testing.assert_array_equal(found.xyz, [[0, 0, 0], [1, 2, 3]])
    assert found.rgb is not None
    assert found.rgb.tolist() == [[255, 0, 0], [0, 255, 0]]


def test_a_mesh_without_area_or_vertices_is_refused() -> None:
    flat = MeshFile("a.stl", (Part(np.zeros((3, 3)), np.array([[0, 1, 2]])),))
    with pytest.raises(InputError, match="no area"):
        sample_surface(flat)
    with pytest.raises(InputError, match=r"holds no mesh|damaged"):
        parse_mesh(b"# nothing\n", "a.obj")
    for content, name in ((b"", "a.stl"), (b"hello", "a.off"), (b"glTF", "a.glb"), (b"\xff\xfe", "a.gltf")):
        with pytest.raises(InputError, match=f"^{name}: "):
            parse_mesh(content, name)


def test_vertices_that_are_no_numbers_are_refused_unless_nothing_uses_them() -> None:
    with pytest.raises(InputError, match="NaN or infinite"):
        parse_mesh(made.off().replace(b"1.0 1.0 0.0", b"nan 1.0 0.0"), "a.off")


def test_colours_of_off_are_told_to_be_lost() -> None:
    with pytest.warns(InputWarning, match="COFF"):
        parse_mesh(made.off().replace(b"OFF", b"COFF"), "a.off")


def test_without_trimesh_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['trimesh'] = None\n"
        "from ppkt_zoo.data.meshes.load import parse_mesh\n"
        "try:\n    parse_mesh(b'OFF', 'a.off')\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("InputError a.off: reading meshes needs trimesh")
    assert 'pip install "ppkt-zoo[mesh]"' in told
