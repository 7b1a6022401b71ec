"""Submanifold 3×3×3 convolution on a room of about 175 000 voxels: ours against spconv on the CPU.

    python -m benchmarks.speed.sparse_conv

Both sides run alternately, with maps (rulebooks) built beforehand, and once more with the building. The
figures are medians in seconds; the last line is the peak memory of an SR-UNet34 forward pass on that room.
On a machine that others use too, ``--busy`` counts processor seconds of one thread in place of time.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.machine import ROOT, keep, machine, table, told
from benchmarks.speed.furnished_room import VOXEL_SIZE, room
from ppkt_zoo.backbones import sr_unet34
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.sparse import Grid, SparseTensor, SubmanifoldConv3d


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 96, 128])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--memory", action="store_true", help="only measure the peak memory and print it")
    parser.add_argument("--busy", action="store_true", help="one thread, processor seconds")
    options = parser.parse_args()
    if options.busy:
        torch.set_num_threads(1)
    now = time.process_time if options.busy else time.perf_counter
    if options.memory:
        print(json.dumps(peak_memory()))
        return
    batch = CloudBatch.collate([PointCloud.from_arrays(*room())])
    coords = voxelize(batch, InputSpec(voxel_size=VOXEL_SIZE)).coords
    neighbours = int((Grid(coords).submanifold(1, 3).table >= 0).sum()) / len(coords)
    rows = [measure(coords, width, options.repeats, now) for width in options.widths]
    here = machine()
    memory = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.speed.sparse_conv", "--memory"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    print(told(here))
    print(f"{len(coords)} voxels of {VOXEL_SIZE} m, {neighbours:.2f} neighbours each\n")
    print(table(rows))
    print(f"\nSR-UNet34 forward: peak memory {memory['gigabytes']:.2f} GB over the {memory['before']:.2f} GB before it")
    clock_name = "processor seconds, one thread" if options.busy else "seconds"
    result = {
        "machine": here,
        "clock": clock_name,
        "voxels": len(coords),
        "neighbours": neighbours,
        "rows": rows,
        "sr_unet34": memory,
    }
    print(f"kept in {keep('sparse_conv_busy' if options.busy else 'sparse_conv', result)}")


def measure(coords: Tensor, width: int, repeats: int, now: Callable[[], float]) -> dict[str, Any]:
    """One row of the table: medians in seconds."""
    torch.manual_seed(0)
    feats = torch.randn(len(coords), width)
    layer = SubmanifoldConv3d(width, width, 3)
    grid = Grid(coords)
    tracked = feats.clone().requires_grad_()
    out_gradient = torch.randn(len(coords), width)

    def with_map() -> Tensor:
        return layer(SparseTensor(feats, Grid(coords))).feats

    def forward() -> Tensor:
        return layer(SparseTensor(feats, grid)).feats

    runs: dict[str, Callable[[], Any]] = {"ours": forward, "ours with map": with_map}
    peer = spconv_runs(coords, feats, layer.weight.detach())
    runs |= peer
    times: dict[str, list[float]] = {name: [] for name in (*runs, "forward", "backward")}
    with torch.no_grad():
        results = {name: run() for name, run in runs.items()}
    for name, result in results.items():
        if not torch.allclose(result, results["ours"], rtol=1e-3, atol=1e-4):
            raise RuntimeError(f"{name} gives other numbers than ours")
    for _ in range(repeats):
        with torch.no_grad():
            for name, run in runs.items():
                times[name].append(clock(run, now))
        start = now()
        out = layer(SparseTensor(tracked, grid)).feats
        middle = now()
        out.backward(out_gradient)
        times["forward"].append(middle - start)
        times["backward"].append(now() - middle)
    with torch.no_grad():
        layer.to(torch.bfloat16)(SparseTensor(feats.bfloat16(), grid))  # builds the plan of half precision
        halves = [clock(lambda: layer(SparseTensor(feats.bfloat16(), grid)), now) for _ in range(repeats)]
    middle_of = {name: statistics.median(values) for name, values in times.items()}
    row: dict[str, Any] = {"width": width, "ours": middle_of["ours"]}
    if peer:
        row |= {"spconv": middle_of["spconv"], "ratio": middle_of["spconv"] / middle_of["ours"]}
    row["ours with map"] = middle_of["ours with map"]
    if peer:
        row |= {
            "spconv with map": middle_of["spconv with map"],
            "ratio with map": middle_of["spconv with map"] / middle_of["ours with map"],
        }
    row |= {
        "backward": middle_of["backward"],
        "backward / forward": middle_of["backward"] / middle_of["forward"],
        "ours bf16": statistics.median(halves),
    }
    return row


def spconv_runs(coords: Tensor, feats: Tensor, weight: Tensor) -> dict[str, Callable[[], Any]]:
    """spconv's own layer with and without its rulebook at hand; nothing where it is not installed."""
    warnings.simplefilter("ignore")
    try:
        import spconv.pytorch as spconv
    except ImportError:
        print("spconv is not installed: only ours is measured")
        return {}
    shape = (coords[:, 1:].max(dim=0).values + 1).tolist()
    width = feats.shape[1]
    layer = spconv.SubMConv3d(width, width, 3, bias=False, indice_key="room", algo=spconv.ConvAlgo.Native)
    layer.weight.data.copy_(weight)
    first = spconv.SparseConvTensor(feats, coords, shape, 1)
    with torch.no_grad():
        rulebook = layer(first).indice_dict

    def forward() -> Tensor:
        x = spconv.SparseConvTensor(feats, coords, shape, 1)
        x.indice_dict = rulebook
        return layer(x).features

    def with_map() -> Tensor:
        return layer(spconv.SparseConvTensor(feats, coords, shape, 1)).features

    return {"spconv": forward, "spconv with map": with_map}


def clock(run: Callable[[], Any], now: Callable[[], float]) -> float:
    """Seconds that one call takes."""
    start = now()
    run()
    return now() - start


def peak_memory() -> dict[str, float]:
    """By how much a forward pass of SR-UNet34 raises the peak of this process, in GB (10⁹ bytes)."""
    network = sr_unet34(input_spec=InputSpec(voxel_size=VOXEL_SIZE)).eval()
    xyz, rgb = room()
    network.encode(xyz[:1000], rgb[:1000])  # libraries load their parts at the first call
    before = memory_of_this_process("VmRSS")
    features = network.encode(xyz, rgb)
    if not np.isfinite(features).all():
        raise RuntimeError("the features are not finite")
    return {"before": before, "gigabytes": memory_of_this_process("VmHWM") - before}


def memory_of_this_process(name: str) -> float:
    """VmRSS (now) or VmHWM (peak) in GB; ru_maxrss would inherit the parent's peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e9
    raise RuntimeError("this system does not tell the memory of a process in /proc/self/status")


if __name__ == "__main__":
    main()
