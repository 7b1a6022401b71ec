"""Files of the published data sets, each read in a small folder of its own whose other files are whole."""

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ppkt_zoo.data.readers.arkit_scenes import ARKitScenes
from ppkt_zoo.data.readers.nyuv2 import NYUv2
from ppkt_zoo.data.readers.s3dis import S3DIS
from ppkt_zoo.data.readers.sun_boxes import boxes_from_meta
from ppkt_zoo.data.readers.sun_rgbd import SunRGBD
from ppkt_zoo.data.readers.tum import TumRGBD
from tests.fuzzing.target import Target, scratch

_WIDTH, _HEIGHT = 16, 12
_PINCAM = f"{_WIDTH} {_HEIGHT} 14.5 14.5 8 6\n"
_WORDS = (b"nan", b"-inf", b"1e999", b"1e38", b"0", b"-", b"#", b"../x", b"/dev/zero", b"\n", b"\r", b"\xff", b"\0")
_IMAGES = "# color images\n1.00 rgb/1.png\n1.10 rgb/2.png\n"
_DEPTHS = "# depth maps\n1.01 depth/1.png\n1.11 depth/2.png\n"
_TRUTH = "".join(f"{1 + step / 50:.2f} {step} 0 1.5 0 0 0 1\n" for step in range(8))
_TRAJECTORY = "".join(f"{1 + step / 10:.3f} 0.1 -0.2 {step / 8} 1 2 0.5\n" for step in range(4))
_LINES = "".join(f"{at / 8} {-at} 0.125 {at} 255 0\n" for at in range(30))
_TILT = "1 0 0 0\n0 0.98 0.2 0\n0 -0.2 0.98 0\n"


def _color(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((_HEIGHT, _WIDTH, 3), 90, np.uint8)).save(path)


def _depth(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((_HEIGHT, _WIDTH), 5000, np.uint16)).save(path)


def _write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _tum(name: str) -> Path:
    folder = scratch(f"{name}/x").parent / "rgbd_dataset_freiburg1_x"
    for number in (1, 2):
        _color(folder / f"rgb/{number}.png")
        _depth(folder / f"depth/{number}.png")
    _write(folder, {"rgb.txt": _IMAGES, "depth.txt": _DEPTHS, "groundtruth.txt": _TRUTH})
    return folder


def _arkit(name: str) -> Path:
    folder = scratch(f"{name}/x").parent / "41"
    for time in ("1.000", "1.100"):
        _color(folder / f"lowres_wide/41_{time}.png")
        _depth(folder / f"lowres_depth/41_{time}.png")
        _write(folder, {f"lowres_wide_intrinsics/41_{time}.pincam": _PINCAM})
    _write(folder, {"lowres_wide.traj": _TRAJECTORY, "41_3dod_annotation.json": _ANNOTATION})
    return folder


def _sun(name: str) -> Path:
    folder = scratch(f"{name}/x").parent / "kv1" / "a"
    _color(folder / "image/a.jpg")
    _depth(folder / "depth_bfx/a.png")
    _write(folder, {"intrinsics.txt": "14 0 8\n0 14 6\n0 0 1\n", "extrinsics/20150101.txt": _TILT})
    return folder


def _s3dis(name: str) -> Path:
    folder = scratch(f"{name}/x").parent / "Area_1"
    _write(folder, {"office_1/Annotations/chair_1.txt": _LINES, "office_1/Annotations/wall_1.txt": _LINES})
    return folder


def _in(make: Callable[[str], Path], file: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of bytes: they take the place of one file of a folder that ``make`` writes once."""
    folder = cache(lambda: make(file.replace("/", "-")))

    def reader(data: bytes) -> object:
        (folder() / file).write_bytes(data)
        return read(folder())

    return reader


def _read_tum(folder: Path) -> object:
    return TumRGBD(folder, up="camera-y")[0]


def _read_arkit(folder: Path) -> object:
    return ARKitScenes(folder)[0]


def _nyu() -> bytes:
    import h5py

    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["images"] = np.full((1, 3, _WIDTH, _HEIGHT), 90, np.uint8)
        for field in ("depths", "rawDepths"):
            file[field] = np.full((1, _WIDTH, _HEIGHT), 2, np.float32)
        file["labels"] = np.ones((1, _WIDTH, _HEIGHT), np.uint16)
        file["instances"] = np.ones((1, _WIDTH, _HEIGHT), np.uint8)
        cells = []
        for number, name in enumerate(("wall", "night stand")):
            file[f"#refs#/{number}"] = np.array([list(map(ord, name))], np.uint16).T
            cells.append(file[f"#refs#/{number}"].ref)
        file.create_dataset("names", data=np.array([cells], dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
    return stream.getvalue()


def _packed_nyu() -> bytes:
    """The same, its arrays in packed pieces."""
    import h5py

    stream, whole = io.BytesIO(), io.BytesIO(_nyu())
    with h5py.File(whole, "r") as old, h5py.File(stream, "w", libver="latest") as new:
        old.copy("#refs#", new)
        for field in ("images", "depths", "rawDepths", "labels", "instances"):
            new.create_dataset(field, data=old[field][...], chunks=True, compression="gzip", shuffle=True)
        cells = [[new["#refs#/0"].ref, new["#refs#/1"].ref]]
        new.create_dataset("names", data=np.array(cells, dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
    return stream.getvalue()


def _read_nyu(data: bytes) -> object:
    file = scratch("nyu/nyu_depth_v2_labeled.mat")
    file.write_bytes(data)
    return NYUv2(file, up="none")[0]


def _meta(packed: bool) -> bytes:
    from scipy.io import savemat

    box = np.dtype([("classname", object), ("centroid", object), ("coeffs", object), ("orientation", object)])
    frame = np.dtype([("sequenceName", object), ("groundtruth3DBB", object)])
    boxes = np.array([("bed", np.ones(3), np.ones(3), np.array([1.0, 0, 0]))] * 2, dtype=box)
    frames = np.array([("SUNRGBD/kv1/a", boxes), ("SUNRGBD/kv1/b", boxes[:1])], dtype=frame)
    stream = io.BytesIO()
    savemat(stream, {"SUNRGBDMeta": frames}, do_compression=packed)
    return stream.getvalue()


def _read_meta(data: bytes) -> object:
    file = scratch("sun-meta/SUNRGBDMeta3DBB_v2.mat")
    file.write_bytes(data)
    return boxes_from_meta(file)


_ANNOTATION = (
    '{"data": [{"label": "chair", "segments": {"obbAligned": {"centroid": [1, 2, 0.5], "axesLengths": [1, 0.5, 0.8],'
    ' "normalizedAxes": [1, 0, 0, 0, 1, 0, 0, 0, 1]}}}]}'
)
_MANY = b"1 " * 2_000_000
_LONG = b"9" * 1_000_000
_HDF5_WORDS = (b"TREE", b"SNOD", b"HEAP", b"OHDR", b"\x89HDF\r\n\x1a\n", b"\xff" * 8, b"images\0\0", b"names\0")
_MAT_WORDS = (b"\x0f\0\0\0", b"\x0e\0\0\0", b"\xff" * 4, b"IM", b"MI", b"\x78\x9c", b"\x11\0\0\0", b"coeffs\0")


def _text_bombs() -> list[bytes]:
    return [_MANY, _LONG, b"1 2\n" * 200_000, b"\n" * 2_000_000, b"#" * 2_000_000]


TARGETS: dict[str, Target] = {
    "tum rgb.txt": Target(
        lambda: [_IMAGES.encode(), _IMAGES.replace("# color images\n", "").encode()],
        _in(_tum, "rgb.txt", _read_tum), _WORDS, _text_bombs,
    ),
    "tum depth.txt": Target(lambda: [_DEPTHS.encode()], _in(_tum, "depth.txt", _read_tum), _WORDS, _text_bombs),
    "tum groundtruth.txt": Target(
        lambda: [_TRUTH.encode()], _in(_tum, "groundtruth.txt", _read_tum), _WORDS,
        lambda: [*_text_bombs(), b"1 0 0 0 0 0 0 1\n" * 100_000],
    ),
    "arkit pincam": Target(
        lambda: [_PINCAM.encode()], _in(_arkit, "lowres_wide_intrinsics/41_1.000.pincam", _read_arkit), _WORDS,
        _text_bombs,
    ),
    "arkit traj": Target(
        lambda: [_TRAJECTORY.encode()], _in(_arkit, "lowres_wide.traj", _read_arkit), _WORDS, _text_bombs
    ),
    "arkit boxes": Target(
        lambda: [_ANNOTATION.encode()],
        _in(_arkit, "41_3dod_annotation.json", lambda folder: ARKitScenes(folder).boxes()),
        (b"null", b"NaN", b"1e999", b"[]", b"{}", b'"x"', b"-1", b"\xff"), lambda: [b"[" * 1_000_000, _LONG],
    ),
    "nyu mat": Target(lambda: [_nyu(), _packed_nyu()], _read_nyu, _HDF5_WORDS),
    "sun meta": Target(lambda: [_meta(False), _meta(True)], _read_meta, _MAT_WORDS),
    "sun intrinsics": Target(
        lambda: [b"14 0 8\n0 14 6\n0 0 1\n"],
        _in(_sun, "intrinsics.txt", lambda folder: SunRGBD(folder)[0]), _WORDS, _text_bombs,
    ),
    "sun tilt": Target(
        lambda: [_TILT.encode()],
        _in(_sun, "extrinsics/20150101.txt", lambda folder: SunRGBD(folder)[0]), _WORDS, _text_bombs,
    ),
    "s3dis": Target(
        lambda: [_LINES.encode(), _LINES.replace("\n", "\r\n").encode()],
        _in(_s3dis, "office_1/Annotations/chair_1.txt", lambda folder: S3DIS(folder)[0]),
        (b"\x10", b"\x1d", *_WORDS), _text_bombs,
    ),
}  # fmt: skip
"""Readers by name."""
