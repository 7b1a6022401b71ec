"""What a glTF claims is held against its file and the limits before anything is allocated for it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("trimesh", reason="needs the extra mesh: pip install 'ppkt-zoo[mesh]'")

from ppkt_zoo.data.meshes.load import load_mesh, parse_mesh
from ppkt_zoo.data.meshes.surface import sample_surface
from ppkt_zoo.errors import InputError, InputWarning
from tests.data.meshes import made_up_meshes as made

_NODE = [{"mesh": 0}]


def told(change: dict[str, Any], nodes: list[dict[str, Any]] = _NODE) -> str:
    """The error that a changed description gives."""
    tree, body = made.gltf_parts(texture=made.halves())
    content = made.glb({**made.with_nodes(tree, nodes, [0]), **change}, body)
    with pytest.raises(InputError) as caught:
        parse_mesh(content, "room.glb")
    assert str(caught.value).startswith("room.glb: ")
    return str(caught.value)


@pytest.mark.parametrize("name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_mesh_quantization"])
def test_compressed_meshes_are_refused_with_a_mend(name: str) -> None:
    assert f"needs the extension {name}" in told({"extensionsRequired": [name]})
    assert "without compression" in told({"extensionsRequired": [name]})


def test_a_scene_that_shows_a_mesh_without_end_is_refused() -> None:
    tower = [{"children": [1, 1]}, {"children": [2, 2]}, {"mesh": 0}]
    assert "two parents" in told({}, tower)
    assert "their own parents" in told({}, [{"mesh": 0}, {"children": [2]}, {"children": [1]}])
    chain: list[dict[str, Any]] = [{"children": [number + 1]} for number in range(150)]
    assert "nested deeper" in told({}, [*chain, {"mesh": 0}])


def test_a_mesh_shown_too_often_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPKT_ZOO_MAX_BYTES", "20000")
    many = [{"children": list(range(1, 101))}, *[{"mesh": 0}] * 100]
    assert "PPKT_ZOO_MAX_BYTES" in told({}, many)


def test_many_meshes_are_refused_before_they_are_made() -> None:
    many = [{"children": list(range(1, 30_001))}, *[{"mesh": 0}] * 30_000]
    assert "PPKT_ZOO_MAX_MESHES" in told({}, many)


def test_meshes_of_several_parts_give_the_same_points_each_time() -> None:
    tree, body = made.gltf_parts()
    tree["meshes"][0]["primitives"] *= 40
    content = made.glb(made.with_nodes(tree, [{"mesh": 0}, {"mesh": 0, "translation": [9, 0, 0]}], [0, 1]), body)
    first, again = (sample_surface(parse_mesh(content, "a.glb"), 3).xyz for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert parse_mesh(content, "a.glb").triangles == 160


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accessors": [{"componentType": 5126, "count": 10**12, "type": "VEC3"}]}, "PPKT_ZOO_MAX_BYTES"),
        ({"accessors": [{"componentType": 5126, "count": -3, "type": "VEC3"}]}, "-3 rows"),
        ({"accessors": [{"componentType": 7, "count": 3, "type": "VEC3"}]}, "damaged"),
        ({"accessors": [{"count": 3, "componentType": 5126, "type": "VEC3", "sparse": {}}]}, "sparse"),
        ({"bufferViews": [{"buffer": 0, "byteOffset": -4, "byteLength": 9}]}, "ends behind"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 10**9}]}, "ends behind"),
        ({"bufferViews": [{"buffer": -1, "byteLength": 4}]}, "damaged"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 99}}]}]}, "damaged"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": -1}}]}]}, "damaged"),
        ({"nodes": [{"children": [7]}]}, "not there"),
        ({"nodes": "none"}, "damaged"),
        ({"asset": {"version": "1.0"}}, "glTF 1.0 is not read"),
        ({"scenes": [{"nodes": [5]}]}, "damaged"),
    ],
)
def test_damaged_descriptions_are_named(change: dict[str, Any], words: str) -> None:
    assert words in told(change)


def test_files_beside_a_gltf_are_read_and_others_are_not(tmp_path: Path) -> None:
    tree, body = made.gltf_parts()
    scene = made.with_nodes(tree, _NODE, [0])
    (tmp_path / "my room.bin").write_bytes(body)
    (tmp_path / "a.gltf").write_bytes(made.gltf(scene, body, "my%20room.bin"))
    assert load_mesh(tmp_path / "a.gltf").triangles == 2
    for elsewhere in ("../room.bin", "/etc/hostname", "file:///etc/hostname", "https://example.org/a.bin", "no.bin"):
        (tmp_path / "b.gltf").write_bytes(made.gltf(scene, body, elsewhere))
        with pytest.raises(InputError, match=r"own folder|not there"):
            load_mesh(tmp_path / "b.gltf")


def test_a_texture_that_cannot_be_read_is_told_and_the_mesh_is_read() -> None:
    tree, body = made.gltf_parts(texture=made.halves("GIF"))
    with pytest.warns(InputWarning, match="GIF"):
        mesh = parse_mesh(made.glb(made.with_nodes(tree, _NODE, [0]), body), "room.glb")
    assert mesh.triangles == 2


def test_a_description_of_strange_forms_is_damaged_and_not_a_fault() -> None:
    tree, body = made.gltf_parts()
    for name in ("accessors", "bufferViews", "meshes"):
        for value in (None, 3, "x", [None], [[]], {"a": 1}):
            content = json.dumps({**tree, name: value, "nodes": _NODE, "buffers": []}).encode()
            with pytest.raises(InputError, match=r"^room\.gltf: "):
                parse_mesh(content, "room.gltf")
    assert body
