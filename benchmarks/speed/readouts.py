"""What a read-out costs: a whole encode of a furnished room by each, in seconds of one core.

    python -m benchmarks.speed.readouts

Seconds are those that the process has computed, on one thread, so that other programs on the machine matter little.
"""

import argparse
import statistics
import time
from typing import Any

import torch

import ppkt_zoo
from benchmarks.machine import keep, machine, table, told
from benchmarks.speed.furnished_room import room
from ppkt_zoo.backbones.readout import Readout
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadOut

READ_OUTS = (
    ReadOut(),
    ReadOut(sampling="trilinear"),
    ReadOut(levels="concat"),
    ReadOut(levels="concat", sampling="trilinear"),
    ReadOut(levels="concat", sampling="trilinear", extras=("color", "height")),
)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=["sr_unet14_small.ppkt_voc"])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    xyz, rgb = room()
    rows: list[dict[str, Any]] = []
    for name in options.weights:
        network = ppkt_zoo.load_backbone(name)
        if network.readout is None:
            network.readout = Readout.of(network, [PointCloud.from_arrays(xyz, rgb)])
        seconds: dict[ReadOut, list[float]] = {one: [] for one in READ_OUTS}
        for repeat in range(options.repeats + 1):
            for one, values in seconds.items():
                start = time.process_time()
                network.encode(xyz, rgb, **one.arguments())
                if repeat:  # the first one warms up
                    values.append(time.process_time() - start)
        spent = {one: statistics.median(values) for one, values in seconds.items()}
        for one, value in spent.items():
            nearest = spent[ReadOut(levels=one.levels)]
            rows.append({"weight": name, "read-out": str(one), "median s": value, "of nearest": value / nearest})
    here = machine()
    print(told(here))
    print(f"{len(xyz)} points\n")
    print(table(rows))
    print(f"kept in {keep('readout_speed', {'machine': here, 'points': len(xyz), 'rows': rows})}")


if __name__ == "__main__":
    main()
