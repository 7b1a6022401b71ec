"""What reading a cloud takes: the highest memory of a process that reads one file, against what the file holds.

    python -m benchmarks.speed.cloud_memory      # 1 000 000 points a format → benchmarks/results/cloud_memory.json
    python -m benchmarks.speed.cloud_memory --points 10000000 ply npz

Each file is made and read in processes of their own. What a file holds is its bytes or its arrays, whichever are more
(text is longer than its numbers, packed files are shorter). The bound is three times that and 200 MB, beyond what the
process takes before it reads.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT, keep, machine, table
from ppkt_zoo.points.files.cloud_files import write_cloud

TIMES, PLUS_MB = 3, 200
_MB = 1e6
# Runs in the child: only its own reading counts.
_READ = """
import json, resource, sys, time
from ppkt_zoo.points.files.cloud_files import read_cloud
unit = 1 if sys.platform == "darwin" else 1024
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, time.perf_counter()
cloud = read_cloud(sys.argv[1])
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
held = cloud.xyz.nbytes + (0 if cloud.rgb is None else cloud.rgb.nbytes)
print(json.dumps({"points": len(cloud.xyz), "arrays": held, "peak": peak - before, "seconds": seconds}))
"""


def main() -> int:
    """Measure, print and keep; 1 where a format takes more than the bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("formats", nargs="*", help=f"some of {', '.join(FORMATS)}; all where not given")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if unknown := set(asked.formats) - set(FORMATS):
        parser.error(f"there is no format {min(unknown)}")
    if asked.make is not None:
        asked.make.write_bytes(FORMATS[asked.formats[0]][1](*cloud(asked.points)))
        return 0
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.formats or FORMATS:
            rows[name] = measure(name, asked.points, Path(folder))
    print(table([{"format": name, **row} for name, row in rows.items()]))
    if not asked.formats:
        keep("cloud_memory", {"machine": machine(), "points": asked.points, "formats": rows})
    return int(any(row["peak_mb"] > row["bound_mb"] for row in rows.values()))


def measure(name: str, points: int, folder: Path) -> dict[str, float]:
    """Make a file in one process, read it in another."""
    file = folder / f"cloud{FORMATS[name][0]}"
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.cloud_memory",
        name,
        "--points",
        str(points),
        "--make",
        str(file),
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    told = subprocess.run([sys.executable, "-c", _READ, str(file)], check=True, capture_output=True, text=True).stdout
    found, size = json.loads(told), file.stat().st_size
    assert found["points"] == points
    held = max(size, found["arrays"])
    file.unlink()
    return {
        "file_mb": round(size / _MB, 1),
        "arrays_mb": round(found["arrays"] / _MB, 1),
        "peak_mb": round(found["peak"] / _MB, 1),
        "bound_mb": round(TIMES * held / _MB + PLUS_MB, 1),
        "times_held": round(found["peak"] / held, 2),
        "seconds": round(found["seconds"], 2),
    }


def cloud(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions of a room to the tenth of a millimetre, and colours."""
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 10, (points, 3)).round(4).astype(np.float32)
    return xyz, rng.integers(0, 256, (points, 3), dtype=np.uint8)


def _text(xyz: np.ndarray, rgb: np.ndarray, separator: str = " ", head: str = "") -> bytes:
    out = io.StringIO()
    out.write(head)
    form = separator.join(["%.4f"] * 3 + ["%d"] * 3) + "\n"
    for at in range(0, len(xyz), 1 << 16):
        part = np.hstack([xyz[at : at + (1 << 16)], rgb[at : at + (1 << 16)]])
        out.write((form * len(part)) % tuple(part.ravel().tolist()))
    return out.getvalue().encode()


def _ply_head(points: int, kind: str) -> str:
    lines = ["ply", f"format {kind} 1.0", f"element vertex {points}"]
    lines += [f"property float {name}" for name in "xyz"]
    return "\n".join([*lines, *(f"property uchar {name}" for name in ("red", "green", "blue")), "end_header\n"])


def _pcd(xyz: np.ndarray, rgb: np.ndarray, data: str) -> bytes:
    points, packed = len(xyz), rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    head = f"FIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH {points}\nHEIGHT 1\nDATA {data}\n"
    if data == "ascii":
        out = io.StringIO()
        np.savetxt(out, np.hstack([xyz, packed[:, None]]), fmt="%.4f %.4f %.4f %d")
        return head.encode() + out.getvalue().encode()
    if data == "binary":
        rows = np.empty((points, 4), np.uint32)
        rows[:, :3], rows[:, 3] = xyz.view(np.uint32), packed
        return head.encode() + rows.tobytes()
    columns = np.frombuffer(xyz.T.tobytes() + packed.astype(np.uint32).tobytes(), np.uint8)
    # LZF that packs nothing: a byte before every 32, of which there is a whole number for even points.
    lzf = np.empty((len(columns) // 32, 33), np.uint8)
    lzf[:, 0], lzf[:, 1:] = 31, columns.reshape(-1, 32)
    sizes = np.array([lzf.size, columns.size], "<u4").tobytes()
    return head.encode() + sizes + lzf.tobytes()


def _numpy(save: Callable[..., None], *arrays: np.ndarray, **named: np.ndarray) -> bytes:
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


def _las(xyz: np.ndarray, rgb: np.ndarray, compressed: bool) -> bytes:
    import laspy

    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales = [0.0001] * 3
    file = laspy.LasData(header)
    file.x, file.y, file.z = xyz.astype(np.float64).T
    file.red, file.green, file.blue = rgb.astype(np.uint16).T * 257
    stream = io.BytesIO()
    file.write(stream, do_compress=compressed)
    return stream.getvalue()


def _written(ending: str) -> Callable[[np.ndarray, np.ndarray], bytes]:
    def write(xyz: np.ndarray, rgb: np.ndarray) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return write_cloud(Path(folder) / f"a{ending}", xyz, rgb).read_bytes()

    return write


FORMATS: dict[str, tuple[str, Callable[[Any, Any], bytes]]] = {
    "ply": (".ply", _written(".ply")),
    "ply ascii": (".ply", lambda xyz, rgb: _ply_head(len(xyz), "ascii").encode() + _text(xyz, rgb)),
    "pcd binary": (".pcd", lambda xyz, rgb: _pcd(xyz, rgb, "binary")),
    "pcd binary_compressed": (".pcd", lambda xyz, rgb: _pcd(xyz, rgb, "binary_compressed")),
    "pcd ascii": (".pcd", lambda xyz, rgb: _pcd(xyz, rgb, "ascii")),
    "npz": (".npz", lambda xyz, rgb: _numpy(np.savez, xyz=xyz, rgb=rgb)),
    "npz compressed": (".npz", lambda xyz, rgb: _numpy(np.savez_compressed, xyz=xyz, rgb=rgb)),
    "npz floats": (".npz", lambda xyz, rgb: _numpy(np.savez, points=xyz.astype(np.float64), colors=rgb / 255)),
    "npy": (".npy", lambda xyz, rgb: _numpy(np.save, np.hstack([xyz, rgb.astype(np.float32)]))),
    "txt": (".txt", _text),
    "csv": (".csv", lambda xyz, rgb: _text(xyz, rgb, ",", "x,y,z,r,g,b\n")),
    "csv UTF-16": (".csv", lambda xyz, rgb: _text(xyz, rgb, ",", "x,y,z,r,g,b\n").decode().encode("utf-16")),
    "las": (".las", lambda xyz, rgb: _las(xyz, rgb, compressed=False)),
    "laz": (".laz", lambda xyz, rgb: _las(xyz, rgb, compressed=True)),
}
"""Formats by name: the ending, and the bytes of a file."""


if __name__ == "__main__":
    sys.exit(main())
