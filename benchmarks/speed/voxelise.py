"""Points to voxels: the native library, PyTorch, and Open3D's ``voxel_down_sample``, one after the other in turns.

    python -m benchmarks.speed.voxelise --open3d /tmp/o3d/bin/python

Ours gives cells, mean colours and the inverse map; Open3D's gives mean positions and mean colours without an inverse.
Open3D runs in a Python of its own, which holds it, and is asked for one run at a time. One thread each; times are those
of the thread that works, so that what else runs on the machine counts as little as can be.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.machine import keep, machine, table, told
from benchmarks.speed.large_cloud import building
from ppkt_zoo.native import library
from ppkt_zoo.points import voxelize as module
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec

_OPEN3D = """
import sys, time, numpy as np, open3d as o3d
cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(np.load(sys.argv[1] + "/xyz.npy").astype(float)))
cloud.colors = o3d.utility.Vector3dVector(np.load(sys.argv[1] + "/rgb.npy") / 255.0)
print(o3d.__version__, flush=True)
for line in sys.stdin:
    start = time.thread_time()
    found = cloud.voxel_down_sample(float(line))
    print(time.thread_time() - start, len(found.points), flush=True)
"""


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", nargs="+", type=int, default=[16_000, 400_000, 5_000_000])
    parser.add_argument("--voxel-sizes", nargs="+", type=float, default=[0.02, 0.04])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--open3d", help="a Python that has Open3D")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    version = None
    for points in options.points:
        xyz, rgb = building(points)
        with tempfile.TemporaryDirectory() as folder:
            np.save(Path(folder) / "xyz.npy", xyz)
            np.save(Path(folder) / "rgb.npy", rgb)
            other = _start_open3d(options.open3d, folder) if options.open3d else None
            if other is not None:
                assert other.stdout is not None
                version = other.stdout.readline().strip()
            batch = CloudBatch.collate([PointCloud.from_arrays(xyz, rgb)])
            for voxel_size in options.voxel_sizes:
                rows.append(_measure(batch, voxel_size, options.repeats, other))
                print(json.dumps(rows[-1]), flush=True)
            if other is not None:
                other.communicate()
    here = machine() | {"open3d": version}
    print(told(here))
    print(table(rows))
    print(f"kept in {keep('voxelise', {'machine': here, 'rows': rows})}")


def _start_open3d(python: str, folder: str) -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([python, "-c", _OPEN3D, folder], text=True, bufsize=1, **pipes)


def _measure(
    batch: CloudBatch, voxel_size: float, repeats: int, other: "subprocess.Popen[str] | None"
) -> dict[str, Any]:
    spec = InputSpec(voxel_size=voxel_size)
    ours = {"native": library, "torch": lambda: None}
    times: dict[str, list[float]] = {}
    found, voxels = module.library, 0
    for repeat in range(repeats + 1):
        for name, chosen in ours.items():
            module.library = chosen  # type: ignore[assignment]
            start = time.thread_time()
            voxels = len(module.voxelize(batch, spec).coords)
            if repeat:  # the first one warms up
                times.setdefault(name, []).append(time.thread_time() - start)
        if other is not None and other.stdin is not None and other.stdout is not None:
            other.stdin.write(f"{voxel_size}\n")
            seconds = float(other.stdout.readline().split()[0])
            if repeat:
                times.setdefault("open3d", []).append(seconds)
    module.library = found
    middle = {name: statistics.median(values) for name, values in times.items()}
    row = {"points": len(batch.xyz), "voxel size m": voxel_size, "voxels": voxels}
    row |= {f"{name} ms": round(1000 * value, 2) for name, value in middle.items()}
    return row | {f"{name} / native": round(middle[name] / middle["native"], 2) for name in middle if name != "native"}


if __name__ == "__main__":
    main()
