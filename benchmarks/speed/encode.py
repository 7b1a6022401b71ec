"""SR-UNet34 on a room of about 175 000 voxels, from numpy points to numpy features.

    python -m benchmarks.speed.encode

Each repetition does everything anew: checks, voxels, kernel maps, network, features of every point.
"""

import argparse
import statistics
import time

import torch

from benchmarks.machine import keep, machine, table, told
from benchmarks.speed.furnished_room import VOXEL_SIZE, room
from ppkt_zoo import backbones
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architectures", nargs="+", default=["sr_unet34", "sr_unet14_small"])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    spec = InputSpec(voxel_size=VOXEL_SIZE)
    xyz, rgb = room()
    voxels = len(voxelize(CloudBatch.collate([PointCloud.from_arrays(xyz, rgb)]), spec).coords)
    times: dict[tuple[str, str], list[float]] = {}
    networks = {name: getattr(backbones, name)(input_spec=spec) for name in options.architectures}
    for repeat in range(options.repeats + 1):
        for name, network in networks.items():
            for dtype in ("float32", "bfloat16"):
                start = time.perf_counter()
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
                    network.encode(xyz, rgb)
                if repeat:  # the first one warms up
                    times.setdefault((name, dtype), []).append(time.perf_counter() - start)
    rows = [
        {"architecture": name, "dtype": dtype, "median s": statistics.median(values), "best s": min(values)}
        for (name, dtype), values in times.items()
    ]
    here = machine()
    print(told(here))
    print(f"{len(xyz)} points, {voxels} voxels of {VOXEL_SIZE} m\n")
    print(table(rows))
    print(f"kept in {keep('encode', {'machine': here, 'points': len(xyz), 'voxels': voxels, 'rows': rows})}")


if __name__ == "__main__":
    main()
