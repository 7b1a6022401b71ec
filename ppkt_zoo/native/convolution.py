"""Sparse convolution on tensors by the native library: packed weights, forward, gradient of the weight.

All tensors are on the CPU; what is handed to C is checked here, before any pointer moves.
"""

import math

import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native.library import Library, threads
from ppkt_zoo.native.maps import Pairs

_DTYPES = (torch.float32, torch.bfloat16)
# Rows that one stripe of the weight's gradient has at least, and how many stripes there are at most.
_STRIPE_ROWS, _STRIPES = 2048, 8


def pack_weight(
    library: Library, weight: Tensor, dtype: torch.dtype, scale: Tensor | None = None, back: bool = False
) -> Tensor:
    """A weight in the order in which the kernels read it.

    Args:
        library: the native library.
        weight: float (C_out, …, C_in), K offsets between.
        dtype: float32 or bfloat16, in which it will be multiplied.
        scale: float (C_out,) that the weight is multiplied with on the way.
        back: for the way of the gradient, from C_out to C_in.

    Raises:
        EngineError: the dtype, a shape or a device.
    """
    _check_place(weight, scale)
    if weight.ndim < 3:
        raise EngineError(f"a weight is (C_out, …, C_in) with offsets between, not {tuple(weight.shape)}")
    weight = weight.detach().float().contiguous()
    outputs, inputs = weight.shape[0], weight.shape[-1]
    offsets = math.prod(weight.shape[1:-1])
    half = _is_half(dtype)
    scale = None if scale is None else scale.detach().float().contiguous()
    if scale is not None and scale.shape != (outputs,):
        raise EngineError(f"a scale of {tuple(scale.shape)} does not fit {outputs} channels")
    packed = torch.empty(library.packed_size(outputs, offsets, inputs, back, half), dtype=dtype, device="cpu")
    library.call(
        "pack",
        weight.data_ptr(),
        packed.data_ptr(),
        outputs,
        offsets,
        inputs,
        back,
        half,
        None if scale is None else scale.data_ptr(),
        threads(),
    )
    return packed


def convolve(
    library: Library,
    feats: Tensor,
    packed: Tensor,
    channels: int,
    pairs: Pairs,
    *,
    flip: bool = False,
    back: bool = False,
    bias: Tensor | None = None,
    into: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    """One convolution: bias + what is in ``into`` + the sum over offsets, then ReLU.

    Args:
        library: the native library.
        feats: (M_in, C_in), float32 or bfloat16.
        packed: the weight, of the same dtype, packed for C_in and ``channels``.
        channels: C_out.
        pairs: which rows meet.
        flip: offset k of the pairs takes the weight of offset K - 1 - k.
        back: as the weight was packed.
        bias: float (C_out,).
        into: (M_out, C_out) of the dtype of feats that the result is added to, in place.
        relu: whether negative numbers become 0.

    Returns:
        (M_out, C_out), sums in float32, rounded once.

    Raises:
        EngineError: dtypes, shapes or devices that do not fit, or an ``into`` that is not contiguous.
    """
    _check_place(feats, packed, bias, into)
    if feats.ndim != 2:
        raise EngineError(f"features are (M, C), not {tuple(feats.shape)}")
    # What is read while ``into`` is being written must not be the same memory.
    feats = _apart(feats.detach(), into).contiguous()
    half = _is_half(feats.dtype)
    rows = (feats.shape[1], channels) if not back else (channels, feats.shape[1])
    expected = library.packed_size(rows[1], pairs.offsets, rows[0], back, half)
    if feats.shape[0] != pairs.inputs or packed.dtype != feats.dtype or packed.numel() != expected:
        raise EngineError(
            f"features {tuple(feats.shape)} of {feats.dtype} do not fit a map of {pairs.inputs} input rows and "
            f"{pairs.offsets} offsets with a weight of {packed.numel()} {packed.dtype}"
        )
    bias = None if bias is None else _apart(bias.detach(), into).float().contiguous()
    out = torch.empty((pairs.rows, channels), dtype=feats.dtype, device="cpu") if into is None else into
    if out.shape != (pairs.rows, channels) or out.dtype != feats.dtype or not out.is_contiguous():
        loose = "" if out.is_contiguous() else ", not contiguous,"
        raise EngineError(
            f"into {tuple(out.shape)} of {out.dtype}{loose} cannot take ({pairs.rows}, {channels}) of {feats.dtype}"
        )
    if bias is not None and bias.shape != (channels,):
        raise EngineError(f"a bias of {tuple(bias.shape)} does not fit {channels} channels")
    if pairs.rows and channels:
        library.call(
            "forward",
            feats.data_ptr(),
            feats.shape[1],
            packed.data_ptr(),
            *pairs.pointers(),
            pairs.offsets,
            pairs.rows,
            flip,
            out.data_ptr(),
            channels,
            None if bias is None else bias.data_ptr(),
            into is not None,
            relu,
            half,
            threads(),
        )
    return out


def weight_gradient(library: Library, feats: Tensor, grad: Tensor, pairs: Pairs, flip: bool = False) -> Tensor:
    """Gradient of a weight, float32 (C_out, K, C_in).

    The sums are the same on any number of threads.

    Args:
        library: the native library.
        feats: (M_in, C_in), float32 or bfloat16.
        grad: (M_out, C_out) of the same dtype.
        pairs: which rows meet.
        flip: as in :func:`convolve`.
    """
    _check_place(feats, grad)
    if feats.ndim != 2 or grad.ndim != 2:
        raise EngineError(f"features and gradients are (M, C), not {tuple(feats.shape)} and {tuple(grad.shape)}")
    feats, grad = feats.detach().contiguous(), grad.detach().contiguous()
    half = _is_half(feats.dtype)
    if grad.dtype != feats.dtype or feats.shape[0] != pairs.inputs or grad.shape[0] != pairs.rows:
        raise EngineError(
            f"features {tuple(feats.shape)} of {feats.dtype} and gradients {tuple(grad.shape)} of {grad.dtype} "
            f"do not fit a map from {pairs.inputs} to {pairs.rows} rows"
        )
    inputs, outputs = feats.shape[1], grad.shape[1]
    stripes = max(1, min(_STRIPES, pairs.rows // _STRIPE_ROWS))
    total = torch.empty((stripes, outputs, pairs.offsets, inputs), dtype=torch.float32, device="cpu")
    if not (pairs.inputs and pairs.rows and inputs and outputs):
        return total[0].zero_()
    library.call(
        "weight",
        feats.data_ptr(),
        inputs,
        grad.data_ptr(),
        outputs,
        *pairs.pointers(),
        pairs.offsets,
        pairs.rows,
        flip,
        total.data_ptr(),
        stripes,
        half,
        threads(),
    )
    # A view would keep the partial sums for as long as somebody holds the gradient.
    return total[0] if stripes == 1 else total[0].clone()


def _check_place(*tensors: Tensor | None) -> None:
    for one in tensors:
        if one is not None and (one.device.type != "cpu" or one.layout != torch.strided):
            raise EngineError(
                f"the native library computes on dense tensors on the CPU, not {one.layout} on {one.device}"
            )


def _apart(tensor: Tensor, written: Tensor | None) -> Tensor:
    """A tensor in memory of its own where it may share some with one that is being written."""
    if written is None or tensor.untyped_storage().data_ptr() != written.untyped_storage().data_ptr():
        return tensor
    return tensor.clone()


def _is_half(dtype: torch.dtype) -> bool:
    if dtype not in _DTYPES:
        raise EngineError(f"the native library computes in float32 and bfloat16, not in {dtype}")
    return dtype == torch.bfloat16
