"""Sparse convolution on the CPU: the native and the torch engine, spconv, ocnn, and the dense product as the limit.

    python -m benchmarks.speed.sparse_conv
    python -m benchmarks.speed.sparse_conv --busy --repeats 3 --parts layers

All sides of a row run alternately; figures are medians in seconds. Layers have their maps built beforehand, networks
build them anew in each pass. spconv and ocnn are measured where they are installed. The share of the dense rate counts
the products of present neighbours alone. On a machine that others use too, ``--busy`` counts processor seconds of one
thread in place of time.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import ROOT, keep, machine, table, told
from benchmarks.speed.networks import cpu_engines, figures, measure, peak_memory
from benchmarks.speed.peers import has, octree_layer, spconv_layer, spconv_trains
from benchmarks.speed.timing import Clock, Run, dense_runs, instructions, interleaved, pairs, room_voxels, some_voxels
from ppkt_zoo.native import library
from ppkt_zoo.sparse import Grid, SparseTensor, SubmanifoldConv3d

PARTS = ("layers", "networks", "memory")
FRAME = 16_400
NETWORK_ROWS = (
    ("sr_unet34", "room", False),
    ("sr_unet34", "frame", False),
    ("sr_unet34", "frame", True),
    ("sr_unet14_small", "room", False),
    ("sr_unet14_small", "frame", False),
    ("sr_unet14_small", "frame", True),
)


def main() -> None:
    """Measure, print and keep."""
    asked = read_arguments()
    if asked.child is not None:
        print(json.dumps(peak_memory(some_voxels(room_voxels(), asked.voxels), asked.child)))
        return
    if asked.busy:
        torch.set_num_threads(1)
    now: Clock = time.process_time if asked.busy else time.perf_counter
    here, room = machine(), room_voxels()
    coords = some_voxels(room, asked.voxels)
    clouds = {"room": coords, "frame": some_voxels(room, min(FRAME, asked.voxels))}
    result: dict[str, Any] = {
        "machine": here,
        "instructions": instructions(),
        "clock": "processor seconds, one thread" if asked.busy else "seconds",
        "repeats": asked.repeats,
        "voxels": len(coords),
        "neighbours": pairs(coords) / len(coords),
    }
    print(told(here), result["instructions"], f"\n{len(coords)} voxels, {result['neighbours']:.2f} neighbours each")
    if "layers" in asked.parts:
        result["layers"] = [
            layer(coords, width, training, asked.repeats, now) for training in (False, True) for width in asked.widths
        ]
        show(result["layers"])
    if "networks" in asked.parts:
        result["networks"] = [
            measure(name, clouds[where], training, asked.repeats, now) for name, where, training in NETWORK_ROWS
        ]
        show(result["networks"])
    if "memory" in asked.parts:
        result["memory"] = [{"engine": name, **memory_of(name, asked.voxels)} for name in cpu_engines()]
        print(table(result["memory"]))
    print(f"kept in {keep('sparse_conv_busy' if asked.busy else 'sparse_conv', result)}")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 96, 128])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--voxels", type=int, default=174_470, help="of the room; all of it by default")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--busy", action="store_true", help="one thread, processor seconds")
    parser.add_argument("--child", metavar="ENGINE", help="only measure the peak memory with this engine and print it")
    return parser.parse_args()


def show(rows: list[dict[str, Any]]) -> None:
    """Print rows of figures as one table."""
    flat = []
    for row in rows:
        cells = {name: value for name, value in row.items() if not isinstance(value, dict)}
        cells |= {f"{name} s": value for name, value in row["seconds"].items()}
        flat.append(cells | {f"{name} ×": value for name, value in row["ratio"].items()})
    print("\n" + table(flat))


def layer(coords: Tensor, width: int, training: bool, repeats: int, now: Clock) -> dict[str, Any]:
    """One row: a submanifold convolution 3×3×3, forward, or forward and both gradients."""
    torch.manual_seed(0)
    feats, out_gradient = torch.randn(len(coords), width), torch.randn(len(coords), width)
    ours, grid = SubmanifoldConv3d(width, width, 3), Grid(coords)
    weight = ours.weight.detach()

    def by(engine: str) -> Callable[[Tensor], Tensor]:
        return lambda given: ours(SparseTensor(given, grid, 1, engine)).feats

    layers = {engine: by(engine) for engine in cpu_engines()}
    if has("spconv"):
        layers["spconv"] = spconv_layer(coords, weight)[0]
    if has("ocnn"):
        layers["ocnn"] = octree_layer(coords, weight)
    _check(layers, feats)
    tracked = feats.clone().requires_grad_()

    def step(run: Callable[[Tensor], Tensor]) -> Run:
        def forward_and_back() -> None:
            tracked.grad = None
            run(tracked).backward(out_gradient)

        def forward() -> Tensor:
            with torch.no_grad():
                return run(feats)

        return forward_and_back if training else forward

    runs = {name: step(run) for name, run in layers.items()}
    native = library()
    if native is not None and native.has_bfloat16 and not training:
        halves, half = SubmanifoldConv3d(width, width, 3).bfloat16(), feats.bfloat16()
        runs["native bf16"] = _without_gradients(lambda: halves(SparseTensor(half, grid, 1, "native")).feats)
    if training and has("spconv"):
        with spconv_trains():
            seconds = interleaved({**runs, **dense_runs()}, repeats, now)
    else:
        seconds = interleaved({**runs, **dense_runs()}, repeats, now)
    needed = 2.0 * pairs(coords) * width * width * (3 if training else 1)
    return {"width": width, "pass": "forward and backward" if training else "forward"} | figures(seconds, needed)


def _check(layers: dict[str, Callable[[Tensor], Tensor]], feats: Tensor) -> None:
    with torch.no_grad():
        results = {name: run(feats) for name, run in layers.items()}
    want = next(iter(results.values()))
    for name, result in results.items():
        if not torch.allclose(result, want, rtol=1e-3, atol=1e-4):
            raise RuntimeError(f"{name} gives other numbers than ours")


def _without_gradients(run: Run) -> Run:
    def forward() -> Any:
        with torch.no_grad():
            return run()

    return forward


def memory_of(engine: str, voxels: int) -> dict[str, float]:
    """:func:`benchmarks.speed.networks.peak_memory` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.sparse_conv", "--child", engine, "--voxels", str(voxels)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
