"""`to_spunet`: an SRUNet's tensors under the names and in the layout of a sparse U-Net in spconv (Pointcept's SpUNet).

Names and layout are SpUNet's; the network is not quite: here a step down keeps its width and the first block widens,
there the step down widens. ``examples/spunet_in_spconv.py`` is a plain spconv network of these names that gives our
features. Batch norms have eps 1e-5.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from ppkt_zoo.errors import WeightError

_RULES: tuple[tuple[str, str], ...] = (
    (r"stem\.conv\.", r"conv_input.0."),
    (r"stem\.norm\.", r"conv_input.1."),
    (r"down\.(\d)\.down\.conv\.", r"down.\1.0."),
    (r"down\.(\d)\.down\.norm\.", r"down.\1.1."),
    (r"down\.(\d)\.blocks\.(\d+)\.", r"enc.\1.block\2."),
    (r"up\.(\d)\.up\.conv\.", r"up.~\1.0."),
    (r"up\.(\d)\.up\.norm\.", r"up.~\1.1."),
    (r"up\.(\d)\.blocks\.(\d+)\.", r"dec.~\1.block\2."),
)
_INNER = {"first.conv": "conv1", "first.norm": "bn1", "second.conv": "conv2", "second.norm": "bn2", "shortcut": "proj"}
_STAGES = 4


def to_spunet(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename an SRUNet's state dict.

    Kernels stay (C_out, k_x, k_y, k_z, C_in), which is spconv's; the 1×1×1 layers around blocks become kernels
    (C_out, 1, 1, 1, C_in); stages of the decoder are numbered from the finest, as SpUNet does.

    Args:
        state: of an :class:`ppkt_zoo.backbones.SRUNet`.

    Raises:
        WeightError: a tensor of another network.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        target = _rename(name)
        # spconv's 1×1×1 layer multiplies by weight.view(C_in, C_out): the matrix lies untransposed in it.
        if ".proj.0." in target:
            value = value.T.reshape(value.shape[0], 1, 1, 1, value.shape[1])
        renamed[target] = value.contiguous()
    return renamed


def _rename(name: str) -> str:
    for pattern, target in _RULES:
        match = re.match(pattern, name)
        if match is not None:
            rest = name[match.end() :]
            for ours, theirs in _INNER.items():
                if rest.startswith(f"{ours}."):
                    rest = theirs + rest[len(ours) :]
            head = match.expand(target)
            return re.sub(r"~(\d)", lambda one: str(_STAGES - 1 - int(one[1])), head) + rest
    raise WeightError(f"{name} is no tensor of an SR-UNet: only that family has SpUNet's names")
