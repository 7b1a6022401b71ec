"""Run the native library under the address and undefined-behaviour sanitizers: GCC or Clang on Linux.

python tools/check_sanitizers.py

It is compiled with both into a temporary folder and run in a child process whose first library is the sanitizer's, at
every instruction set of this machine and with the sizes of 512-bit registers: forward, gradients, maps, levels,
batch norm, voxels and choices of points, of sizes that leave rests everywhere. Ends with exit code 1 where something
is found, and with 3 where the compiler has no sanitizers.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, open_library, points
from ppkt_zoo.native.build import LIBRARY, X86_LEVELS, BuildError, build
from ppkt_zoo.native.maps import table_pairs
from ppkt_zoo.native.norm import norm_relu
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.sparse import Grid
from ppkt_zoo.sparse.engines.native import NativeEngine

ROOT = Path(__file__).resolve().parents[1]
_FLAGS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")
_LAYERS = (("submanifold", 3, 1), ("submanifold", 5, 1), ("strided", 2, 2), ("strided", 3, 2))
_CHANNELS = ((1, 1), (3, 7), (7, 33), (33, 16), (16, 96), (96, 3))


def main() -> int:
    """Build, and run the child; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        work(asked.child)
        return 0
    preloaded = find_runtime()
    if preloaded is None:
        print("the compiler has no address sanitizer that can be loaded first: nothing was checked")
        return 3
    with tempfile.TemporaryDirectory() as folder:
        for name, more in (("plain", ()), ("wide", ("-DPPKT_WIDE",))):
            try:
                library = build(Path(folder) / name / LIBRARY.name, (*_FLAGS, *more, "-w"))
            except BuildError as error:
                print(f"the compiler has no sanitizers: {error}")
                return 3
            done = run_child(library, preloaded)
            if done.returncode:
                print(f"{name}: exit code {done.returncode}\n{done.stdout}\n{done.stderr[:6000]}")
                return 1
            print(f"{name}: {done.stdout.strip()}")
    return 0


def find_runtime() -> list[str] | None:
    """The sanitizer's library, and the C++ library that it looks for at the start."""
    asked = shlex.split(os.environ.get("CXX", "")) or [shutil.which("g++") or ""]
    if sys.platform != "linux" or not asked[0]:
        return None
    found = []
    for name in ("libasan.so", "libstdc++.so.6"):
        said = subprocess.run([*asked, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        if not Path(said).is_absolute() or not Path(said).exists():
            return None
        found.append(said)
    return found


def run_child(library: Path, preloaded: list[str]) -> "subprocess.CompletedProcess[str]":
    """This script in a process that the sanitizers watch; leaks are not looked for, since Python ends with some."""
    environment = os.environ | {
        "LD_PRELOAD": " ".join(preloaded),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONPATH": str(ROOT),
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, str(Path(__file__).resolve()), "--child", str(library)]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def work(path: Path) -> None:
    """Everything that the library does, on small odd sizes."""
    best = open_library(path)
    order = list(X86_LEVELS)
    levels = order[: order.index(best.level) + 1] if best.level in order else [best.level]
    module = sys.modules["ppkt_zoo.native.library"]
    for level in levels:
        library = open_library(path, level)
        module.__dict__["find_library"] = lambda chosen=library: chosen  # levels and voxels ask for it there
        for threads in (1, 3):
            torch.set_num_threads(threads)
            for rows in (1, 255, 256, 257, 5000):
                convolutions(library, rows)
        norms(library)
        voxels()
        point_layers(library)
        refused(library)
    print(f"{', '.join(levels)}: nothing found")


def convolutions(library: Library, rows: int) -> None:
    """All layers over random voxels."""
    engine, draw = NativeEngine(library), torch.Generator().manual_seed(rows)
    reach = max(2, round(rows ** (1 / 3)))
    coords = torch.randint(-reach, reach, (4 * rows, 4), generator=draw)
    coords[:, 0] %= 3
    grid = Grid(torch.unique(coords, dim=0)[:rows].int().contiguous())
    grid.coarsen(1, 5)
    for number, (inputs, outputs) in enumerate(_CHANNELS if rows < 1000 else _CHANNELS[:3]):
        kind, kernel, stride = _LAYERS[number % len(_LAYERS)]
        kernel_map = grid.submanifold(1, kernel) if kind == "submanifold" else grid.strided(1, kernel, stride)
        for transposed in (False, True):
            count = kernel_map.outputs if transposed else kernel_map.inputs
            for dtype in (torch.float32, torch.bfloat16):
                feats = torch.randn((count, inputs)).to(dtype).requires_grad_()
                weight = torch.randn((outputs, kernel, kernel, kernel, inputs)).to(dtype).requires_grad_()
                bias = torch.randn(outputs).requires_grad_()
                out = engine.convolve(feats, weight, bias, kernel_map, transposed)
                out.float().square().sum().backward()
                with torch.no_grad():
                    scale, into = torch.randn(outputs), torch.zeros_like(out)
                    engine.convolve(feats, weight, bias, kernel_map, transposed, into, scale=scale, relu=True)


def norms(library: Library) -> None:
    """Batch norm with and without a sum and a ReLU, both ways."""
    for number, (rows, channels) in enumerate(((1, 1), (255, 7), (256, 16), (257, 33), (3000, 96))):
        for dtype in (torch.float32, torch.bfloat16):
            x, beside = (torch.randn((rows, channels)).to(dtype).requires_grad_() for _ in range(2))
            weight, bias = (torch.randn(channels).requires_grad_() for _ in range(2))
            for added in (None, beside):
                y, *_ = norm_relu(library, x, weight, bias, 1e-5, added, relu=number % 2 == 0)
                y.square().sum().backward()


def voxels() -> None:
    """Points into voxels, with clouds of one point."""
    spec = InputSpec(voxel_size=0.1)
    for sizes in ((1,), (1, 700, 1), (5000, 33)):
        clouds = [PointCloud.from_arrays(torch.rand((n, 3)) * 4 - 2, torch.full((n, 3), 7).byte()) for n in sizes]
        voxelize(CloudBatch.collate(clouds), spec)


def point_layers(library: Library) -> None:
    """What PointNet++ asks for, with clouds of one point and of rests of every size."""
    for sizes in ([1, 1], [9, 700], [1031, 17]):
        xyz, targets, two = torch.rand((sum(sizes), 3)), torch.rand((2 * len(sizes), 3)), [2] * len(sizes)
        points.farthest_points(library, xyz, sizes, 13)
        points.ball_neighbours(library, targets, two, xyz, sizes, 2.0, 7)
        found = points.nearest(library, targets, two, xyz, sizes, 3)
        if found is None:
            sys.exit("the nearest points were left to PyTorch")
        rows, feats, weights = found[0], torch.rand((sum(sizes), 5)), torch.rand((len(targets), 3))
        out = points.interpolate(library, feats, rows, weights)
        points.interpolate_back(library, out, rows, weights, len(feats))


def refused(library: Library) -> None:
    """Tables with rows that are not there."""
    for row in (-2, 9):
        table = torch.full((3, 3000), -1, dtype=torch.int32)
        table[2, 2999] = row
        try:
            table_pairs(library, table, 9)
        except EngineError:
            continue
        sys.exit(f"a table with row {row} was taken")


if __name__ == "__main__":
    sys.exit(main())
