"""Whole networks on voxels: forward and training step of every engine and of spconv, and their share of the limit.

A forward pass begins with voxels and their features and builds every level and kernel map anew. A training step is such
a forward pass with gradients, and the backward pass; the optimiser, equal for all, is left out.
"""

import contextlib
import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.speed.peers import SpconvUNet, has, spconv_trains
from benchmarks.speed.timing import Clock, Run, dense_rate, dense_runs, interleaved
from ppkt_zoo.backbones import sr_unet14_small, sr_unet34
from ppkt_zoo.backbones.sr_unet import SRUNet
from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.engine.kept_memory import kept_memory
from ppkt_zoo.native import library
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.sparse import Grid, SparseTensor, StridedConv3d, SubmanifoldConv3d, TransposedConv3d

NETWORKS: dict[str, Callable[..., SRUNet]] = {"sr_unet34": sr_unet34, "sr_unet14_small": sr_unet14_small}
_SPEC = InputSpec(voxel_size=0.02)
_TOLERANCE = 1e-3


def make(name: str) -> SRUNet:
    """A network with random weights, the same ones each time."""
    torch.manual_seed(0)
    return NETWORKS[name](input_spec=_SPEC)


def features_of(coords: Tensor) -> Tensor:
    """Random colours, float32 (M, 3)."""
    return torch.rand((len(coords), len(_SPEC.channels)), generator=torch.Generator().manual_seed(0)) - 0.5


def forward(network: SRUNet, coords: Tensor, feats: Tensor, engine: str) -> Tensor:
    """Features of the finest level, float (M, C)."""
    levels = network.forward_voxels(SparseTensor(feats, Grid(coords), 1, engine))
    return list(levels.values())[-1].feats


def cpu_engines() -> tuple[str, ...]:
    """Ours that work here; the first one is what users get."""
    return ("torch",) if library() is None else ("native", "torch")


def products(network: SRUNet, coords: Tensor, training: bool) -> float:
    """Multiplications and additions that a pass needs: present neighbours alone, without batch norm and ReLU."""
    needed: list[float] = []

    def sparse(layer: nn.Module, given: tuple[Any, ...], out: SparseTensor) -> None:
        kernel_map, _ = layer._find_map(given[0])  # type: ignore[operator]
        share = int((kernel_map.table >= 0).sum()) / layer.weight.shape[1] ** 3  # type: ignore[union-attr, operator]
        needed.append(2.0 * share * layer.weight.numel())  # type: ignore[operator, union-attr]

    def dense(layer: nn.Module, given: tuple[Any, ...], out: Tensor) -> None:
        needed.append(2.0 * len(out) * layer.weight.numel())  # type: ignore[operator, union-attr]

    hooks = []
    for layer in network.modules():
        if isinstance(layer, SubmanifoldConv3d | StridedConv3d | TransposedConv3d):
            hooks.append(layer.register_forward_hook(sparse))
        elif isinstance(layer, nn.Linear):
            hooks.append(layer.register_forward_hook(dense))
    with torch.no_grad():
        forward(network, coords, features_of(coords), cpu_engines()[0])
    for hook in hooks:
        hook.remove()
    # The way back needs as much for the weights and for the inputs, which are no parameters at the stem.
    return sum(needed) if not training else 3.0 * sum(needed) - needed[0]


def measure(name: str, coords: Tensor, training: bool, repeats: int, now: Clock) -> dict[str, Any]:
    """One row: seconds of every engine and of spconv, their ratios to the first engine, and its share of the limit."""
    network, feats = make(name).train(training), features_of(coords)
    needed = products(network.eval(), coords, training)
    network.train(training)
    runs: dict[str, Run] = {
        engine: _run(lambda engine=engine: forward(network, coords, feats, engine), network, training)
        for engine in cpu_engines()
    }
    peer = SpconvUNet(network).train(training) if has("spconv") else None
    if peer is not None:
        runs["spconv"] = _run(lambda: peer(coords, feats), peer, training)
    ours = library()
    if ours is not None and ours.has_bfloat16 and not training:
        halved = make(name).eval().bfloat16()
        runs["native bf16"] = _run(lambda: forward(halved, coords, feats.bfloat16(), "native"), halved, False)
    # As in a training run: freed memory stays for the next step, of every engine.
    with flushed_denormals(), kept_memory() if training else contextlib.nullcontext():
        check = {key: run() for key, run in runs.items() if key != "native bf16"}
        _same_numbers(check)
        if peer is None or not training:
            seconds = interleaved({**runs, **dense_runs()}, repeats, now)
        else:
            with spconv_trains():
                seconds = interleaved({**runs, **dense_runs()}, repeats, now)
    row = {"network": name, "pass": "training step" if training else "forward", "voxels": len(coords)}
    return row | figures(seconds, needed)


def figures(seconds: dict[str, float], needed: float) -> dict[str, Any]:
    """Seconds, how many times as long the others take as ours, and our share of the dense rate.

    Args:
        seconds: medians by name, those of the dense products among them; the first one is ours.
        needed: multiplications and additions.
    """
    ours, rate = next(iter(seconds)), dense_rate(seconds)
    kept = {name: value for name, value in seconds.items() if not name.startswith("dense")}
    row: dict[str, Any] = {"engine": ours, "seconds": kept}
    row["ratio"] = {name: value / kept[ours] for name, value in kept.items() if name != ours}
    if "native bf16" in kept:
        row["ratio"]["native bf16"] = kept[ours] / kept["native bf16"]
    return row | {"gflop": needed / 1e9, "dense gflop/s": rate / 1e9, "of dense": needed / kept[ours] / rate}


def _run(run: Callable[[], Tensor], network: nn.Module, training: bool) -> Run:
    def forward_only() -> Tensor:
        with torch.no_grad():
            return run()

    def step() -> Tensor:
        network.zero_grad(set_to_none=True)
        out = run()
        # Squares, so that the gradient is no constant; a mean, so that it is not huge.
        out.square().mean().backward()
        return out.detach()

    return step if training else forward_only


def _same_numbers(found: dict[str, Tensor]) -> None:
    ours, want = next(iter(found.items()))
    scale = want.abs().max().item()
    for name, result in found.items():
        if (result - want).abs().max().item() > _TOLERANCE * scale:
            raise RuntimeError(f"{name} gives other numbers than {ours}")


def peak_memory(coords: Tensor, engine: str, name: str = "sr_unet34") -> dict[str, float]:
    """By how much a forward pass raises this process's peak, and what its largest level has to hold; in bytes.

    The largest level's activations are, by the network's definition, the feature tensors that live at once in the first
    block of the finest decoder level: its input (the level below brought up, beside the skip), what its first
    convolution gives, and its shortcut, which its result is added to.
    """
    network, feats = make(name).eval(), features_of(coords)
    with torch.no_grad():
        forward(network, coords[: len(coords) // 50], feats[: len(coords) // 50], engine)  # libraries load their parts
        forget_peak()
        before = memory_of_this_process("VmRSS")
        forward(network, coords, feats, engine)
    block = network.up[-1].blocks[0]
    widths = block.first.conv.in_channels + 2 * block.first.conv.out_channels
    activations = float(len(coords) * widths * feats.element_size())
    rise = memory_of_this_process("VmHWM") - before
    return {"before": before, "bytes": rise, "activations": activations, "ratio": rise / activations}


def forget_peak() -> None:
    """Give freed memory back, so that it does not hide what comes, and begin to count VmHWM anew, where that goes."""
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def memory_of_this_process(name: str) -> float:
    """VmRSS (now) or VmHWM (peak) in bytes; ru_maxrss would inherit the parent's peak."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024.0
    raise RuntimeError("this system does not tell the memory of a process in /proc/self/status")
