"""What stands in folders of RGB-D frames: images, cameras, poses, streams, annotations, shards."""

import io
import json
import struct
import zlib

import numpy as np
from PIL import Image

from ppkt_zoo.data.readers.cameras import read_intrinsics, read_matrix
from ppkt_zoo.data.readers.images import read_color, read_depth
from ppkt_zoo.data.readers.scannet.annotation import read_objects, read_segments
from ppkt_zoo.data.readers.scannet.sens import SensFrames
from ppkt_zoo.data.readers.sun_boxes import boxes_from_json
from ppkt_zoo.data.readers.trajectory import read_pose_log
from ppkt_zoo.data.shards.index import parse_index
from ppkt_zoo.data.shards.samples import decode_sample
from tests.data import scannet_files
from tests.fuzzing.documents import JSON_WORDS, json_bombs
from tests.fuzzing.target import Target, as_file

_COLOR = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
_DEPTH = np.random.default_rng(1).integers(500, 4000, (12, 16)).astype(np.uint16)
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n%%EOF\n"
_POSE = "\n".join(" ".join(f"{value:.6f}" for value in row) for row in np.eye(4))


def _image(array: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind)
    return stream.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png_head(width: int, height: int, depth: int, color: int) -> bytes:
    return _PNG_MAGIC + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))


def _image_bombs() -> list[bytes]:
    zeros = zlib.compress(bytes(200 << 20), 9)
    rows = _chunk(b"IDAT", zeros) + _chunk(b"IEND", b"")
    return [
        _png_head(100_000, 100_000, 8, 2) + rows,
        _png_head(2**31 - 1, 2**31 - 1, 16, 0) + rows,
        _png_head(16, 12, 8, 2) + _chunk(b"zTXt", b"k\0\0" + zeros) * 20 + rows,
        _png_head(16, 12, 8, 2) + _chunk(b"iCCP", b"k\0\0" + zeros) * 20 + rows,
        b"II*\0\x08\0\0\0" + b"\xff" * 200,
        _EPS,
    ]


def _sens_seeds() -> list[bytes]:
    poses = [np.eye(4), np.eye(4)]
    return [scannet_files.sens(poses), scannet_files.sens(poses, color_kind=0, depth_kind=0)]


def _index() -> bytes:
    sample = {"key": "000000", "name": "a/0", "parts": {"json": [0, 10, 1], "depth.png": [10, 5, 2]}}
    shard = {"file": "shard-000000.tar", "size": 100, "sha256": "0" * 64, "samples": [sample]}
    return json.dumps({"format": 1, "name": "a", "skipped": [], "shards": [shard]}).encode()


def _facts() -> bytes:
    camera = [[50.0, 0, 8], [0, 50.0, 6], [0, 0, 1]]
    facts = {"name": "a/0", "intrinsics": camera, "pose": np.eye(4).tolist(), "depth_scale": 1000.0}
    return json.dumps(facts).encode()


def _read_facts(data: bytes) -> object:
    parts = {"color.png": _image(_COLOR, "PNG"), "depth.png": _image(_DEPTH, "PNG"), "json": data}
    return decode_sample(parts, "shard-000000.tar: 000000")


_NUMBER_WORDS = (b"nan", b"-1.#IND", b"inf", b"1e999", b"0", b",", b"[", b"# x\n", b"\xff", b"\xef\xbb\xbf", b"\r\n")
_JPEG_WORDS = (b"\xff\xd8", b"\xff\xc0", b"\xff\xe1\xff\xffExif\0\0", b"IHDR", b"IDAT", b"acTL", b"zTXt", b"II*\0")
TARGETS: dict[str, Target] = {
    "colour image": Target(
        lambda: [_image(_COLOR, "PNG"), _image(_COLOR, "JPEG")],
        as_file("a.png", read_color),
        (*_JPEG_WORDS, b"%!PS-Adobe-3.0"),
        _image_bombs,
    ),
    "depth image": Target(
        lambda: [_image(_DEPTH, "PNG")], as_file("d.png", read_depth), _JPEG_WORDS, _image_bombs
    ),
    "pose": Target(
        lambda: [_POSE.encode()], as_file("f.pose.txt", lambda path: read_matrix(path, 4, "pose")), _NUMBER_WORDS
    ),
    "intrinsics": Target(
        lambda: [b"50 0 8\n0 50 6\n0 0 1\n", b"50 50 8 6\n"], as_file("camera-intrinsics.txt", read_intrinsics),
        _NUMBER_WORDS, lambda: [b"9" * 1_000_000, b"1 " * 2_000_000],
    ),
    "camera.json": Target(
        lambda: [json.dumps({"width": 16, "height": 12, "intrinsic_matrix": [50, 0, 0, 0, 50, 0, 8, 6, 1]}).encode()],
        as_file("camera.json", read_intrinsics), JSON_WORDS, json_bombs,
    ),
    "trajectory": Target(
        lambda: [f"0 0 1\n{_POSE}\n1 1 2\n{_POSE}\n".encode()], as_file("trajectory.log", read_pose_log),
        _NUMBER_WORDS, lambda: [b"9" * 1_000_000, b"1 " * 2_000_000],
    ),
    "sens": Target(
        _sens_seeds, as_file("scene0000_00.sens", lambda path: SensFrames(path)[0]),
        (b"\xff" * 8, b"\0" * 8, b"\x78\xda"),
    ),
    "segments": Target(
        lambda: [b'{"segIndices": [1, 1, 2], "sceneId": "a"}'],
        as_file("a.segs.json", lambda path: read_segments(path, 3)), JSON_WORDS, json_bombs,
    ),
    "objects": Target(
        lambda: [b'{"segGroups": [{"id": 0, "objectId": 0, "label": "chair", "segments": [1, 2]}]}'],
        as_file("a.aggregation.json", read_objects), JSON_WORDS, json_bombs,
    ),
    "sun boxes": Target(
        lambda: [
            b'{"objects": [{"name": "bed", "polygon": [{"X": [0, 1, 1, 0], "Z": [0, 0, 1, 1], "Ymin": 0, "Ymax": 1}]}]}'
        ],
        as_file("index.json", boxes_from_json), JSON_WORDS, json_bombs,
    ),
    "shard index": Target(lambda: [_index()], lambda data: parse_index(data, "shards.json"), JSON_WORDS, json_bombs),
    "shard sample": Target(lambda: [_facts()], _read_facts, JSON_WORDS, json_bombs),
}  # fmt: skip
"""Readers by name."""
