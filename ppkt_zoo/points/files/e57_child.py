"""Reads E57 in a process of its own, run as a script by `e57.py`; it imports nothing of ours.

    python -I -S e57_child.py FOLDERS FILE MOST MEMORY SECONDS

FOLDERS is a JSON list of where numpy and pye57 are installed. Standard output: the size of a list as 8 bytes, a JSON
list of [points, has colour] for each scan; then for each scan blocks of: the number of points as 8 bytes, their
positions as float64 (n, 3), and where the scan has colour, uint8 (n, 3). Nothing else.
"""

import json
import struct
import sys
from typing import Any

_ROWS = 1 << 18
_CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
_SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
_COLORS = ("colorRed", "colorGreen", "colorBlue")


def main(folders: str, file: str, *numbers: str) -> int:
    """Read; 0 where all points were written, 1 with a line on stderr where they were not."""
    most, memory, seconds = map(int, numbers)
    _limit(memory, seconds)
    sys.path += json.loads(folders)
    try:
        _read(file, most)
    # Errors of the library come from C++, and this process has no other purpose than to tell.
    except BaseException as error:  # noqa: BLE001
        told = " ".join(f"{type(error).__name__}: {error}".split()).partition(" ****")[0]
        print(told[:300], file=sys.stderr)
        return 1
    return 0


def _read(file: str, most: int) -> None:
    import pye57

    opened = pye57.E57(file)
    headers = [opened.get_header(index) for index in range(opened.scan_count)]
    counts = [header.point_count for header in headers]
    if sum(counts) > most:
        raise ValueError(f"{sum(counts)} points are announced, more than the file has room for")
    colored = [all(name in header.point_fields for name in _COLORS) for header in headers]
    out = sys.stdout.buffer
    listed = json.dumps([[count, color] for count, color in zip(counts, colored, strict=True)]).encode()
    out.write(struct.pack("<q", len(listed)) + listed)
    for header, count, color in zip(headers, counts, colored, strict=True):
        if count:
            _write_scan(opened, header, count, color, out)
    out.flush()


def _write_scan(opened: Any, header: Any, count: int, color: bool, out: Any) -> None:
    import numpy as np

    fields = header.point_fields
    places = next((names for names in (_CARTESIAN, _SPHERICAL) if all(name in fields for name in names)), None)
    if places is None:
        raise ValueError("a scan has neither cartesian nor spherical positions")
    state = "cartesianInvalidState" if places is _CARTESIAN else "sphericalInvalidState"
    low, high = _color_limits(header) if color else (0.0, 1.0)
    kinds = dict.fromkeys(places, "d") | (dict.fromkeys(_COLORS, "d") if color else {})
    kinds |= {state: "b"} if state in fields else {}
    data, buffers = _buffers(opened, kinds, min(count, _ROWS))
    turn, shift = header.rotation_matrix, header.translation
    if header.has_pose() and not (np.isfinite(turn).all() and np.isfinite(shift).all()):
        raise ValueError("the pose of a scan holds no numbers")
    reader = header.points.reader(buffers)
    while rows := reader.read():
        xyz = np.stack([data[name][:rows] for name in places], axis=1)
        if places is _SPHERICAL:
            away, azimuth, elevation = xyz.T
            level = away * np.cos(elevation)
            xyz = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), away * np.sin(elevation)], axis=1)
        if header.has_pose():
            xyz = xyz @ turn.T + shift
        if state in kinds:
            xyz[data[state][:rows] != 0] = np.nan
        out.write(struct.pack("<q", rows) + np.ascontiguousarray(xyz, "<f8").tobytes())
        if color:
            rgb = (np.stack([data[name][:rows] for name in _COLORS], axis=1) - low) / (high - low) * 255
            out.write(np.clip(np.rint(np.nan_to_num(rgb)), 0, 255).astype("u1").tobytes())


def _buffers(opened: Any, kinds: dict[str, str], rows: int) -> tuple[dict[str, Any], Any]:
    import numpy as np
    from pye57 import libe57

    data, buffers = {}, libe57.VectorSourceDestBuffer()
    for name, kind in kinds.items():
        data[name] = np.empty(rows, kind)
        buffers.append(libe57.SourceDestBuffer(opened.image_file, name, data[name], rows, True, True))
    return data, buffers


def _color_limits(header: Any) -> tuple[Any, Any]:
    """The colours that are black and white, (3,) each: what the scan states, else the range of 8 bits."""
    import numpy as np

    low, high = [], []
    for name in _COLORS:
        ends = [0.0, 255.0]
        for place, end in enumerate(("Minimum", "Maximum")):
            if header.node.isDefined("colorLimits") and header.node["colorLimits"].isDefined(name + end):
                ends[place] = float(header.node["colorLimits"][name + end].value())
        if not ends[1] > ends[0]:
            ends = [0.0, 255.0]
        low.append(ends[0])
        high.append(ends[1])
    return np.array(low), np.array(high)


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, hard))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
