"""Clouds in every format that is read, written byte for byte by the published formats."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.ply import parse_vertices, ply_bytes
from tests.fuzzing.documents import zip_bomb
from tests.fuzzing.target import Target, as_file

_RNG = np.random.default_rng(0)
_XYZ = _RNG.normal(size=(5, 3)).astype(np.float32)
_RGB = _RNG.integers(0, 256, (5, 3), dtype=np.uint8)
_HEAD = b"ply\nformat binary_little_endian 1.0\n"
_XYZ_ROWS = b"property float x\nproperty float y\nproperty float z\n"


def _reader(ending: str) -> Callable[[bytes], object]:
    def read(path: Path) -> object:
        cloud = read_cloud(path)
        assert np.isfinite(cloud.xyz).all()
        assert cloud.rgb is None or (cloud.rgb.dtype == np.uint8 and cloud.rgb.shape == cloud.xyz.shape)
        return cloud

    return as_file(f"cloud{ending}", read)


def _ply_seeds() -> list[bytes]:
    positions = {name: _XYZ[:, i] for i, name in enumerate("xyz")}
    colors = {name: _RGB[:, i] for i, name in enumerate(("red", "green", "blue"))}
    text = b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty double z\n"
    faces = b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 2 3\n3 0 1 1\n"
    return [ply_bytes(positions | colors), ply_bytes(positions), text + faces]


def _ply_bombs() -> list[bytes]:
    count = b"element vertex 1000000000000\n"
    return [
        _HEAD + count + b"end_header\n",
        _HEAD + b"element foo 1000000000000\nelement vertex 1\n" + _XYZ_ROWS + b"end_header\n" + bytes(12),
        _HEAD + count + _XYZ_ROWS + b"end_header\n" + bytes(12),
        _HEAD + b"element vertex 3\nproperty list uint float x\nend_header\n" + b"\xff" * 12,
        _HEAD.replace(b"binary_little_endian", b"ascii") + count + _XYZ_ROWS + b"end_header\n1 2 3\n",
        b"ply\nformat ascii 1.0\nelement vertex " + b"9" * 5000 + b"\n" + _XYZ_ROWS + b"end_header\n1 2 3\n",
    ]


def _pcd_head(**lines: str) -> bytes:
    known = {"VERSION": ".7", "FIELDS": "x y z rgb", "SIZE": "4 4 4 4", "TYPE": "F F F U", "COUNT": "1 1 1 1"}
    known |= {"WIDTH": "3", "HEIGHT": "1", "VIEWPOINT": "0 0 0 1 0 0 0", "POINTS": "3"} | lines
    return "".join(f"{word} {text}\n" for word, text in known.items()).encode()


def _pcd_seeds() -> list[bytes]:
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    rows, columns = values.tobytes(), values.T.tobytes()
    # LZF that copies: a byte less than 32 tells how many bytes, less one, follow as they are.
    lzf = b"".join(bytes([len(part) - 1]) + part for part in (columns[:32], columns[32:]))
    packed = len(lzf).to_bytes(4, "little") + len(columns).to_bytes(4, "little") + lzf
    text = b"0 1 2 255\n3 4 nan 0\n1 1 1 65280\n"
    head = _pcd_head()
    return [head + b"DATA ascii\n" + text, head + b"DATA binary\n" + rows, head + b"DATA binary_compressed\n" + packed]


def _pcd_bombs() -> list[bytes]:
    many = {"WIDTH": "268435455", "POINTS": "268435455"}
    # One literal, then copies of 264 bytes for every three bytes of the file.
    lzf = b"\x00\x00" + b"\xe0\xff\x00" * 400_000
    lied = struct.pack("<II", len(lzf), 2**32 - 16) + lzf
    return [
        _pcd_head(**many) + b"DATA binary_compressed\n" + lied,
        _pcd_head(COUNT="1 1 1 999999999999") + b"DATA ascii\n0 0 0 0\n" * 3,
        _pcd_head(WIDTH="9" * 40, HEIGHT="9" * 40, POINTS="9" * 80) + b"DATA binary\n",
        _pcd_head(**many) + b"DATA ascii\n1 2 3 4\n",
    ]


def _npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def _npz_bombs() -> list[bytes]:
    return [zip_bomb("xyz.npy", _npy_head("(524288000, 3)")), zip_bomb("points.npy")]


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _npy_head(shape: str) -> bytes:
    text = f"{{'descr':'<f4','fortran_order':False,'shape':{shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _npy_bombs() -> list[bytes]:
    shapes = ("(-1,-3)", "(True,3)", "(0,9223372036854775807)", "(1000000000000,3)", "(" + "-" * 9000 + "1,3)")
    return [_npy_head(shape) + bytes(12) for shape in shapes]


def _text_seeds() -> list[bytes]:
    rows = [" ".join([*(f"{value:.4f}" for value in xyz), *map(str, rgb)]) for xyz, rgb in zip(_XYZ, _RGB, strict=True)]
    named = "x;y;z;r;g;b\n" + "\n".join(row.replace(" ", ";") for row in rows)
    return ["\n".join(rows).encode(), named.encode(), "//X Y Z\n1 2 3\n4 5 6\n".encode("utf-16"), b"2\n1 2 3\n4 5 6\n"]


def _las_seeds(compressed: bool) -> list[bytes]:
    import laspy

    found = []
    for kind, version in ((2, "1.2"), (7, "1.4")):
        header = laspy.LasHeader(point_format=kind, version=version)
        header.scales = [0.001] * 3
        file = laspy.LasData(header)
        file.x, file.y, file.z = _XYZ.astype(np.float64).T
        file.red, file.green, file.blue = _RGB.astype(np.uint16).T * 257
        stream = io.BytesIO()
        file.write(stream, do_compress=compressed)
        found.append(stream.getvalue())
    return found


def _las_bombs() -> list[bytes]:
    good = _las_seeds(compressed=False)[1]
    places = ((247, "<Q", 10**10), (100, "<I", 2**32 - 1), (243, "<I", 2**32 - 1), (96, "<I", 2**31), (105, "<H", 1))
    found = []
    for at, layout, value in places:
        data = bytearray(good)
        struct.pack_into(layout, data, at, value)
        found.append(bytes(data))
    return found


TARGETS: dict[str, Target] = {
    "ply": Target(
        _ply_seeds,
        _reader(".ply"),
        (b"element vertex ", b"999999999999", b"property list uchar int x\n", b"-1", b"end_header\n", b"nan", b"int8"),
        _ply_bombs,
    ),
    "ply vertices": Target(
        _ply_seeds,
        lambda data: parse_vertices(data, "a.ply"),
        (b"element vertex ", b"property list uchar int x\n", b"-1", b"end_header\n", b"comment ", b"format ascii 1.0"),
        _ply_bombs,
    ),
    "pcd": Target(
        _pcd_seeds,
        _reader(".pcd"),
        (b"POINTS 999999999999\n", b"SIZE 8 8 8 8\n", b"COUNT 0 -1 1 1\n", b"FIELDS x x y z\n", b"DATA ", b"TYPE I"),
        _pcd_bombs,
    ),
    "npz": Target(
        lambda: [_npz(xyz=_XYZ, rgb=_RGB), _npz(points=_XYZ.astype(np.float64))],
        _reader(".npz"),
        (b"PK\x01\x02", b"PK\x05\x06", b"xyz.npy", b"rgb.npy", b"'descr': '|O'", b"(5, 3)", b"\x93NUMPY"),
        _npz_bombs,
    ),
    "npy": Target(
        lambda: [_npy(_XYZ), _npy(np.hstack([_XYZ, _RGB]).astype(">f8")), _npy(np.asfortranarray(_XYZ))],
        _reader(".npy"),
        (b"'descr': '|O'", b"True", b"(5, 3)", b"'<U9999999'", b"-1", b"[('x', '<f4')]", b"\x93NUMPY\x02\x00"),
        _npy_bombs,
    ),
    "text table": Target(
        _text_seeds,
        _reader(".csv"),
        (b"x,y,z\n", b";", b",", b'"', b"#", b"//", b"nan", b"-1.#IND", b"\xff\xfe", b"\xef\xbb\xbf", b"1,5", b"\r"),
        lambda: [b"9" * 1_000_000 + b"\n1 2 3\n", b"," * 1_000_000, b"x,y,z\n" + b"," * 2_000_000],
    ),
    "las": Target(lambda: _las_seeds(compressed=False), _reader(".las"), (b"LASF", b"\xff" * 4), _las_bombs),
    "laz": Target(lambda: _las_seeds(compressed=True), _reader(".laz"), (b"LASF", b"laszip encoded", b"\xff" * 4)),
}
"""Readers by name."""
