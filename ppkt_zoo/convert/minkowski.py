"""`convert_res16unet`: tensors of a Res16UNet as MinkowskiEngine's projects save it → those of an SRUNet.

MinkowskiEngine is not needed. It stores a kernel as [K, C_in, C_out] with its offsets in a row, x fastest; ours is
(C_out, k_x, k_y, k_z, C_in). Under MinkowskiEngine 0.4 the residual blocks of PointContrast and Contrastive Scene
Contexts have the region HYBRID, whose 27 offsets come centre first. Read as a cube they fit every shape and give wrong
features, and nothing in a file tells the two apart, so the dialect has no default.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.safetensors import load_foreign
from ppkt_zoo.files.text import first_few
from ppkt_zoo.files.torch import PICKLE, ZIP, check_plain_tensors, first_bytes, read_torch_file

Dialect = Literal["pointcontrast", "csc", "slidr"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
_HYBRID: frozenset[Dialect] = frozenset({"pointcontrast", "csc"})

#: Offset i of a cube of 27, x fastest, is offset _CENTRE_FIRST[i] of the region HYBRID.
_CENTRE_FIRST = (
    (19, 15, 23, 11, 9, 13, 21, 17, 25, 5, 3, 7, 1, 0, 2, 6, 4, 8, 20, 16, 24, 12, 10, 14, 22, 18, 26)
)  # fmt: skip

_FIRST = "conv0p1s1.kernel"
_LEVELS = 4
_BLOCK = re.compile(r"block([1-8])\.(\d+)\.")
_NORM_LEAVES = ("weight", "bias", "running_mean", "running_var")
_COUNTER = "num_batches_tracked"
_DEEPEST = 4
_MISSING = "does not exist: give the checkpoint's path"


@dataclass(frozen=True)
class ConvertedNetwork:
    """What a checkpoint held.

    Attributes:
        planes, blocks: of the four levels down, then of the four levels up.
        in_channels, stem_channels, stem_kernel: of the first layer.
        state: all tensors of the :class:`ppkt_zoo.backbones.SRUNet` that they describe, float32.
        final: of the 1×1 layer behind it, which is no part of a backbone: ``weight`` (K, C), ``bias`` (K,); empty where
            there is none.
        prefix: what stood before every name.
        left_out: names of tensors that belong to no Res16UNet: optimisers, other networks, heads.
    """

    planes: tuple[int, ...]
    blocks: tuple[int, ...]
    in_channels: int
    stem_channels: int
    stem_kernel: int
    state: dict[str, Tensor]
    final: dict[str, Tensor]
    prefix: str
    left_out: tuple[str, ...]


def convert_res16unet(tensors: Mapping[str, Tensor], dialect: Dialect) -> ConvertedNetwork:
    """Find the Res16UNet among a checkpoint's tensors and rewrite it.

    Args:
        tensors: name → tensor, with any prefix (``module.``, ``model.``, …).
        dialect: who saved it: ``pointcontrast``, ``csc`` (MinkowskiEngine 0.4, blocks in the region HYBRID) or
            ``slidr`` (0.5, also the PPKT in SLidR's repository).

    Raises:
        WeightError: no such dialect, no Res16UNet or several, bottleneck blocks, a layer that is missing, has another
            shape or is no part of this family, or numbers that are NaN or infinite.
    """
    if dialect not in DIALECTS:
        raise WeightError(f"there is no dialect {dialect!r}: say who saved the file, {', '.join(DIALECTS)}")
    prefix = _find_prefix(tensors)
    layers = _Layers({name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)})
    counts = _count_blocks(layers)
    state: dict[str, Tensor] = {}

    stem = layers.kernel("conv0p1s1", odd=True)
    state["stem.conv.weight"] = stem
    layers.norm("bn0", "stem.norm", state)
    for level in range(_LEVELS):
        down, up = f"down.{level}", f"up.{level}"
        state[f"{down}.down.conv.weight"] = layers.kernel(f"conv{level + 1}p{2**level}s2", edge=2)
        layers.norm(f"bn{level + 1}", f"{down}.down.norm", state)
        state[f"{up}.up.conv.weight"] = layers.kernel(f"convtr{level + 4}p{16 >> level}s2", edge=2)
        layers.norm(f"bntr{level + 4}", f"{up}.up.norm", state)
    for number, count in enumerate(counts):
        stage = f"down.{number}" if number < _LEVELS else f"up.{number - _LEVELS}"
        for place in range(count):
            theirs, ours = f"block{number + 1}.{place}", f"{stage}.blocks.{place}"
            layers.block(theirs, ours, state, centre_first=dialect in _HYBRID)
    final = layers.final()
    layers.check_all_read()
    planes = tuple(
        state[f"{f'down.{n}' if n < _LEVELS else f'up.{n - _LEVELS}'}.blocks.0.first.conv.weight"].shape[0]
        for n in range(2 * _LEVELS)
    )
    outside = {name for name in tensors if not name.startswith(prefix)}
    return ConvertedNetwork(
        planes=planes,
        blocks=counts,
        in_channels=stem.shape[-1],
        stem_channels=stem.shape[0],
        stem_kernel=stem.shape[1],
        state=state,
        final=final,
        prefix=prefix,
        left_out=tuple(sorted(outside | {prefix + name for name in layers.foreign})),
    )


class _Layers:
    """A network's tensors by MinkowskiEngine's names; remembers which were read."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = tensors
        self.foreign = {name for name in tensors if not _is_ours(name)}
        self._read: set[str] = set()

    def take(self, *names: str) -> Tensor:
        """The tensor that has one of these names, as float32."""
        name = next((name for name in names if name in self.tensors), None)
        if name is None:
            raise WeightError(f"the checkpoint has no {names[0]}: it is no whole Res16UNet")
        self._read.add(name)
        value = self.tensors[name].detach().to(torch.float32)
        if not bool(torch.isfinite(value).all()):
            raise WeightError(f"{name} has NaN or infinite numbers: the training behind this checkpoint diverged")
        return value

    def kernel(self, layer: str, edge: int | None = None, odd: bool = False, centre_first: bool = False) -> Tensor:
        """[K, C_in, C_out] → (C_out, k, k, k, C_in)."""
        name = f"{layer}.kernel"
        value = self.take(name)
        size = round(value.shape[0] ** (1 / 3)) if value.ndim == 3 else 0
        right = (
            size > 0 and size**3 == value.shape[0] and (edge is None or size == edge) and not (odd and size % 2 == 0)
        )
        if not right:
            wanted = "an odd cube" if edge is None else f"{edge**3}"
            raise WeightError(f"{name} has the shape {tuple(value.shape)}, not [K, C_in, C_out] with K {wanted}")
        if centre_first:
            value = value[list(_CENTRE_FIRST)]
        cube = value.reshape(size, size, size, *value.shape[1:])  # z, y, x, C_in, C_out
        return cube.permute(4, 2, 1, 0, 3).contiguous()

    def linear(self, layer: str) -> Tensor:
        """A 1×1×1 kernel [C_in, C_out], or with an axis of 1 before → (C_out, C_in)."""
        value = self.take(f"{layer}.kernel")
        matrix = value[0] if value.ndim == 3 and value.shape[0] == 1 else value
        if matrix.ndim != 2:
            raise WeightError(f"{layer}.kernel has the shape {tuple(value.shape)}, not [C_in, C_out]")
        return matrix.T.contiguous()

    def norm(self, theirs: str, ours: str, state: dict[str, Tensor]) -> None:
        """A batch norm, whose tensors lie under ``.bn`` where MinkowskiEngine wraps torch's."""
        for leaf in _NORM_LEAVES:
            state[f"{ours}.{leaf}"] = self.take(f"{theirs}.bn.{leaf}", f"{theirs}.{leaf}")
        counted = next((self.tensors[name] for name in self._counters(theirs) if name in self.tensors), torch.tensor(0))
        self._read.update(name for name in self._counters(theirs) if name in self.tensors)
        state[f"{ours}.{_COUNTER}"] = counted.detach().to(torch.int64)

    def block(self, theirs: str, ours: str, state: dict[str, Tensor], centre_first: bool) -> None:
        """A basic block: two convolutions with norm, and a 1×1×1 one around them where the width changes."""
        if f"{theirs}.conv3.kernel" in self.tensors:
            raise WeightError(f"{theirs} is a bottleneck block (Res16UNet50 and 101): only basic blocks are converted")
        for number, part in ((1, "first"), (2, "second")):
            kernel = self.kernel(f"{theirs}.conv{number}", edge=3, centre_first=centre_first)
            state[f"{ours}.{part}.conv.weight"] = kernel
            self.norm(f"{theirs}.norm{number}", f"{ours}.{part}.norm", state)
        if f"{theirs}.downsample.0.kernel" in self.tensors:
            state[f"{ours}.shortcut.0.weight"] = self.linear(f"{theirs}.downsample.0")
            self.norm(f"{theirs}.downsample.1", f"{ours}.shortcut.1", state)

    def final(self) -> dict[str, Tensor]:
        """The 1×1 layer at the end, where there is one."""
        if "final.kernel" not in self.tensors:
            return {}
        weight = self.linear("final")
        bias = self.take("final.bias").reshape(-1) if "final.bias" in self.tensors else torch.zeros(len(weight))
        if bias.shape != (len(weight),):
            raise WeightError(f"final.bias has {len(bias)} numbers, final.kernel {len(weight)} channels")
        return {"weight": weight, "bias": bias}

    def check_all_read(self) -> None:
        """Nothing of the network may be left behind."""
        unread = sorted(set(self.tensors) - self.foreign - self._read)
        if unread:
            named = first_few(unread, 5, counted=True)
            raise WeightError(f"{named} have no place in a Res16UNet of basic blocks: this is another network")

    @staticmethod
    def _counters(theirs: str) -> tuple[str, str]:
        return f"{theirs}.bn.{_COUNTER}", f"{theirs}.{_COUNTER}"


def _find_prefix(tensors: Mapping[str, Tensor]) -> str:
    found = sorted(name.removesuffix(_FIRST) for name in tensors if name == _FIRST or name.endswith(f".{_FIRST}"))
    if not found:
        some = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise WeightError(f"the checkpoint has no {_FIRST}, so it holds no Res16UNet; it holds {some} …")
    if len(found) > 1:
        names = ", ".join(repr(one) for one in found)
        raise WeightError(
            f"the checkpoint holds {len(found)} Res16UNets, under {names}: save the one that you want alone"
        )
    return found[0]


def _is_ours(name: str) -> bool:
    """Whether a name is of a Res16UNet's own layers."""
    return bool(re.match(r"(conv\d+p\d+s\d+|convtr\d+p\d+s\d+|bn\d+|bntr\d+|block\d+\.\d+|final)\.", name))


def _count_blocks(layers: _Layers) -> tuple[int, ...]:
    """Blocks of each of the eight stages; they must be numbered from 0 without a gap."""
    seen: dict[int, set[int]] = {stage: set() for stage in range(1, 2 * _LEVELS + 1)}
    for name in layers.tensors:
        match = _BLOCK.match(name)
        if match is not None:
            seen[int(match[1])].add(int(match[2]))
    for stage, numbers in seen.items():
        if numbers != set(range(len(numbers))) or not numbers:
            raise WeightError(f"block{stage} has the blocks {sorted(numbers)}: a whole network numbers them from 0")
    return tuple(len(numbers) for numbers in seen.values())


def open_checkpoint(file: Path) -> dict[str, Tensor]:
    """Name → tensor of a ``.pth`` or safetensors file; those of dictionaries inside, their names joined by dots.

    A ``.pth`` is opened with ``weights_only=True`` alone, so nothing in it can run; its parts are held against their
    checksums.

    Raises:
        WeightError: no such file, cut or damaged, objects that torch does not open safely, or no tensors.
    """
    start = first_bytes(file, "checkpoint", WeightError, _MISSING)
    if start == ZIP or start[:2] == PICKLE:
        content = read_torch_file(file, str(file), WeightError)
    else:
        content = load_foreign(file, f"{file} is neither a torch checkpoint nor a safetensors file", WeightError)
    found = dict(_tensors(content, "", 0))
    if not found:
        raise WeightError(f"{file} holds a {type(content).__name__} without tensors")
    check_plain_tensors(found, str(file), WeightError)
    return found


def _tensors(content: Any, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(content, Tensor):
        yield prefix, content
    elif isinstance(content, Mapping) and depth < _DEEPEST:
        for name, value in content.items():
            yield from _tensors(value, f"{prefix}.{name}" if prefix else str(name), depth + 1)
