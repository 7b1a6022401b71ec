"""ScanNet recordings and annotations written byte for byte as published, not by the code under test."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

# Depth images are 64×48, colour images 130×98, much as the data set's 640×480 and 1296×968.
DEPTH_SIZE, COLOR_SIZE = (48, 64), (98, 130)
DEPTH_CAMERA = np.array([[57.0, 0, 31.5, 0], [0, 57.5, 23.5, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
COLOR_CAMERA = np.array([[116.5, 0, 64.25, 0], [0, 116.75, 48.75, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
LOST = np.full((4, 4), -np.inf)
CLASSES_20 = {
    1: "wall", 2: "floor", 3: "cabinet", 4: "bed", 5: "chair", 6: "sofa", 7: "table", 8: "door", 9: "window",
    10: "bookshelf", 11: "picture", 12: "counter", 14: "desk", 16: "curtain", 24: "refrigerator",
    28: "shower curtain", 33: "toilet", 34: "sink", 36: "bathtub", 39: "otherfurniture",
}  # fmt: skip


def images(number: int, color_size=COLOR_SIZE, depth_size=DEPTH_SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Colour uint8 (H, W, 3) and stored depth uint16 (H, W) of a frame: every pixel another value."""
    v, u = np.mgrid[: color_size[0], : color_size[1]]
    color = np.stack([(u * 2 + number) % 256, (v * 2) % 256, (u + v) % 256], axis=-1).astype(np.uint8)
    v, u = np.mgrid[: depth_size[0], : depth_size[1]]
    depth = (1500 + 3 * u + 200 * v // 10 + 11 * number).astype(np.uint16)
    depth[5, 7:11] = 0
    depth[6, 7] = 65535
    return color, depth


def jpeg(color: np.ndarray, kind: str = "JPEG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(color).save(stream, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return stream.getvalue()


def sens(
    poses,
    *,
    color_kind: int = 2,
    depth_kind: int = 1,
    version: int = 4,
    sensor: bytes = b"StructureSensor",
    color_size=COLOR_SIZE,
    depth_size=DEPTH_SIZE,
    announced_color=None,
    announced_depth=None,
    color_camera=COLOR_CAMERA,
    depth_camera=DEPTH_CAMERA,
    color_to_base=None,
    depth_to_base=None,
    scale: float = 1000.0,
    frames: int | None = None,
    readings: int | None = 2,
    pack_color=None,
    pack_depth=None,
) -> bytes:
    """A stream; the ``announced`` sizes, ``frames`` and the packers lie or damage."""
    head = struct.pack("<IQ", version, len(sensor)) + sensor
    for matrix in (color_camera, color_to_base, depth_camera, depth_to_base):
        head += np.asarray(np.eye(4) if matrix is None else matrix, dtype="<f4").tobytes()
    head += struct.pack("<ii", color_kind, depth_kind)
    for height, width in (announced_color or color_size, announced_depth or depth_size):
        head += struct.pack("<II", width, height)
    head += struct.pack("<fQ", scale, len(poses) if frames is None else frames)
    body = b""
    for number, pose in enumerate(poses):
        color, depth = images(number, color_size, depth_size)
        color_bytes = {0: color.tobytes, 1: lambda c=color: jpeg(c, "PNG"), 2: lambda c=color: jpeg(c)}[color_kind]()
        raw = depth.astype("<u2").tobytes()
        depth_bytes = zlib.compress(raw) if depth_kind == 1 else raw
        color_bytes = pack_color(color_bytes) if pack_color else color_bytes
        depth_bytes = pack_depth(depth_bytes) if pack_depth else depth_bytes
        body += np.asarray(pose, dtype="<f4").tobytes()
        body += struct.pack("<QQQQ", 1000 + number, 2000 + number, len(color_bytes), len(depth_bytes))
        body += color_bytes + depth_bytes
    if readings is not None:
        body += struct.pack("<Q", readings) + struct.pack("<15dQ", *range(15), 9) * readings
    return head + body


def exported(folder: Path, poses, published_frames: bool = False, extrinsics: bool = True) -> Path:
    """The images of SensReader (``0.jpg``), or in the layout of scannet_frames_25k (``000000.jpg``)."""
    for part in ("color", "depth", "pose"):
        (folder / part).mkdir(parents=True)
    for number, pose in enumerate(poses):
        stem = f"{number * 100:06d}" if published_frames else str(number)
        color, depth = images(number)
        (folder / "color" / f"{stem}.jpg").write_bytes(jpeg(color))
        Image.fromarray(depth).save(folder / "depth" / f"{stem}.png")
        matrix(folder / "pose" / f"{stem}.txt", pose)
    if published_frames:
        matrix(folder / "intrinsics_color.txt", COLOR_CAMERA)
        matrix(folder / "intrinsics_depth.txt", DEPTH_CAMERA)
        return folder
    (folder / "intrinsic").mkdir()
    matrix(folder / "intrinsic/intrinsic_color.txt", COLOR_CAMERA)
    matrix(folder / "intrinsic/intrinsic_depth.txt", DEPTH_CAMERA)
    if extrinsics:
        matrix(folder / "intrinsic/extrinsic_color.txt", np.eye(4))
        matrix(folder / "intrinsic/extrinsic_depth.txt", np.eye(4))
    return folder


def matrix(path: Path, values: np.ndarray) -> None:
    path.write_text("".join(" ".join(f"{value:f}" for value in row) + "\n" for row in values))


def ply(xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray | None = None) -> bytes:
    """A mesh as ScanNet writes it: x y z red green blue alpha (label), then triangles."""
    kinds = [("float", n) for n in "xyz"] + [("uchar", n) for n in ("red", "green", "blue", "alpha")]
    kinds += [("ushort", "label")] if label is not None else []
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(xyz)}"]
    lines += [f"property {kind} {name}" for kind, name in kinds]
    lines += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    rows = b""
    for index in range(len(xyz)):
        rows += struct.pack("<3f4B", *xyz[index], *rgb[index], 255)
        rows += struct.pack("<H", label[index]) if label is not None else b""
    return ("\n".join(lines) + "\n").encode() + rows + struct.pack("<B3i", 3, 0, 1, 2)


# Twelve vertices in six segments: segment ids are any numbers, several to an object.
XYZ = np.array([[x, y, z] for x in (0.0, 1.0) for y in (2.0, 4.0) for z in (0.5, 1.0, 1.5)], dtype=np.float32)
RGB = (np.arange(36).reshape(12, 3) * 7).astype(np.uint8)
NYU40 = np.array([1, 1, 5, 5, 7, 7, 13, 0, 50, 39, 39, 40], dtype=np.uint16)
SEGMENTS = [3, 3, 15, 15, 900, 900, 8, 8, 21, 77, 77, 4]
GROUPS = [
    {"id": 0, "objectId": 0, "segments": [15], "label": "office chair"},
    {"id": 1, "objectId": 1, "segments": [900, 8], "label": "couch"},
    {"id": 2, "objectId": 2, "segments": [77], "label": "rack"},
    {"id": 3, "objectId": 3, "segments": [3], "label": "wall"},
]
LABEL_MAP = [("wall", 1), ("office chair", 5), ("couch", 6), ("rack", 39), ("a kind of nothing", 40)]
TURN = np.array([[0.6, -0.8, 0, 1.5], [0.8, 0.6, 0, -2], [0, 0, 1, 0.25], [0, 0, 0, 1]])


def annotated(root: Path, name: str = "scene0000_00", scans: bool = True, tsv: bool = True) -> Path:
    """One scan's files below ``root/scans/``, the map of labels in ``root``; gives the scan's folder."""
    folder = root / "scans" / name if scans else root / name
    folder.mkdir(parents=True)
    (folder / f"{name}_vh_clean_2.ply").write_bytes(ply(XYZ, RGB))
    (folder / f"{name}_vh_clean_2.labels.ply").write_bytes(ply(XYZ, RGB // 2, NYU40))
    segments = {"params": {"kThresh": "0.0001"}, "sceneId": name, "segIndices": SEGMENTS}
    (folder / f"{name}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segments))
    groups = {"sceneId": name, "appId": "Aggregator.v2", "segGroups": GROUPS, "segmentsFile": f"{name}.segs.json"}
    (folder / f"{name}.aggregation.json").write_text(json.dumps(groups))
    alignment = " ".join(f"{value:f}" for value in TURN.ravel())
    text = f"axisAlignment = {alignment} \ncolorHeight = 968\nfx_color = 1170.187988\nsceneType = Apartment\n"
    (folder / f"{name}.txt").write_text(text)
    if tsv:
        names = "id\traw_category\tcategory\tcount\tnyu40id\teigen13id\tnyuClass\tnyu40class\n"
        rows = [f"{i}\t{raw}\t{raw}\t9\t{nyu}\t1\tx\ty\n" for i, (raw, nyu) in enumerate(LABEL_MAP, 1)]
        (root / "scannetv2-labels.combined.tsv").write_text(names + "".join(rows))
    return folder
