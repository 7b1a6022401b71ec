"""The dense product under the torch engine.

PyTorch multiplies fp32 matrices on the CPU with MKL, which leaves half of an AMD processor's AVX-512 unused
(88 GFLOP/s a core on an EPYC of family 26, where oneDNN reaches 210). PyTorch carries oneDNN too and calls
it for half precision; for fp32 it is reached by the operator that ``torch.compile`` uses for linear layers.
That operator has no public name, so it is tried once on a small product, and MKL serves where it fails.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor


def multiply(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    """``a @ b + bias`` without gradients.

    Args:
        a: (R, X), rows or columns contiguous.
        b: (X, N), contiguous (oneDNN falls back to a very slow path for other strides).
        bias: (N,) or None.
    """
    if a.device.type == "cpu" and a.dtype == torch.float32:
        linear = _onednn_linear()
        if linear is not None:
            return linear(a, b.t(), bias)
    return torch.mm(a, b) if bias is None else torch.addmm(bias, a, b)


def pointwise(feats: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1×1×1 convolution without gradients: (M, C_in), (C_out, C_in), (C_out,) → (M, C_out).

    It computes in the autocast dtype where autocast is on.
    """
    device = feats.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    else:
        dtype = torch.promote_types(feats.dtype, weight.dtype)
    with torch.autocast(device, enabled=False):
        return multiply(feats.to(dtype), weight.t().to(dtype).contiguous(), bias.to(dtype))


@cache
def _onednn_linear() -> Callable[[Tensor, Tensor, Tensor | None], Tensor] | None:
    """(a, weight (N, X), bias) → a · weightᵀ + bias by oneDNN, or None where it would not help or not work."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return None

    def linear(a: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(a, weight, bias, "none", [], "")
        return out

    # The answer is kept, so it must depend neither on a default dtype or device nor on autocast.
    a, b, bias = (torch.arange(count, dtype=torch.float32, device="cpu") for count in (12, 6, 2))
    a, b = a.view(4, 3), b.view(3, 2)
    try:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            right = torch.allclose(linear(a, b.t(), bias), a @ b + bias)
    except (AttributeError, RuntimeError):  # another version of PyTorch, or one built without it
        return None
    return linear if right else None
