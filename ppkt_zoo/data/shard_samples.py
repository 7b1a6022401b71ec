"""One frame as the few small files of a WebDataset sample, and back.

color.jpg / .png    the source's own file where it has one, else a PNG
depth.png           16-bit, whole parts of ``depth_scale`` (millimetres where nothing is lost by it), 0 = hole
label.png           16-bit, class + 1, 0 = unknown; only where the frame has labels
instance.png        16-bit, 0 = none; only where the frame has instances
json                name, intrinsics, pose (camera → world, z up, or null), depth_scale
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.images import decode_color, decode_ids, decode_stored, to_metres
from ppkt_zoo.errors import FrameError

# Stored units in a metre, the first that loses nothing is taken: millimetres, TUM's, tenths of a millimetre.
_SCALES = (1000.0, 5000.0, 10000.0)
# 65535 is read as a hole.
_LARGEST = 65534
_COLOR_PARTS = {".jpg": "color.jpg", ".jpeg": "color.jpg", ".png": "color.png"}


def encode_sample(source: FrameSource, index: int) -> tuple[str, dict[str, bytes]]:
    """The name of a frame, and its files by what they are called after the sample's key.

    Raises:
        FrameError: the frame cannot be read, or holds values that do not fit into 16 bits.
    """
    frame = source[index]
    part, color = _color(source, index, frame)
    stored, scale = _stored_depth(frame)
    parts = {part: color, "depth.png": _png(stored)}
    if frame.label is not None:
        parts["label.png"] = _png(_as_uint16(frame.label.astype(np.int64) + 1, "label + 1", frame))
    if frame.instance is not None:
        parts["instance.png"] = _png(_as_uint16(frame.instance, "instance", frame))
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
        depth=to_metres(decode_stored(parts["depth.png"], f"{where}.depth.png"), facts["depth_scale"]),
        intrinsics=np.array(facts["intrinsics"], dtype=np.float64),
        pose=None if facts["pose"] is None else np.array(facts["pose"], dtype=np.float64),
        name=facts["name"],
        label=None if label is None else (decode_ids(label, f"{where}.label.png") - 1).astype(np.int16),
        instance=None if instance is None else decode_ids(instance, f"{where}.instance.png"),
    )


def _facts(content: bytes, where: str) -> dict[str, Any]:
    try:
        facts = json.loads(content)
        return {name: facts[name] for name in ("name", "intrinsics", "pose", "depth_scale")}
    except (ValueError, KeyError, TypeError) as error:
        raise FrameError(f"{where}: this is not the description of a frame ({error}): pack again") from error


def _color(source: FrameSource, index: int, frame: RGBDFrame) -> tuple[str, bytes]:
    """The colour file as the source has it, where it is exactly the frame's colour; else a PNG."""
    find = getattr(source, "color_file", None)
    path = None if find is None else find(index)
    part = None if path is None else _COLOR_PARTS.get(path.suffix.lower())
    if path is not None and part is not None:
        content = path.read_bytes()
        if np.array_equal(decode_color(content, str(path)), frame.color):
            return part, content
    return "color.png", _png(frame.color)


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


def _as_uint16(values: np.ndarray, what: str, frame: RGBDFrame) -> np.ndarray:
    if values.min() < 0 or values.max() > 65535:
        raise FrameError(
            f"frame {frame.name}: {what} runs from {values.min()} to {values.max()}, and 16 bits hold 0 to 65535: "
            "number them anew"
        )
    return values.astype(np.uint16)


def _png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()
