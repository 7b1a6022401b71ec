"""Ascii .ply as other programs write it, meshes, and headers that lie."""

import struct
import time
import warnings

import numpy as np
import pytest

from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.points.files.ply import parse_ply, parse_vertices
from tests.points.files.made_up_files import RGB, XYZ, ply

GOOD = ply("ascii")
HEAD, BODY = GOOD.split(b"end_header\n")
END = b"end_header\n"
MARK = b"\xef\xbb\xbf"
VARIANTS = {
    "blanks before rows": HEAD + END + b"".join(b"  " + line + b"\n" for line in BODY.splitlines()),
    "tabs": HEAD + END + BODY.replace(b" ", b"\t"),
    "several blanks": HEAD + END + BODY.replace(b" ", b"   "),
    "whole numbers with a point": HEAD
    + END
    + b"".join(
        b" ".join([*line.split()[:3], *(n + b".0" for n in line.split()[3:])]) + b"\n" for line in BODY.splitlines()
    ),
    "a mark before the data": HEAD + END + MARK + BODY,
    "a mark before all": MARK + GOOD,
    "a remark that says end_header": GOOD.replace(b"element", b"comment end_header follows\nelement", 1),
    "capitals": HEAD.replace(b"ply\n", b"PLY\n").replace(b"format ascii", b"FORMAT ASCII") + b"END_HEADER\n" + BODY,
    "a blank behind end_header": HEAD + b"end_header  \n" + BODY,
    "Windows": GOOD.replace(b"\n", b"\r\n"),
    "old Mac": GOOD.replace(b"\n", b"\r"),
    "empty lines": HEAD + END + BODY.replace(b"\n", b"\n\n"),
    "decimal commas": HEAD + END + BODY.replace(b".", b","),
    "commas between": HEAD + END + BODY.replace(b" ", b","),
    "Latin-1 in a remark": GOOD.replace(b"made by hand", "für Gebäude".encode("latin-1")),
    "another word for vertex": GOOD.replace(b"element vertex", b"element Vertices"),
    "an element before": GOOD.replace(b"element", b"element camera 1\nproperty float f\nelement", 1).replace(
        END, END + b"525\n"
    ),
    "no end of its last line": GOOD.rstrip(),
    "an empty element": GOOD.replace(END, b"element face 0\nproperty list uchar int vertex_indices\nend_header\n"),
    "obj_info": GOOD.replace(b"comment", b"obj_info"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_ascii_as_other_programs_write_it(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xyz, rgb = parse_ply(VARIANTS[name], "a.ply")
    assert xyz.dtype == np.float32
    assert np.array_equal(xyz, XYZ)
    assert np.array_equal(rgb, RGB)


def test_what_windows_writes_for_no_number():
    xyz, _ = parse_ply(GOOD.replace(b"vertex 4", b"vertex 5") + b"-1.#IND 1.#QNAN 1.#INF00 0 0 0\n", "a.ply")
    assert np.isnan(xyz[4, :2]).all()
    assert xyz[4, 2] == np.inf
    assert np.array_equal(xyz[:4], XYZ)


def test_a_blank_behind_end_header_of_a_binary_file():
    xyz, rgb = parse_ply(ply().replace(b"end_header\n", b"end_header \n"), "a.ply")
    assert np.array_equal(xyz, XYZ)
    assert np.array_equal(rgb, RGB)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b" 255 ", b" 256 ", "property red holds 256, which does not fit its type"),
        (b" 255 ", b" 0.5 ", "property red holds 0.5"),
        (b"-1.25", b"-1.25 7", "line 12: rows have 6 numbers, this one has 7"),
        (b"-1.25", b"minus", "'minus' is no number"),
        (b"-1.25", b"9" * 100_000, "is no number"),
        (b"element vertex 4", b"element vertex " + b"9" * 5000, "announces no number of rows"),
        (b"element vertex 4", b"element vertex 4\nproperty float x", "two properties are named 'x'"),
        (b"comment made by hand", b"element camera 4", "without properties"),
        (b"comment made by hand", b"what is this", "its header has the line 'what is this'"),
        (b"format ascii 1.0\n", b"", "names no format"),
    ],
)
def test_what_is_wrong_is_named(old, new, says):
    with pytest.raises(InputError, match=says):
        parse_ply(GOOD.replace(old, new, 1), "a.ply")


def mesh(order: str, lengths: list[int], before: bool = False) -> bytes:
    """Vertices and faces of so many corners each; the faces may stand before the vertices."""
    mark = {"little": "<", "big": ">"}[order]
    vertices = [f"element vertex {len(XYZ)}", *(f"property float {name}" for name in "xyz")]
    faces = [f"element face {len(lengths)}", "property uchar flag", "property list uchar int vertex_indices"]
    faces.append("property float quality")
    rows = XYZ.astype(f"{mark}f4").tobytes()
    lists = b"".join(struct.pack(f"{mark}BB{length}if", 1, length, *range(length), 0.5) for length in lengths)
    head = ["ply", f"format binary_{order}_endian 1.0", *(faces + vertices if before else vertices + faces)]
    return "\n".join([*head, "end_header\n"]).encode() + (lists + rows if before else rows + lists)


MIXED = [3] * 70 + [4, 3, 5] * 900 + [3] * 3000


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("lengths", [[3] * 500, MIXED, [0, 3, 255]])
def test_only_the_vertices_of_a_mesh_are_read_and_that_is_told(order, before, lengths):
    with pytest.warns(InputWarning, match=f"a mesh of {len(lengths)} faces, only its 4 vertices"):
        xyz, rgb = parse_ply(mesh(order, lengths, before), "a.ply")
    assert np.array_equal(xyz, XYZ)
    assert rgb is None
    assert np.array_equal(parse_vertices(mesh(order, lengths, before), "a.ply")["z"], XYZ[:, 2])


@pytest.mark.parametrize("lengths", [[3] * 500, MIXED])
def test_faces_that_are_cut_short(lengths):
    whole = mesh("little", lengths)
    for cut in (1, 5, 30, 2000):
        with pytest.raises(InputError, match="cut short"):
            parse_ply(whole[:-cut], "a.ply")
    with pytest.raises(InputError, match="more data than the header announces"):
        parse_ply(whole + b"x", "a.ply")


LITTLE = b"ply\nformat binary_little_endian 1.0\n"
POSITIONS = b"property float x\nproperty float y\nproperty float z\n"


@pytest.mark.parametrize(
    "content",
    [
        LITTLE + b"element vertex 1000000000000\nend_header\n",
        LITTLE + b"element foo 1000000000000\nelement vertex 1\n" + POSITIONS + b"end_header\n" + bytes(12),
        LITTLE
        + b"element foo 1000000000000\nproperty list uchar int a\nelement vertex 1\n"
        + POSITIONS
        + END
        + bytes(99),
        LITTLE + b"element vertex 3\nproperty list uint double x\nend_header\n" + b"\xff" * 32,
        LITTLE + b"element vertex 3\nproperty list int double x\nend_header\n" + b"\xff" * 32,
        b"ply\nformat ascii 1.0\nelement vertex 999999999999\n" + POSITIONS + END + b"1 2 3\n",
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty list uint float x\n" + END + b"4000000000 1 2 3\n",
        b"ply\nformat ascii 1.0\nelement vertex 1\n" + b"property float x\n" * 200_000 + END + b"1 2 3\n",
        b"ply\nformat ascii 1.0\ncomment " + b"(" * 2_000_000 + b"\nelement vertex 1\n" + POSITIONS + END + b"1 2 3\n",
    ],
)
def test_headers_that_lie_cost_no_time(content):
    began = time.perf_counter()
    for parse in (parse_ply, parse_vertices):
        with pytest.raises(InputError, match=r"a\.ply"):
            parse(content, "a.ply")
    assert time.perf_counter() - began < 5


def test_a_face_that_lies():
    head = LITTLE + b"element vertex 1\n" + POSITIONS + b"element face 1\nproperty list uint double a\n" + END
    with pytest.raises(InputError, match="cut short"):
        parse_ply(head + bytes(12) + b"\xff" * 8, "a.ply")
