"""Files that announce more than they hold, unpack to more than any memory, or are no files at all."""

import io
import os
import struct
import zipfile

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.numpy_files import parse_npy, parse_npz
from ppkt_zoo.points.files.pcd import lzf_decompress, parse_pcd
from tests.points.files.made_up_files import RGB, XYZ, pcd


def npy(header: str, data: bytes = bytes(12), version: bytes = b"\1\0") -> bytes:
    text = header.encode()
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", len(text)) + text + data


def shaped(shape: str, data: bytes = bytes(12), descr: str = "'<f4'") -> bytes:
    return npy(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n", data)


@pytest.mark.parametrize(
    "content",
    [
        shaped("(-1, -3)"),
        shaped("(True, 3)"),
        shaped("(0, 9223372036854775807)", b""),
        shaped("(0, 9223372036854775808)", b""),
        shaped("(1000000000000, 3)"),
        shaped("(" + "1, " * 70 + "3)"),
        shaped("(" + "-" * 9000 + "1, 3)"),
        shaped("(" + "(" * 4000 + "1, 3)"),
        shaped("(" + "9" * 5000 + ", 3)"),
        shaped("(1, 3)", descr="'|O'"),
        shaped("(1, 3)", descr="'<U999999999'"),
        shaped("(1,)", descr="('<f4', (3,))"),
        shaped("(1, 3)", descr="[('x', '<f4'), ('x', '<f4'), ('z', '<f4')]"),
        shaped("(1, 3)", descr="'V0'"),
        npy("{'descr': '<f4'}" + " " * 60_000),
        npy("x" * 200_000, version=b"\2\0"),
        b"\x93NUMPY\2\0\xff\xff\xff\xff{",
        b"\x93NUMPY\t\t",
    ],
)
def test_headers_of_numpy_that_lie(content):
    with pytest.raises(InputError, match=r"^a\.npy"):
        parse_npy(content, "a.npy")


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8", "<i4", np.longdouble])
def test_numbers_of_every_kind_in_numpy(tmp_path, dtype):
    stream = io.BytesIO()
    np.save(stream, np.rint(XYZ).astype(dtype))
    (tmp_path / "a.npy").write_bytes(stream.getvalue())
    cloud = read_cloud(tmp_path / "a.npy")
    assert np.array_equal(cloud.xyz, np.rint(XYZ))
    assert cloud.xyz.dtype == (np.float32 if dtype == ">f4" else np.float64)
    assert cloud.xyz.dtype.isnative


def archive(members: dict[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", kind) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    bomb = archive({"xyz.npy": shaped("(400000, 3)", bytes(4_800_000))})
    assert len(bomb) < 20_000
    monkeypatch.setenv("PPKT_ZOO_MAX_BYTES", "1MB")
    with pytest.raises(InputError, match="PPKT_ZOO_MAX_BYTES"):
        parse_npz(bomb, "a.npz")
    monkeypatch.setenv("PPKT_ZOO_MAX_BYTES", "10MB")
    assert parse_npz(bomb, "a.npz")[0].shape == (400_000, 3)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"xyz.npy": shaped("(9000000, 3)", bytes(24))}, "announces the shape"),
        ({"xyz.npy": bytes(100_000)}, "cut short or damaged"),
        ({"xyz.npy": archive({"xyz.npy": shaped("(1, 3)")})}, "cut short or damaged"),
        ({f"{number}": b"" for number in range(25_000)}, "a directory of"),
    ],
)
def test_archives_that_lie(members, says):
    with pytest.raises(InputError, match=says):
        parse_npz(archive(members), "a.npz")


def test_an_array_that_stands_there_twice():
    one = archive({"xyz.npy": shaped("(1, 3)"), "xyz": shaped("(1, 3)")})
    with pytest.raises(InputError, match="xyz twice"):
        parse_npz(one, "a.npz")


def test_a_member_that_says_less_than_it_unpacks_to():
    content = bytearray(archive({"xyz.npy": shaped("(1000, 3)", bytes(12_000))}))
    size = len(shaped("(1000, 3)", bytes(12_000)))
    false = struct.pack("<I", len(shaped("(1000, 3)")))
    assert content.count(struct.pack("<I", size)) == 2
    content = content.replace(struct.pack("<I", size), false)
    with pytest.raises(InputError, match=r"^a\.npz"):
        parse_npz(bytes(content), "a.npz")


@pytest.mark.parametrize(
    "header",
    [
        {"COUNT": "1 1 999999999999 1"},
        {"COUNT": "999999999 999999999 1 1"},
        {"WIDTH": "9" * 5000},
        {"WIDTH": "9" * 18, "HEIGHT": "9" * 18, "POINTS": str((10**18 - 1) ** 2)},
        {"FIELDS": "x y z " + "_ " * 200_000},
    ],
)
@pytest.mark.parametrize("data", ["ascii", "binary", "binary_compressed"])
def test_headers_of_pcd_that_lie(header, data):
    with pytest.raises(InputError, match=r"^a\.pcd"):
        parse_pcd(pcd(data, **header), "a.pcd")


def test_a_header_without_end():
    with pytest.raises(InputError, match="ends before its DATA line"):
        parse_pcd(b"\n" * 5_000_000, "a.pcd")


def test_what_unpacks_to_more_than_it_announces_is_stopped_on_the_way():
    bomb = b"\0a" + b"\xe0\xff\0" * 300_000
    with pytest.raises(InputError, match="where the header announces 1000000"):
        lzf_decompress(bomb, 1_000_000, "a.pcd")
    with pytest.raises(InputError, match="bytes of compressed data"):
        lzf_decompress(b"\0a" * 1000, 10, "a.pcd")


def test_padding_as_pcl_and_others_write_it(tmp_path):
    rows = np.zeros(4, dtype=[("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("pad", "V4"), ("rgb", "<u4"), ("end", "V12")])
    for index, name in enumerate("xyz"):
        rows[name] = XYZ[:, index]
    rows["rgb"] = RGB.astype("u4") @ np.array([1 << 16, 1 << 8, 1], "u4")
    fields = {"FIELDS": "x y z _ rgb _", "SIZE": "4 4 4 1 4 1", "TYPE": "F F F U U U", "COUNT": "1 1 1 4 1 12"}
    head = pcd(**fields)
    head = head[: head.index(b"DATA binary\n") + 12]
    for tail in (b"", b"\0" * 4000, b"\r\n"):
        (tmp_path / "a.pcd").write_bytes(head + rows.tobytes() + tail)
        cloud = read_cloud(tmp_path / "a.pcd")
        assert np.array_equal(cloud.xyz, XYZ)
        assert np.array_equal(cloud.rgb, RGB)
    # PCL leaves padding out of ascii; others write it.
    plain = pcd("ascii", rgb="U", **fields)
    assert np.array_equal(parse_pcd(plain, "a.pcd")[1], RGB)
    one = {"FIELDS": "_ x y z rgb", "SIZE": "4 4 4 4 4", "TYPE": "F F F F U", "COUNT": "1 1 1 1 1"}
    content = pcd("ascii", rgb="U", **one).partition(b"DATA ascii\n")
    padded = content[0] + content[1] + b"".join(b"0 " + line + b"\n" for line in content[2].splitlines())
    assert np.array_equal(parse_pcd(padded, "a.pcd")[0], XYZ)


@pytest.mark.parametrize(
    "change",
    [
        (b"FIELDS", b"COLUMNS"),
        (b"VERSION 0.7", b"version .5"),
        (b"FIELDS x y z rgb", b"fields X Y Z RGB"),
        (b"# .PCD", b"\xef\xbb\xbf# .PCD"),
        (b"VIEWPOINT", b"SOMETHING else\nVIEWPOINT"),
    ],
)
@pytest.mark.parametrize("data", ["ascii", "binary"])
def test_headers_of_pcd_as_others_write_them(change, data):
    xyz, rgb = parse_pcd(pcd(data).replace(*change, 1), "a.pcd")
    assert np.array_equal(xyz, XYZ)
    assert np.array_equal(rgb, RGB)


def test_three_numbers_in_one_field_of_colour():
    table = np.empty(4, dtype=[("xyz", "<f4", 3), ("rgb", "u1", 3)])
    table["xyz"], table["rgb"] = XYZ, RGB
    head = pcd(SIZE="4 4 4 1", TYPE="F F F U", COUNT="1 1 1 3")
    content = head[: head.index(b"DATA binary\n") + 12] + table.tobytes()
    assert np.array_equal(parse_pcd(content, "a.pcd")[1], RGB)


@pytest.mark.parametrize("ending", [".ply", ".pcd", ".npz", ".npy", ".txt", ".las", ".laz", ".asc"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_devices_and_endless_files(tmp_path, ending):
    os.mkfifo(tmp_path / f"pipe{ending}")
    with pytest.raises(InputError, match="a named pipe"):
        read_cloud(tmp_path / f"pipe{ending}")
    (tmp_path / f"zero{ending}").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="a device"):
        read_cloud(tmp_path / f"zero{ending}")
    with open(tmp_path / f"sparse{ending}", "wb") as file:
        file.truncate(100 << 30)
    with pytest.raises(InputError, match="PPKT_ZOO_MAX_BYTES"):
        read_cloud(tmp_path / f"sparse{ending}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("a.ply.gz", "unpack it first"),
        ("a.laz.ZIP", "unpack it first"),
        ("a.doc", r"no reader for \.doc: use \.ply, \.pcd"),
        ("a.obj", "this is a mesh, no cloud: ppkt_zoo.load_cloud"),
        ("a\0.ply", "no usable path"),
        ("a" * 5000 + ".ply", "no usable path"),
    ],
)
def test_names_that_no_reader_takes(tmp_path, name, says):
    with pytest.raises(InputError, match=says):
        read_cloud(f"{tmp_path}/{name}")
