"""Every engine on a CUDA GPU: spconv, spconv-triton and the torch engine in fp32, TF32, fp16 and bf16, in one run.

    python -m benchmarks.speed.gpu

Kernel maps and rulebooks, one submanifold layer 3×3×3, the forward pass of SR-UNet34 and its training step (forward and
backward, without the optimiser) on a furnished room of about 175 000 voxels; medians of interleaved runs in seconds.
The last lines say which engine ``auto`` should pick for each precision. Engines that are not installed are left out.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import keep, machine, table, told
from benchmarks.speed.networks import features_of, forward, make
from benchmarks.speed.timing import Run, interleaved, room_voxels, some_voxels
from ppkt_zoo.errors import EngineError
from ppkt_zoo.sparse import Grid, SparseTensor, SubmanifoldConv3d, get_engine

ENGINES = ("spconv", "spconv_triton", "torch")
#: The dtype of autocast (None: fp32), and whether fp32 products may be TF32.
PRECISIONS: dict[str, tuple[torch.dtype | None, bool]] = {
    "fp32": (None, False),
    "TF32": (None, True),
    "fp16": (torch.float16, False),
    "bf16": (torch.bfloat16, False),
}
WORKS = ("maps", "layer forward", "network forward", "training step")


def main() -> None:
    """Measure, print and keep; without a GPU one line says so."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--voxels", type=int, default=174_470)
    parser.add_argument("--width", type=int, default=96, help="channels of the single layer")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks.speed.gpu needs a CUDA GPU, and PyTorch finds none here")
    coords = some_voxels(room_voxels(), asked.voxels).cuda()
    engines = installed()
    rows: list[dict[str, Any]] = []
    for precision in PRECISIONS:
        with working_in(precision):
            for work, runs in works(coords, engines, asked.width).items():
                for engine, seconds in interleaved(runs, asked.repeats, now).items():
                    rows.append({"precision": precision, "work": work, "engine": engine, "seconds": seconds})
    here = machine() | {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    print(told(here), here["gpu"], f"\n{len(coords)} voxels, layer of {asked.width} channels\n")
    print(table(side_by_side(rows)) + "\n")
    picks = best(rows)
    for precision, pick in picks.items():
        print(f"{precision}: auto should pick {pick}")
    result = {"machine": here, "voxels": len(coords), "width": asked.width, "rows": rows, "auto should pick": picks}
    print(f"kept in {keep('gpu', result)}")


def installed() -> list[str]:
    """The engines that import here; the reason of every other one is printed."""
    found = []
    for name in ENGINES:
        try:
            get_engine(name, "cuda")
        except EngineError as error:
            print(error)
            continue
        found.append(name)
    return found


def now() -> float:
    """Seconds, when everything that was asked of the GPU is done."""
    torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def working_in(precision: str) -> Iterator[None]:
    """Autocast and TF32 as a precision has them."""
    dtype, tensor_float = PRECISIONS[precision]
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = tensor_float
    flags = _package_flags()
    for module, name in flags:
        setattr(module, name, tensor_float)
    try:
        with torch.autocast("cuda", dtype=dtype or torch.float16, enabled=dtype is not None):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
        for (module, name), value in flags.items():
            setattr(module, name, value)


def _package_flags() -> dict[tuple[Any, str], bool]:
    """The switches of TF32 that spconv and spconv-triton have of their own, and how they stand."""
    found = {}
    for package in ("spconv", "spconv_triton"):
        module, name = sys.modules.get(f"{package}.constants"), "SPCONV_ALLOW_TF32"
        if hasattr(module, name):
            found[module, name] = bool(getattr(module, name))
    return found


def works(coords: Tensor, engines: Sequence[str], width: int) -> dict[str, dict[str, Run]]:
    """What is timed: by the work's name one run for each engine."""
    layer, feats = SubmanifoldConv3d(width, width).cuda(), torch.randn((len(coords), width), device=coords.device)
    network, colors, grid = make("sr_unet34").cuda(), features_of(coords).to(coords.device), Grid(coords)
    found: dict[str, dict[str, Run]] = {work: {} for work in WORKS}
    for engine in engines:
        found["maps"][engine] = _inference(lambda engine=engine: _maps(coords, feats[:, :1], engine))
        found["layer forward"][engine] = _inference(lambda engine=engine: layer(SparseTensor(feats, grid, 1, engine)))
        found["network forward"][engine] = _inference(
            lambda engine=engine: forward(network.eval(), coords, colors, engine)
        )
        found["training step"][engine] = lambda engine=engine: _step(network.train(), coords, colors, engine)
    return found


def _maps(coords: Tensor, feats: Tensor, engine: str) -> None:
    """A level, its submanifold and its strided map, and what the engine makes of them: by a layer of one channel."""
    x = SparseTensor(feats, Grid(coords), 1, engine)
    get_engine(engine, "cuda").convolve(feats, _ones(3), None, x.grid.submanifold(1, 3))
    get_engine(engine, "cuda").convolve(feats, _ones(2), None, x.grid.strided(1, 2, 2))


def _ones(edge: int) -> Tensor:
    return torch.ones((1, edge, edge, edge, 1), device="cuda")


def _inference(run: Callable[[], Any]) -> Run:
    def without_gradients() -> Any:
        with torch.no_grad():
            return run()

    return without_gradients


def _step(network: Any, coords: Tensor, colors: Tensor, engine: str) -> None:
    network.zero_grad(set_to_none=True)
    forward(network, coords, colors, engine).float().square().mean().backward()


def side_by_side(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line for each precision and work, a column of milliseconds for each engine, and the fastest one."""
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    lines: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        lines.setdefault((row["precision"], row["work"]), {})[row["engine"]] = row["seconds"]
    return [
        {"precision": precision, "work": work}
        | {f"{engine} ms": seconds[engine] * 1000 if engine in seconds else "–" for engine in engines}
        | {"fastest": min(seconds, key=seconds.__getitem__)}
        for (precision, work), seconds in lines.items()
    ]


def best(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """For each precision the engine whose whole networks are fastest: least product of forward and training step.

    Raises:
        ValueError: no engine did both.
    """
    picks = {}
    for precision in dict.fromkeys(row["precision"] for row in rows):
        times: dict[str, dict[str, float]] = {}
        for row in rows:
            if row["precision"] == precision and row["work"] in ("network forward", "training step"):
                times.setdefault(row["engine"], {})[row["work"]] = row["seconds"]
        both = {engine: math.prod(found.values()) for engine, found in times.items() if len(found) == 2}
        if not both:
            raise ValueError(f"no engine did a forward pass and a training step in {precision}")
        picks[precision] = min(both, key=both.__getitem__)
    return picks


if __name__ == "__main__":
    main()
