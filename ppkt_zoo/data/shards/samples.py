"""One frame as the few small files of a WebDataset sample, and back.

color.jpg / .png    the source's own file where it has one, else a PNG
depth.png           16-bit, whole parts of ``depth_scale`` (millimetres where nothing is lost by it), 0 = hole
label.png           16-bit, class + 1, 0 = unknown; only where the frame has labels
instance.png        16-bit, 0 = none; only where the frame has instances
json                name, intrinsics, pose (camera → world, z up, or null), depth_scale
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.readers.images import decode_color, decode_ids, decode_stored, to_metres
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.text import one_line
from ppkt_zoo.files.writing import png_bytes

# Stored units in a metre, the first that loses nothing is taken: millimetres, TUM's, tenths of a millimetre.
_SCALES = (1000.0, 5000.0, 10000.0)
# 65535 is read as a hole.
_LARGEST = 65534
# No honest description of a frame is longer, no scale beyond these.
_LONGEST_JSON, _LONGEST_NAME = 65_536, 1000
_SMALLEST_SCALE, _LARGEST_SCALE = 1e-3, 1e9
_LARGEST_LABEL = 32_767
_COLOR_PARTS = {".jpg": "color.jpg", ".jpeg": "color.jpg", ".png": "color.png"}


def encode_sample(source: FrameSource, index: int) -> tuple[str, dict[str, bytes]]:
    """The name of a frame, and its files by what they are called after the sample's key.

    Raises:
        FrameError: the frame cannot be read, or holds values that do not fit into 16 bits.
    """
    frame = source[index]
    part, color = _color(source, index, frame)
    stored, scale = _stored_depth(frame)
    parts = {part: color, "depth.png": png_bytes(Image.fromarray(stored))}
    if frame.label is not None:
        parts["label.png"] = _as_png(frame.label.astype(np.int64) + 1, "label + 1", frame)
    if frame.instance is not None:
        parts["instance.png"] = _as_png(frame.instance, "instance", frame)
    facts = {
        "name": frame.name,
        "intrinsics": frame.intrinsics.tolist(),
        "pose": None if frame.pose is None else frame.pose.tolist(),
        "depth_scale": scale,
    }
    return frame.name, parts | {"json": json.dumps(facts).encode()}


def decode_sample(parts: Mapping[str, bytes], where: str) -> RGBDFrame:
    """The frame of a sample's files.

    Args:
        parts: the files by what they are called after the key.
        where: shard and key, for errors.

    Raises:
        FrameError: a file is missing or damaged.
    """
    color = next((part for part in _COLOR_PARTS.values() if part in parts), None)
    missing = [name for name in ("json", "depth.png") if name not in parts] + ([] if color else ["color.jpg"])
    if color is None or missing:
        raise FrameError(f"{where}: this sample has no {', '.join(missing)}: pack again")
    facts = _facts(parts["json"], f"{where}.json")
    label, instance = parts.get("label.png"), parts.get("instance.png")
    return RGBDFrame(
        color=decode_color(parts[color], f"{where}.{color}"),
        depth=to_metres(decode_stored(parts["depth.png"], f"{where}.depth.png"), facts.depth_scale),
        intrinsics=facts.intrinsics,
        pose=facts.pose,
        name=facts.name,
        label=None if label is None else _labels(label, f"{where}.label.png"),
        instance=None if instance is None else decode_ids(instance, f"{where}.instance.png"),
    )


def _labels(content: bytes, where: str) -> np.ndarray:
    stored = decode_ids(content, where)
    if int(stored.max(initial=0)) > _LARGEST_LABEL + 1:
        raise FrameError(f"{where}: labels end at {_LARGEST_LABEL}, this one is {int(stored.max()) - 1}: pack again")
    return (stored - 1).astype(np.int16)


@dataclass(frozen=True)
class _Facts:
    """What a frame's json says."""

    name: str
    intrinsics: np.ndarray
    pose: np.ndarray | None
    depth_scale: float


def _facts(content: bytes, where: str) -> _Facts:
    if len(content) > _LONGEST_JSON:
        raise FrameError(f"{where}: {len(content)} bytes are too many for the description of a frame: pack again")
    facts = parse_json(content, where, FrameError)
    if not isinstance(facts, dict):
        raise FrameError(f"{where}: this is not the description of a frame (no object with names): pack again")
    missing = [field for field in ("name", "intrinsics", "pose", "depth_scale") if field not in facts]
    if missing:
        raise FrameError(f"{where}: this description of a frame has no {', '.join(missing)}: pack again")
    name, pose, scale = facts["name"], facts["pose"], facts["depth_scale"]
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise _wrong(where, "name", f"a text of {_LONGEST_NAME} letters at most", name)
    if not _is_number(scale) or not _SMALLEST_SCALE <= scale <= _LARGEST_SCALE:
        raise _wrong(where, "depth_scale", "a positive number, the stored units in a metre", scale)
    return _Facts(
        name=name,
        intrinsics=_matrix(facts["intrinsics"], 3, where, "intrinsics"),
        pose=None if pose is None else _matrix(pose, 4, where, "pose"),
        depth_scale=float(scale),
    )


def _matrix(value: Any, size: int, where: str, field: str) -> np.ndarray:
    rows = value if isinstance(value, list) and len(value) == size else []
    if not rows or not all(isinstance(row, list) and len(row) == size and all(map(_is_number, row)) for row in rows):
        raise _wrong(where, field, f"{size}×{size} numbers", value)
    return np.array(rows, dtype=np.float64)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(where: str, field: str, wanted: str, value: Any) -> FrameError:
    return FrameError(f"{where}: {field} must be {wanted}, got {one_line(repr(value), 60)}: pack again")


def _color(source: FrameSource, index: int, frame: RGBDFrame) -> tuple[str, bytes]:
    """The colour file as the source has it, where it is exactly the frame's colour; else a PNG."""
    find = getattr(source, "color_file", None)
    path = None if find is None else find(index)
    part = None if path is None else _COLOR_PARTS.get(path.suffix.lower())
    if path is not None and part is not None:
        content = read_file(path, FrameError, "colour image")
        if np.array_equal(decode_color(content, str(path)), frame.color):
            return part, content
    return "color.png", png_bytes(Image.fromarray(frame.color))


def _stored_depth(frame: RGBDFrame) -> tuple[np.ndarray, float]:
    fits = [scale for scale in _SCALES if frame.depth.max() * scale <= _LARGEST]
    if not fits:
        raise FrameError(
            f"frame {frame.name}: its depth reaches {frame.depth.max():g} m, more than 16-bit millimetres hold: "
            "write holes where the sensor sees nothing"
        )
    for scale in fits:
        stored = np.rint(frame.depth.astype(np.float64) * scale).astype(np.uint16)
        if np.array_equal(to_metres(stored, scale), frame.depth):
            return stored, scale
    # Nothing holds it exactly: half a millimetre is less than any depth camera's noise.
    return np.rint(frame.depth.astype(np.float64) * fits[0]).astype(np.uint16), fits[0]


def _as_png(values: np.ndarray, what: str, frame: RGBDFrame) -> bytes:
    if values.min() < 0 or values.max() > 65535:
        raise FrameError(
            f"frame {frame.name}: {what} runs from {values.min()} to {values.max()}, and 16 bits hold 0 to 65535: "
            "number them anew"
        )
    return png_bytes(Image.fromarray(values.astype(np.uint16)))
