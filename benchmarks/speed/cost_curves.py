"""What a submanifold layer 3×3×3 costs by the number of voxels and by its width: time and memory of every engine.

    python -m benchmarks.speed.cost_curves
    python -m benchmarks.speed.cost_curves --most 5000000

Forward passes with the map at hand and with the map built on the way, medians of interleaved runs; and by how much one
pass with its map raises the peak memory of a process of its own. Voxels are parts of the furnished room, or several
rooms as several clouds. Writes ``benchmarks/results/cost_curves.json`` and the picture ``docs/images/cost_curves.png``.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import ROOT, keep, machine, table, told
from benchmarks.speed.networks import cpu_engines, forget_peak, memory_of_this_process
from benchmarks.speed.peers import has, spconv_layer
from benchmarks.speed.timing import Run, instructions, interleaved, room_voxels, some_voxels
from ppkt_zoo.sparse import Grid, SparseTensor, SubmanifoldConv3d

COUNTS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 2_000_000, 5_000_000)
WIDTHS = (16, 32, 64, 96, 128, 192, 256)
FIXED_WIDTH, FIXED_COUNT = 32, 50_000
PICTURE = ROOT / "docs" / "images" / "cost_curves.png"


def main() -> None:
    """Measure, print, keep and draw."""
    asked = read_arguments()
    if asked.child is not None:
        engine, count, width = asked.child[0], int(asked.child[1]), int(asked.child[2])
        print(peak_memory(some_voxels(room_voxels(), count), width, engine))
        return
    room = room_voxels()
    points = [(count, FIXED_WIDTH) for count in COUNTS if count <= asked.most]
    points += [(FIXED_COUNT, width) for width in asked.widths]
    rows = [row for count, width in points for row in measure(some_voxels(room, count), width, asked)]
    result = {
        "machine": machine(),
        "instructions": instructions(),
        "repeats": asked.repeats,
        "width": FIXED_WIDTH,
        "voxels": FIXED_COUNT,
        "rows": rows,
    }
    print(told(result["machine"]) + "\n\n" + table(rows))
    print(f"kept in {keep('cost_curves', result)}")
    draw(result, asked.picture)
    print(f"drawn in {asked.picture}")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000, help="most voxels; 5000000 needs about 8 GB")
    parser.add_argument("--widths", type=int, nargs="+", default=list(WIDTHS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--no-memory", action="store_true", help="leave the processes out that measure memory")
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--child", nargs=3, metavar=("ENGINE", "VOXELS", "WIDTH"), help="only one peak, in bytes")
    return parser.parse_args()


def runs_of(coords: Tensor, width: int, engine: str) -> dict[str, Run]:
    """One engine's forward pass with its map at hand and with the map built anew."""
    torch.manual_seed(0)
    feats, layer = torch.randn(len(coords), width), SubmanifoldConv3d(width, width, 3)
    if engine == "spconv":
        forward, with_map = spconv_layer(coords, layer.weight)
        return {"forward": lambda: forward(feats), "with map": lambda: with_map(feats)}
    grid = Grid(coords)
    return {
        "forward": lambda: layer(SparseTensor(feats, grid, 1, engine)),
        "with map": lambda: layer(SparseTensor(feats, Grid(coords), 1, engine)),
    }


def measure(coords: Tensor, width: int, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each engine."""
    engines = [*cpu_engines(), *(["spconv"] if has("spconv") else [])]
    runs = {(engine, kind): run for engine in engines for kind, run in runs_of(coords, width, engine).items()}
    with torch.no_grad():
        seconds = interleaved(runs, asked.repeats)  # type: ignore[arg-type, type-var]
    rows = []
    for engine in engines:
        row: dict[str, Any] = {"voxels": len(coords), "width": width, "engine": engine}
        row |= {kind: seconds[engine, kind] for kind in ("forward", "with map")}  # type: ignore[index]
        rows.append(row | {"bytes": None if asked.no_memory else memory_of(engine, len(coords), width)})
    return rows


def peak_memory(coords: Tensor, width: int, engine: str) -> float:
    """By how much one pass with its map raises this process's peak, in bytes."""
    with torch.no_grad():
        runs_of(coords[:1000], width, engine)["with map"]()  # libraries load their parts
        torch.manual_seed(0)
        feats, layer = torch.randn(len(coords), width), SubmanifoldConv3d(width, width, 3)
        forget_peak()
        before = memory_of_this_process("VmRSS")
        if engine == "spconv":
            spconv_layer(coords, layer.weight)[1](feats)
        else:
            layer(SparseTensor(feats, Grid(coords), 1, engine))
    return max(0.0, memory_of_this_process("VmHWM") - before)


def memory_of(engine: str, count: int, width: int) -> float:
    """:func:`peak_memory` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.speed.cost_curves", "--child", engine, str(count), str(width)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: float = json.loads(done.stdout)
    return found


def draw(result: dict[str, Any], file: Path) -> None:
    """Seconds and memory over voxels and over width, a line for each engine."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6.5), layout="constrained")
    axes = figure.subplots(2, 2)
    rows = result["rows"]
    by_count = [row for row in rows if row["width"] == result["width"] and row["voxels"] != result["voxels"]]
    by_width = [row for row in rows if row["voxels"] == result["voxels"]]
    for column, (chosen, across, fixed) in enumerate(
        (
            (by_count, "voxels", f"{result['width']} channels"),
            (by_width, "width", f"{result['voxels']} voxels"),
        )
    ):
        for line, (key, label, unit) in enumerate((("with map", "seconds, map included", 1), ("bytes", "MB", 1e6))):
            panel = axes[line][column]
            for engine in dict.fromkeys(row["engine"] for row in chosen):
                found = [row for row in chosen if row["engine"] == engine and row[key] is not None]
                heights = [row[key] / unit for row in found]
                if found:
                    panel.plot([row[across] for row in found], heights, marker="o", markersize=3, label=engine)
            # An empty panel has no logarithms.
            scale = "log" if panel.lines else "linear"
            panel.set(xscale=scale, yscale=scale, xlabel=across, ylabel=label, title=fixed)
            if across == "width" and chosen:
                widths = sorted({row["width"] for row in chosen})
                panel.set_xticks(widths, [str(one) for one in widths])
                panel.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
            panel.grid(alpha=0.3)
    if rows:
        axes[0][0].legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
