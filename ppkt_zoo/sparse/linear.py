"""A linear layer for rows of ever other numbers: voxels, points, pairs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.sparse.engines.gemm import working_dtype

# Numbers of rows in an octave that products are made for.
_IN_AN_OCTAVE = 8


class RowsLinear(nn.Linear):
    """``nn.Linear``, with the same parameters and results, for (M, C) whose M is another in each step of training.

    For bfloat16 on the CPU oneDNN compiles a product for each M that it meets, forward and twice on the way back: in
    steps of fine-tuning a small network that took an eighth of the time. Here such rows are followed by zeros up to one
    of few M, whose products it then keeps.
    """

    def forward(self, feats: Tensor) -> Tensor:
        """Shapes: (M, C_in) → (M, C_out)."""
        rows = feats.shape[0]
        if feats.ndim != 2 or not compiles_anew(feats, self.weight):
            return super().forward(feats)
        out: Tensor = super().forward(F.pad(feats, (0, 0, 0, rounded_rows(rows) - rows)))
        return out[:rows]


def compiles_anew(feats: Tensor, weight: Tensor) -> bool:
    """Whether a product is one that oneDNN compiles for its number of rows, in training, where that is worth rows."""
    half = feats.device.type == "cpu" and working_dtype(feats, weight) == torch.bfloat16
    return half and torch.is_grad_enabled() and (feats.requires_grad or weight.requires_grad)


def rounded_rows(rows: int) -> int:
    """The next number of rows that products are made for: at most an eighth more."""
    octave = 1 << max(0, rows.bit_length() - 1)
    step = max(1, octave // _IN_AN_OCTAVE)
    return -(-rows // step) * step
