"""Other libraries' sparse convolutions on the CPU, with our weights: spconv's layers and network, ocnn's octree layer.

Each works as its own documentation shows it, with rulebooks that it builds itself. spconv's backward pass asks CUDA for
its stream even on the CPU; :func:`spconv_trains` answers in its place, without which training cannot be compared.
"""

import importlib
import importlib.util
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.blocks import BasicBlock, ConvNorm
from ppkt_zoo.backbones.sr_unet import SRUNet
from ppkt_zoo.sparse import StridedConv3d, SubmanifoldConv3d, TransposedConv3d

# spconv loses the last plane of a level whose edge is odd: room for four times halving.
_COARSEST = 16
Layer = Callable[[Tensor], Tensor]


def has(name: str) -> bool:
    """Whether a package is installed."""
    return importlib.util.find_spec(name) is not None


def spconv() -> Any:
    """spconv's PyTorch package, without its page of warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("spconv.pytorch")


@contextmanager
def spconv_trains() -> Iterator[None]:
    """Within it spconv's backward pass works on the CPU."""
    with patch("spconv.pytorch.ops.get_current_stream", lambda: 0):
        yield


def spconv_input(coords: Tensor, feats: Tensor) -> Any:
    """spconv's tensor of voxels int32 (M, 4) and features (M, C)."""
    shape = [-(-(int(edge) + 1) // _COARSEST) * _COARSEST for edge in coords[:, 1:].max(dim=0).values]
    return spconv().SparseConvTensor(feats, coords, shape, int(coords[-1, 0]) + 1)


def spconv_layer(coords: Tensor, weight: Tensor) -> tuple[Layer, Layer]:
    """A submanifold layer of spconv: with its rulebook at hand, and with the rulebook built anew each time."""
    library = spconv()
    layer = _converted(library.SubMConv3d, weight, "room")
    with torch.no_grad():
        rulebook = layer(spconv_input(coords, torch.zeros(len(coords), weight.shape[-1]))).indice_dict

    def forward(feats: Tensor) -> Tensor:
        x = spconv_input(coords, feats)
        x.indice_dict = rulebook
        out: Tensor = layer(x).features
        return out

    def with_map(feats: Tensor) -> Tensor:
        out: Tensor = layer(spconv_input(coords, feats)).features
        return out

    return forward, with_map


def octree_layer(coords: Tensor, weight: Tensor) -> Layer:
    """ocnn's octree convolution (``block_gemm``) over the same voxels, its tree and neighbours built beforehand."""
    octree, layers = importlib.import_module("ocnn.octree"), importlib.import_module("ocnn.nn")
    depth = int(coords[:, 1:].max()).bit_length()
    tree = octree.Octree(depth, 2)
    tree.build_octree(octree.Points(((coords[:, 1:].double() + 0.5) / 2 ** (depth - 1) - 1).float()))
    tree.construct_all_neigh()
    found = torch.stack(tree.xyzb(depth, nempty=True)[:3], dim=1).long()
    to_tree = torch.empty(len(coords), dtype=torch.int64)
    to_tree[_order(found)] = _order(coords[:, 1:].long())
    layer = layers.OctreeConv(weight.shape[-1], weight.shape[0], [3], 1, True, method="block_gemm")
    layer.weights.data.copy_(weight.detach().permute(1, 2, 3, 4, 0).reshape(layer.weights.shape))
    back = to_tree.argsort()

    def run(feats: Tensor) -> Tensor:
        # Rows in the tree's own order would be at hand in a network of theirs: the caller's order costs one copy.
        out: Tensor = layer(feats[to_tree], tree, depth)[back]
        return out

    return run


def _order(coords: Tensor) -> Tensor:
    return ((coords[:, 0] << 42) + (coords[:, 1] << 21) + coords[:, 2]).argsort()


class SpconvUNet(nn.Module):
    """An SR-UNet of spconv's layers with the weights of ours: convolution, batch norm, ReLU one after another."""

    def __init__(self, ours: SRUNet) -> None:
        super().__init__()
        self.stem = _Norm(ours.stem, "stem")
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, stage in enumerate(ours.down):
            blocks = [_Block(block, f"level{level + 1}") for block in stage.blocks]
            self.down.append(nn.ModuleList([_Norm(stage.down, f"down{level}"), *blocks]))
        for step, stage in enumerate(ours.up):
            level = len(ours.up) - 1 - step
            blocks = [_Block(block, f"level{level}") for block in stage.blocks]
            self.up.append(nn.ModuleList([_Norm(stage.up, f"down{level}"), *blocks]))

    def forward(self, coords: Tensor, feats: Tensor) -> Tensor:
        """Voxels int32 (M, 4) and features (M, C_in) → (M, C) of the finest level, in the same order."""
        skips = [self.stem(spconv_input(coords, feats))]
        for stage in self.down:
            x = skips[-1]
            for part in stage:
                x = part(x)
            skips.append(x)
        x = skips.pop()
        for stage in self.up:
            x, skip = stage[0](x), skips.pop()
            x = x.replace_feature(torch.cat([x.features, skip.features], dim=1))
            for part in stage[1:]:
                x = part(x)
        out: Tensor = x.features
        return out


class _Norm(nn.Module):
    def __init__(self, ours: ConvNorm, key: str) -> None:
        super().__init__()
        library, conv = spconv(), ours.conv
        kinds: dict[type[nn.Module], Any] = {
            SubmanifoldConv3d: library.SubMConv3d,
            StridedConv3d: library.SparseConv3d,
            TransposedConv3d: library.SparseInverseConv3d,
        }
        self.conv = _converted(kinds[type(conv)], conv.weight, key)
        self.norm = nn.BatchNorm1d(conv.out_channels)
        self.norm.load_state_dict(ours.norm.state_dict())
        self.relu = ours.relu

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        feats = self.norm(x.features)
        return x.replace_feature(feats.relu_() if self.relu else feats)


class _Block(nn.Module):
    def __init__(self, ours: BasicBlock, key: str) -> None:
        super().__init__()
        self.first, self.second = _Norm(ours.first, key), _Norm(ours.second, key)
        self.shortcut: nn.Module = nn.Identity()
        if not isinstance(ours.shortcut, nn.Identity):
            linear = nn.Linear(ours.shortcut[0].in_features, ours.shortcut[0].out_features, bias=False)
            self.shortcut = nn.Sequential(linear, nn.BatchNorm1d(linear.out_features))
            self.shortcut.load_state_dict(ours.shortcut.state_dict())

    def forward(self, x: Any) -> Any:
        inner = self.second(self.first(x))
        return inner.replace_feature((inner.features + self.shortcut(x.features)).relu_())


def _converted(kind: Any, weight: Tensor, key: str) -> Any:
    """A layer of spconv with our weight, which lies as spconv's does: (C_out, kD, kH, kW, C_in)."""
    library, edge = spconv(), weight.shape[1]
    more = {"stride": edge} if kind is library.SparseConv3d else {}
    layer = kind(
        weight.shape[-1],
        weight.shape[0],
        edge,
        bias=False,
        indice_key=key,
        algo=library.ConvAlgo.Native,
        **more,
    )
    layer.weight.data.copy_(weight.detach())
    return layer
