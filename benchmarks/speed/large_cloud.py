"""``encode`` of a large furnished building: peak memory, seconds and points a second, at once and with ``tile="auto"``.

    python -m benchmarks.speed.large_cloud
    python -m benchmarks.speed.large_cloud --millions 1 5 20 --weights sr_unet14_slim.ppkt_voc --tiles auto

Each measurement has a process of its own, so that nothing is counted twice. The peak is all of its memory: Python and
PyTorch, the points, the answer, and what lies between. Where both were measured, features with and without tiles are
compared for 100 000 points.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import RESULTS, keep, machine, table, told
from benchmarks.speed.furnished_room import room

_ROOM_POINTS = 400_000
# Rooms of 5 m × 4 m side by side and above each other, so many in a row and in a row of rows before the next storey.
_STEP, _STOREY, _ROW = (5.2, 4.2), 2.9, 5
_COMPARED = 100_000
_KEPT = RESULTS / "large_cloud.json"
_MEBI = 1024.0


def building(points: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Furnished rooms of 400 000 points each, 25 on a storey, each with its own noise; xyz (N, 3) and rgb (N, 3)."""
    xyz, rgb = np.empty((points, 3), np.float32), np.empty((points, 3), np.uint8)
    cos, sin = np.cos(np.radians(17)), np.sin(np.radians(17))
    made = number = 0
    while made < points:
        place, color = room(_ROOM_POINTS, seed=number)
        take = min(len(place), points - made)
        x, y = (number % _ROW) * _STEP[0], (number // _ROW % _ROW) * _STEP[1]
        # Rooms are turned by 17°, and so is the building.
        corner = np.array([cos * x - sin * y, sin * x + cos * y, (number // _ROW**2) * _STOREY], np.float32)
        xyz[made : made + take], rgb[made : made + take] = place[:take] + corner, color[:take]
        made, number = made + take, number + 1
    return xyz, rgb


def peak_mb() -> float:
    """The most memory that this process ever held, in MiB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / _MEBI


def measure(folder: Path, weight: str, tile: str, engine: str) -> dict[str, Any]:
    """One measurement, in this process; a sample of the features goes to ``folder/TILE.npy``."""
    import torch

    from ppkt_zoo import load_backbone

    backbone = load_backbone(weight, engine=engine)
    xyz, rgb = np.load(folder / "xyz.npy"), np.load(folder / "rgb.npy")
    before, started, worked = peak_mb(), time.perf_counter(), time.process_time()
    features = backbone.encode(xyz, rgb, tile="auto" if tile == "auto" else None)
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    found = {
        "peak MiB": round(peak_mb()),
        "before MiB": round(before),
        "answer MiB": round(features.nbytes / _MEBI**2),
        "seconds": round(seconds, 2),
        "processor seconds": round(worked, 2),
        "points a second": round(len(xyz) / seconds),
        "voxels a tile": getattr(backbone, "tile_voxels", None) if tile == "auto" else None,
        "threads": torch.get_num_threads(),
    }
    rows = np.random.default_rng(0).choice(len(xyz), min(_COMPARED, len(xyz)), replace=False)
    np.save(folder / f"{tile}.npy", features[rows])
    return found


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", nargs="+", type=float, default=[1, 5, 20])
    parser.add_argument("--weights", nargs="+", default=["sr_unet14_slim.ppkt_voc", "sr_unet14_small.ppkt_voc"])
    parser.add_argument("--tiles", nargs="+", default=["none", "auto"], choices=["none", "auto"])
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        folder, weight, tile = options.child
        print(json.dumps(measure(Path(folder), weight, tile, options.engine)))
        return
    rows: list[dict[str, Any]] = []
    for millions in options.millions:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            xyz, rgb = building(round(millions * 1e6))
            np.save(folder / "xyz.npy", xyz)
            np.save(folder / "rgb.npy", rgb)
            extent = " × ".join(f"{edge:.0f}" for edge in np.ptp(xyz, axis=0))
            del xyz, rgb
            for weight in options.weights:
                for tile in options.tiles:
                    rows.append({"points": round(millions * 1e6), "extent m": extent, "weight": weight, "tile": tile})
                    rows[-1] |= _in_a_child(folder, weight, tile, options.engine)
                    print(json.dumps(rows[-1]), flush=True)
                if set(options.tiles) == {"none", "auto"}:
                    whole, tiled = np.load(folder / "none.npy"), np.load(folder / "auto.npy")
                    rows[-1]["largest difference"] = float(np.abs(whole - tiled).max())
                    rows[-1]["equal rows"] = float((whole == tiled).all(axis=1).mean())
                    rows[-1]["largest feature"] = float(np.abs(whole).max())
    # What was measured before and not now stays.
    before = json.loads(_KEPT.read_text())["rows"] if _KEPT.exists() else []
    rows = sorted([row for row in before if _case(row) not in set(map(_case, rows))] + rows, key=_case)
    here = machine()
    print(told(here))
    print(table([{name: row[name] for name in rows[0] if name in row} for row in rows]))
    print(f"kept in {keep('large_cloud', {'machine': here, 'engine': options.engine, 'rows': rows})}")


def _case(row: dict[str, Any]) -> tuple[int, str, str]:
    return row["points"], row["weight"], row["tile"]


def _in_a_child(folder: Path, weight: str, tile: str, engine: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.speed.large_cloud", "--engine", engine, "--child"]
    done = subprocess.run([*command, str(folder), weight, tile], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
