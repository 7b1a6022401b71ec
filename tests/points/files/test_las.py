"""LAS and LAZ: colours that nobody filled in, headers that lie, and damage that ends a decompressor."""

import io
import struct
import sys
import warnings

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files import laz
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.las import parse_las
from tests.points.files.made_up_files import RGB, XYZ

laspy = pytest.importorskip("laspy")
pytest.importorskip("lazrs")


def las(
    kind: int = 7, version: str = "1.4", color: np.ndarray | None = RGB, packed: bool = False, extra: tuple = ()
) -> bytes:
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales, header.offsets = [0.001] * 3, [500.0, 0.0, -3.0]
    header.add_extra_dims([laspy.ExtraBytesParams(name=name, type=values.dtype) for name, values in extra])
    file = laspy.LasData(header)
    file.x, file.y, file.z = XYZ.astype(np.float64).T
    if color is not None:
        file.red, file.green, file.blue = color.astype(np.uint16).T * 257
    for name, values in extra:
        file[name] = values
    stream = io.BytesIO()
    file.write(stream, do_compress=packed)
    return stream.getvalue()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "version"), [(2, "1.2"), (3, "1.2"), (3, "1.3"), (5, "1.3"), (7, "1.4"), (8, "1.4"), (10, "1.4")]
)
def test_points_of_every_format(tmp_path, kind, version, packed):
    if packed and kind in (5, 10):
        pytest.skip("the decompressor has no wave packets")
    name = tmp_path / ("a.laz" if packed else "a.las")
    name.write_bytes(las(kind, version, packed=packed))
    cloud = read_cloud(name)
    np.testing.assert_allclose(cloud.xyz, XYZ, atol=6e-4)
    assert np.array_equal(cloud.rgb, RGB)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("kind", "version"), [(2, "1.2"), (3, "1.2"), (7, "1.4"), (8, "1.4"), (0, "1.2"), (6, "1.4")])
def test_colours_that_nobody_filled_in_are_none(kind, version, packed):
    xyz, rgb = parse_las(las(kind, version, None, packed), "a.las")
    np.testing.assert_allclose(xyz, XYZ, atol=6e-4)
    assert rgb is None


def test_colours_in_extra_fields():
    extra = tuple((name, RGB[:, index].copy()) for index, name in enumerate(("Red", "Green", "Blue")))
    weight = ("weight", np.arange(4, dtype=np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, rgb = parse_las(las(6, "1.4", None, extra=(weight, *extra)), "a.las")
    assert np.array_equal(rgb, RGB)


@pytest.mark.parametrize(
    ("place", "layout", "value", "says"),
    [
        (247, "<Q", 10**10, "room for 4 points where the header announces 10000000000"),
        (247, "<Q", 2**63, "room for 4 points"),
        (100, "<I", 2**32 - 1, "4294967295 records announced before"),
        (243, "<I", 2**32 - 1, "4294967295 records announced behind"),
        (96, "<I", 2**31, "points from byte 2147483648"),
        (96, "<I", 100, "points from byte 100"),
        (94, "<H", 60, "a header of 60 bytes"),
        (105, "<H", 1, "points of 1 bytes where their format 7 has 36"),
        (104, "<B", 60, "no LAS point format 60"),
        (104, "<B", 0x87, "compressed, but the record that tells how is missing"),
        (131, "<d", 0.0, "give no coordinates"),
        (139, "<d", float("nan"), "give no coordinates"),
        (147, "<d", 1e300 * 1e8, "give no coordinates"),
        (155, "<d", float("inf"), "give no coordinates"),
        (25, "<B", 9, "no LAS version 1.9"),
    ],
)
def test_headers_that_lie(place, layout, value, says):
    content = bytearray(las())
    struct.pack_into(layout, content, place, value)
    with pytest.raises(InputError, match=says):
        parse_las(bytes(content), "a.las")


def test_packed_points_beyond_the_limit_are_refused_before_anything_is_unpacked(monkeypatch):
    content = bytearray(las(packed=True))
    struct.pack_into("<Q", content, 247, 2**63)
    monkeypatch.setattr(laz.subprocess, "Popen", None)
    with pytest.raises(InputError, match="PPKT_ZOO_MAX_BYTES"):
        parse_las(bytes(content), "a.laz")


def test_a_file_that_holds_fewer_points_than_it_announces():
    content = bytearray(las(packed=True))
    struct.pack_into("<Q", content, 247, 5_000)
    with pytest.raises(InputError, match=r"a\.laz: this LAZ file is cut short or damaged: \d+ of 5000 points"):
        parse_las(bytes(content), "a.laz")


@pytest.mark.parametrize("kind", [2, 7])
def test_damage_in_packed_points_is_an_error_or_other_points_and_ends_no_process(kind):
    content = las(kind, "1.2" if kind == 2 else "1.4", packed=True)
    start = struct.unpack_from("<I", content, 96)[0]
    refused = 0
    for place in range(start, len(content), 9):
        damaged = bytearray(content)
        damaged[place : place + 4] = b"\xff" * 4
        try:
            assert len(parse_las(bytes(damaged), "a.laz")[0]) == 4
        except InputError as error:
            refused += "a.laz" in str(error)
    assert refused


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import os; os.abort()", "ended with -6"),
        ("import sys; sys.stdin.buffer.read(); sys.stdout.write('ab')", "0 of 4 points"),
        ("import sys; sys.stdin.buffer.read(); sys.exit('it broke')", "it broke"),
        ("import time; time.sleep(600)", "0 of 4 points"),
    ],
)
def test_a_decompressor_that_dies_or_never_ends_is_named(monkeypatch, script, says):
    start = laz.subprocess.Popen
    monkeypatch.setattr(laz, "_SECONDS", 1)
    monkeypatch.setattr(laz.subprocess, "Popen", lambda _, **more: start([sys.executable, "-c", script], **more))
    with pytest.raises(InputError, match=says):
        parse_las(las(packed=True), "a.laz")


def test_many_points_come_back_in_their_order():
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales = [1.0] * 3
    file = laspy.LasData(header)
    count = 300_000
    file.x = file.y = file.z = np.arange(count, dtype=np.float64)
    file.red = file.green = file.blue = np.arange(count) % 60_000 + 1
    stream = io.BytesIO()
    file.write(stream, do_compress=True)
    xyz, rgb = parse_las(stream.getvalue(), "a.laz")
    assert np.array_equal(xyz[:, 2], np.arange(count))
    assert np.array_equal(rgb[:, 1], np.arange(count) % 60_000 + 1)
