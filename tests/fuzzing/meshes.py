"""Meshes of every format, and scans of E57, written byte for byte or by their own libraries."""

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ppkt_zoo.data.meshes.load import load_mesh
from ppkt_zoo.data.meshes.surface import Sampled, sample_surface
from ppkt_zoo.data.own_cloud import OwnCloud, load_cloud
from tests.data.meshes import made_up_meshes as made
from tests.fuzzing.target import Target, as_file, scratch

_NODES = [{"children": [1], "translation": [1, 0, 0]}, {"mesh": 0}]
_COLORS = np.arange(12, dtype=np.uint8).reshape(4, 3) * 20


def _reader(ending: str) -> Callable[[bytes], object]:
    def read(path: Path) -> object:
        if ending == ".e57":
            cloud: OwnCloud | Sampled = load_cloud(path)
        else:
            # Not many points: what is fuzzed is the reading.
            cloud = sample_surface(load_mesh(path), density=25, most=10_000)
        assert np.isfinite(cloud.xyz).all()
        assert cloud.rgb is None or (cloud.rgb.dtype == np.uint8 and cloud.rgb.shape == cloud.xyz.shape)
        return cloud

    return as_file(f"mesh{ending}", read)


def _scenes(write: Callable[..., bytes]) -> list[bytes]:
    found = []
    for appearance in ({}, {"texture": made.halves()}, {"colors": _COLORS}):
        tree, body = made.gltf_parts(**appearance)  # type: ignore[arg-type]
        found.append(write(made.with_nodes(tree, _NODES, [0]), body))
    return found


def _gltf_bombs() -> list[bytes]:
    tree, body = made.gltf_parts()
    huge = {"componentType": 5126, "count": 10**12, "type": "MAT4"}
    doubling = [{"children": [number + 1, number + 1]} for number in range(60)] + [{"mesh": 0}]
    many = [{"children": list(range(1, 50_001))}, *[{"mesh": 0}] * 50_000]
    chain = [{"children": [number + 1]} for number in range(20_000)] + [{"mesh": 0}]
    scenes = [
        {**tree, "accessors": [*tree["accessors"], huge]},
        {**tree, "accessors": [{**tree["accessors"][0], "count": 10**9}, *tree["accessors"][1:]]},
    ]
    bombs = [made.gltf(made.with_nodes(one, _NODES, [0]), body) for one in scenes]
    bombs += [made.gltf(made.with_nodes(tree, nodes, [0]), body) for nodes in (doubling, many, chain)]
    repeated = {**tree, "meshes": [{"primitives": tree["meshes"][0]["primitives"] * 20_000}]}
    return [*bombs, made.gltf(made.with_nodes(repeated, _NODES, [0]), body), b'{"a":' * 100_000]


def _obj_seeds() -> list[bytes]:
    # The target's own folder: its material and texture lie there.
    scratch("mesh.obj")
    scratch("square.mtl").write_bytes(b"newmtl painted wood\nKd 0.5 0.5 0.5\nmap_Kd square.png\n")
    scratch("square.png").write_bytes(made.halves())
    polygons = (
        b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 2 1 1 0 0\nf 1 2 3 4 5\nf -1 -2 -3\ng a\no b\nf 1//1 2//1 3//1\n"
    )
    return [made.obj(), made.obj(material=False), polygons, b"v 0 0 0 1 0 0\nv 1 2 3 0 1 0\n"]


@functools.cache
def _e57_seeds() -> tuple[bytes, ...]:
    import pye57

    random = np.random.default_rng(0)
    file = scratch("seed.e57")
    written = pye57.E57(str(file), mode="w")
    for color in (True, False):
        scan = {f"cartesian{axis}": random.normal(size=20) for axis in "XYZ"}
        names = ("colorRed", "colorGreen", "colorBlue") if color else ()
        scan |= {name: random.integers(0, 256, 20, dtype=np.uint8) for name in names}
        written.write_scan_raw(scan, translation=np.array([1.0, 2.0, 3.0]))
    written.close()
    return (file.read_bytes(),)


def _with_checksums(data: bytes) -> bytes:
    """Each page with the checksum of what is in it now: else all that is changed would be found at that one gate."""
    pages = [data[at : at + 1020] for at in range(0, len(data), 1024)]
    return b"".join(page + _crc32c(page).to_bytes(4, "big") if len(page) == 1020 else page for page in pages)


@functools.cache
def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def _crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720, B.4)."""
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


TARGETS: dict[str, Target] = {
    "glb": Target(
        lambda: _scenes(made.glb),
        _reader(".glb"),
        (b"glTF", b"JSON", b"BIN\0", b'"count":', b'"byteOffset":-4,', b'"children":[0]', b"[]", b"{}", b"null", b"-1"),
    ),
    "gltf": Target(
        lambda: _scenes(made.gltf),
        _reader(".gltf"),
        (b'"count":1e9,', b'"mesh":-1,', b'"children":[0],', b'"uri":"../a"', b"[]", b"{}", b"null", b"true", b'"x"'),
        _gltf_bombs,
    ),
    "obj": Target(
        _obj_seeds,
        _reader(".obj"),
        (
            b"v ",
            b"vt ",
            b"f ",
            b"f 9999999999 1 2\n",
            b"f 0 0 0\n",
            b"/",
            b"//",
            b"nan",
            b"usemtl x\n",
            b"\\\n",
            b"l 1 2\n",
        ),
        lambda: [
            b"mtllib a\n" * 100_000,
            b"f 1 2 3\n" * 100_000,
            b"v" + b" 1" * 1_000_000,
            b"usemtl a\nf 1 1 1\n" * 20_000,
        ],
    ),
    "stl": Target(
        lambda: [made.stl(), made.stl(binary=False)],
        _reader(".stl"),
        (b"solid", b"endsolid", b"vertex ", b"facet normal", b"nan", b"\xff" * 4, b"1e400"),
        lambda: [
            bytes(80) + b"\xff\xff\xff\xff" + bytes(50),
            b"solid endsolid " * 100_000,
            b"solid\n" + b"vertex " * 200_000,
        ],
    ),
    "off": Target(
        lambda: [made.off(), made.off().replace(b"OFF", b"COFF")],
        _reader(".off"),
        (b"OFF", b"4OFF", b"#", b"999999999 1 0\n", b"nan", b"-1", b"1e400", b"4 0 1 2 3 255 0 0\n"),
        lambda: [
            b"OFF\n999999999999 999999999999 0\n0 0 0\n",
            b"OFF\n1 1 0\n0 0 0\n" + b"9" * 1_000_000,
            b"OFF\n" * 200_000,
        ],
    ),
    "ply mesh": Target(
        lambda: [made.ply(), made.ply(colors=False)],
        _reader(".ply"),
        (
            b"element face ",
            b"property list uchar int x\n",
            b"-1",
            b"end_header\n",
            b"nan",
            b"property list char int a\n",
        ),
    ),
    "e57": Target(
        _e57_seeds,
        lambda data: _reader(".e57")(_with_checksums(data)),
        (b"ASTM-E57", b"\xff" * 8, b"recordCount=", b'"999999999999"', b"<pose", b"Infinity", b"<", b"&a;"),
        cost=10,
    ),
}
"""Readers by name."""
