"""Where the time of a training step goes: SR-UNet34 on about one frame's voxels, with the native and the torch engine.

    python -m benchmarks.speed.step_shares

Forward and backward, maps included, by torch's profiler; the calls of the native library are marked by name. Shares are
of all time that the profiler saw on the calling thread.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks.machine import keep, machine, table, told
from benchmarks.speed.networks import features_of, forward, make
from benchmarks.speed.sparse_conv import FRAME
from benchmarks.speed.timing import instructions, room_voxels, some_voxels
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.kept_memory import kept_memory
from ppkt_zoo.sparse import tensor
from ppkt_zoo.sparse.engines import native

NAME = "sr_unet34"
#: Part of a step → the calls that belong to it, by the beginning of their names; the rest is one part more.
PARTS = {
    "products": ("native.convolve", "native.weight_gradient", "aten::mm", "aten::addmm", "mkldnn::"),
    "gathering and scattering": ("aten::index", "aten::gather", "aten::scatter", "aten::where", "aten::masked_fill"),
    "packing weights": ("native.pack_weight",),
    "kernel maps": ("native.search_pairs", "native.child_pairs", "native.table_pairs", "native.coarsen",
                    "aten::searchsorted", "aten::sort", "aten::argsort", "aten::_unique2"),
    "batch norm and ReLU": ("_NormReLU", "aten::native_batch_norm", "aten::threshold_backward", "aten::relu",
                            "aten::clamp_min", "aten::batch_norm"),
}  # fmt: skip
REST = "the rest"
_CALLS = ("convolve", "weight_gradient", "pack_weight", "search_pairs", "child_pairs", "table_pairs")


@contextmanager
def marked() -> Iterator[None]:
    """While open, the calls of the native library have names that the profiler sees."""
    places = [*((native, name) for name in _CALLS), (tensor, "coarsen")]
    before = [getattr(module, name) for module, name in places]
    try:
        for (module, name), call in zip(places, before, strict=True):
            setattr(module, name, _named(f"native.{name}", call))
        yield
    finally:
        for (module, name), call in zip(places, before, strict=True):
            setattr(module, name, call)


def _named(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def run(*values: Any, **named: Any) -> Any:
        with record_function(name):
            return call(*values, **named)

    return run


def part_of(name: str) -> str:
    """The part of a step that a call belongs to."""
    return next((part for part, begins in PARTS.items() if name.startswith(begins)), REST)


def shares(engine: str, voxels: int, steps: int) -> dict[str, Any]:
    """Share of each part, and the seconds of a step."""
    network, coords = make(NAME).train(), some_voxels(room_voxels(), voxels)
    feats = features_of(coords)

    def step() -> None:
        network.zero_grad(set_to_none=True)
        forward(network, coords, feats, engine).square().mean().backward()

    with flushed_denormals(), kept_memory(), marked():
        step()
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            for _ in range(steps):
                step()
    spent: dict[str, float] = dict.fromkeys([*PARTS, REST], 0.0)
    for event in seen.key_averages():
        spent[part_of(event.key)] += event.self_cpu_time_total / 1e6
    whole = sum(spent.values())
    return {"engine": engine, "seconds": whole / steps, "shares": {part: one / whole for part, one in spent.items()}}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=FRAME)
    parser.add_argument("--steps", type=int, default=3)
    asked = parser.parse_args()
    here = machine()
    rows = [shares(engine, asked.voxels, asked.steps) for engine in ("native", "torch")]
    print(told(here))
    print(table([{"engine": row["engine"], "seconds": row["seconds"], **row["shares"]} for row in rows]))
    result = {"machine": here, "instructions": instructions(), "network": NAME, "voxels": asked.voxels, "rows": rows}
    print(f"kept in {keep('step_shares', result)}")


if __name__ == "__main__":
    main()
