"""All properties of a .ply's vertices, with whatever faces stand behind them."""

from pathlib import Path

import numpy as np
import plyfile
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.files.ply import parse_vertices

TYPES = {"float": "f4", "double": "f8", "char": "i1", "ushort": "u2", "int": "i4", "uchar": "u1", "uint": "u4"}
PROPERTIES = (("float", "x"), ("double", "y"), ("char", "z"), ("ushort", "label"), ("int", "far"), ("uint", "farther"))
ROWS = [(1.5, -2.25, -3, 65535, -(2**31), 2**32 - 1), (0.1, 1e-9, 127, 40, 7, 0), (3, 2, 1, 0, 0, 5)]


def mesh(order: str = "little", properties=PROPERTIES, faces: int = 2, count: int = 3) -> bytes:
    mark = {"little": "<", "big": ">"}[order]
    header = ["ply", f"format binary_{order}_endian 1.0", "comment made by a test", f"element vertex {count}"]
    header += [f"property {kind} {name}" for kind, name in properties]
    if faces:
        header += [f"element face {faces}", "property list uchar int vertex_indices"]
    rows = np.array(ROWS, dtype=[(name, mark + TYPES[kind]) for kind, name in PROPERTIES])
    triangle = np.array(3, "u1").tobytes() + np.arange(3, dtype=f"{mark}i4").tobytes()
    return "\n".join([*header, "end_header\n"]).encode() + rows.tobytes() + triangle * faces


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("faces", [0, 2])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_property_of_every_vertex(order, faces, end):
    header, mark, body = mesh(order, faces=faces).partition(b"end_header\n")
    vertices = parse_vertices(header.replace(b"\n", end) + mark[:-1] + end + body, "mesh")
    assert vertices.dtype.names == tuple(name for _, name in PROPERTIES)
    for column, (kind, name) in enumerate(PROPERTIES):
        expected = np.array([row[column] for row in ROWS], dtype=TYPES[kind])
        assert np.array_equal(vertices[name], expected), name


def test_lists_within_a_vertex_and_ascii_are_left_to_plyfile():
    text = b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty list uchar int near\nend_header\n"
    vertices = parse_vertices(text + b"1.5 2 7 8\n-2 0\n", "text")
    assert vertices["x"].tolist() == [1.5, -2]
    assert vertices["near"][0].tolist() == [7, 8]
    binary = text.replace(b"ascii", b"binary_little_endian")
    rows = np.float32(1.5).tobytes() + b"\1" + np.int32(9).tobytes() + np.float32(4).tobytes() + b"\0"
    vertices = parse_vertices(binary + rows, "binary")
    assert vertices["x"].tolist() == [1.5, 4]
    assert vertices["near"][0].tolist() == [9]


@pytest.mark.parametrize("faces", [0, 2])
def test_cut_short(faces):
    whole = mesh(faces=faces)
    vertices = len(mesh(faces=0))
    for length in range(vertices):
        with pytest.raises(InputError, match="mesh: "):
            parse_vertices(whole[:length], "mesh")
    with pytest.raises(InputError, match="the header is wrong"):
        parse_vertices(mesh(count=30, faces=faces), "mesh")


def test_two_properties_of_one_name():
    with pytest.raises(InputError, match="damaged"):
        parse_vertices(mesh(properties=(*PROPERTIES[:-1], ("uint", "x"))), "mesh")


def test_more_data_than_announced_is_an_error_where_no_faces_are(tmp_path):
    (tmp_path / "a.ply").write_bytes(mesh(faces=0) + b"x")
    with pytest.raises(InputError, match="more data than the header announces"):
        read_cloud(tmp_path / "a.ply")
    with pytest.raises(InputError, match="more data than the header announces"):
        parse_vertices(mesh(faces=0) + b"x", "mesh")


def test_large_tables_are_written_some_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    xyz, rgb = draw.random((1000, 3)), draw.integers(0, 256, (1000, 3), dtype=np.uint8)
    extra = {"likeness": draw.random(1000).astype(np.float32), "half": draw.random((1000, 2)).astype(np.float16)}
    whole = write_cloud(tmp_path / "whole.ply", xyz, rgb, **extra).read_bytes()
    monkeypatch.setattr("ppkt_zoo.points.files.ply._ROWS_WRITTEN", 64)
    assert write_cloud(tmp_path / "parts.ply", xyz, rgb, **extra).read_bytes() == whole
    vertex = plyfile.PlyData.read(tmp_path / "parts.ply")["vertex"]
    np.testing.assert_array_equal(vertex["half_1"], extra["half"][:, 1].astype(np.float32))
    np.testing.assert_array_equal(np.stack([vertex[axis] for axis in "xyz"], axis=1), xyz)
