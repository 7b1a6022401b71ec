"""Which of a published file's tensors are the backbone's: by name alone, with everything else accounted for.

Layouts known, as their authors publish them:

- torchvision, DINO (ResNet and ViT), timm: the network's own names; inside ``module.`` where DDP wrapped it.
- MoCo v1 and v2 (He et al., arXiv 1911.05722; Chen et al., arXiv 2003.04297): ``encoder_q.`` is the network, with
  the contrastive head in place of its classifier; ``encoder_k.``, ``queue`` and ``queue_ptr`` belong to training.
- MoCo v3 (Chen et al., arXiv 2104.02057): ``base_encoder.`` is the network, with a projector in place of its
  classifier; ``momentum_encoder.`` and ``predictor.`` belong to training.
- DINOv2's own files (Oquab et al., arXiv 2304.07193): ``mask_token`` belongs to training; registers are spelled
  otherwise than in timm, and the class token's place embedding lies in another tensor.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from torch import Tensor

from ppkt_zoo.errors import TeacherError

__all__ = ["MOCO_V3", "backbone_tensors"]

MOCO_V3 = "MoCo v3"


class _Layout(NamedTuple):
    """``network`` is the prefix to keep; ``head`` and ``aside`` are names (patterns) that are left out."""

    name: str
    network: str
    head: str
    aside: str


_LAYER = r"(\d+\.)?(weight|bias|running_mean|running_var|num_batches_tracked)"
_LAYOUTS = (
    _Layout("MoCo", "encoder_q.", rf"fc\.{_LAYER}", r"encoder_k\..+|queue|queue_ptr"),
    _Layout(MOCO_V3, "base_encoder.", rf"(fc|head)\.{_LAYER}", r"(momentum_encoder|predictor)\..+"),
    _Layout(MOCO_V3, "momentum_encoder.", rf"(fc|head)\.{_LAYER}", r"predictor\..+"),
)


def backbone_tensors(
    tensors: dict[str, Tensor], expected: Collection[str], origin: str
) -> tuple[dict[str, Tensor], str | None]:
    """The network's tensors under its own names, and the layout that the file has (None: the network's own).

    Args:
        tensors: all tensors of the file.
        expected: names of the network that is to be filled.
        origin: what errors call the file.

    Raises:
        TeacherError: a tensor that belongs neither to the network nor to what the layout leaves aside, or not one
            tensor of the network; the message lists the names or prefixes found.
    """
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    for layout in _LAYOUTS:
        if any(name.startswith(layout.network) for name in tensors):
            return _without_training(tensors, layout, origin), layout.name
    if "mask_token" in tensors and "mask_token" not in expected:
        tensors = _from_dinov2(tensors)
    if not any(name in expected for name in tensors):
        prefixes = sorted({".".join(name.split(".")[:2]) for name in tensors})
        raise TeacherError(
            f"{origin} holds no tensor of the network under a prefix that we know ('', 'module.', "
            f"{', '.join(repr(layout.network) for layout in _LAYOUTS)}); its names begin with "
            f"{', '.join(prefixes[:8]) or 'nothing at all'}{', …' if len(prefixes) > 8 else ''}: "
            "check the architecture, or save the network's own state_dict as safetensors"
        )
    return tensors, None


def _without_training(tensors: dict[str, Tensor], layout: _Layout, origin: str) -> dict[str, Tensor]:
    kept, strange = {}, []
    for name, tensor in tensors.items():
        own = name.removeprefix(layout.network)
        if own != name:
            if not re.fullmatch(layout.head, own):
                kept[own] = tensor
        elif not re.fullmatch(layout.aside, name):
            strange.append(name)
    if strange:
        raise TeacherError(
            f"{origin} has {layout.network!r} like a {layout.name} checkpoint, but also {len(strange)} tensors that "
            f"such a file does not have: {', '.join(strange[:5])}{', …' if len(strange) > 5 else ''}: "
            "save the network's own state_dict as safetensors"
        )
    return kept


def _from_dinov2(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2's names → timm's."""
    renamed = {
        name.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."): tensor
        for name, tensor in tensors.items()
        if name != "mask_token"
    }
    if "register_tokens" in renamed and "pos_embed" in renamed and "cls_token" in renamed:
        renamed["reg_token"] = renamed.pop("register_tokens")
        # timm's networks with registers add place embeddings to patches alone
        places = renamed["pos_embed"]
        renamed["cls_token"] = renamed["cls_token"] + places[:, :1]
        renamed["pos_embed"] = places[:, 1:]
    return renamed
