"""The native engine: sparse convolution in C++ on the CPU, forward and backward, fp32 and bf16.

What it does not know (fp64, fp16, and bf16 products on a processor without them) it hands to PyTorch: other dtypes to
the torch engine, bf16 to its own fp32 kernels with one rounding at the end.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, find_library
from ppkt_zoo.native.convolution import convolve, pack_weight, weight_gradient
from ppkt_zoo.native.maps import Pairs, child_pairs, search_pairs, table_pairs
from ppkt_zoo.sparse.engines.gemm import working_dtype
from ppkt_zoo.sparse.engines.torch import TorchEngine, scaled
from ppkt_zoo.sparse.kernel_map import Children, KernelMap, Search


class NativeEngine:
    """Convolutions by the native library."""

    name = "native"

    def __init__(self, library: Library | None = None) -> None:
        """Args: library: the one of this installation where None.

        Raises:
            EngineError: there is none; the message has the mend.
        """
        found = library or find_library()
        if isinstance(found, str):
            raise EngineError(f"engine 'native' cannot be used: {found}")
        self._library = found
        self._other = TorchEngine()

    def convolve(
        self,
        feats: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        kernel_map: KernelMap,
        transposed: bool = False,
        into: Tensor | None = None,
        *,
        scale: Tensor | None = None,
        relu: bool = False,
    ) -> Tensor:
        """See :meth:`ppkt_zoo.sparse.engines.torch.TorchEngine.convolve`.

        Raises:
            EngineError: the tensors are not on the CPU.
        """
        if feats.device.type != "cpu":
            raise EngineError(f"engine 'native' runs on the CPU only, not on {feats.device}: choose engine='auto'")
        dtype = working_dtype(feats, weight)
        if dtype not in (torch.float32, torch.bfloat16):
            return self._other.convolve(feats, weight, bias, kernel_map, transposed, into, scale=scale, relu=relu)
        inner = dtype if self._library.has_bfloat16 else torch.float32
        with torch.autocast("cpu", enabled=False):
            learned = any(one is not None and one.requires_grad for one in (feats, weight, bias, scale))
            if torch.is_grad_enabled() and learned and into is None:
                weight = weight if scale is None else scaled(weight, scale)
                out: Tensor = _Convolution.apply(feats.to(inner), weight, bias, kernel_map, transposed, self._library)
                return out.to(dtype).relu() if relu else out.to(dtype)
            target = into if into is None or into.dtype == inner else into.to(inner)
            out = _forward(self._library, feats.to(inner), weight, bias, kernel_map, transposed, target, scale, relu)
            if out.dtype == dtype and (into is None or out is into):
                return out
            return out.to(dtype) if into is None else into.copy_(out)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        feats: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        kernel_map: KernelMap,
        transposed: bool,
        library: Library,
    ) -> Tensor:
        ctx.save_for_backward(feats, weight)
        ctx.kernel_map, ctx.transposed, ctx.library = kernel_map, transposed, library
        return _forward(library, feats, weight, bias, kernel_map, transposed)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        feats, weight = ctx.saved_tensors
        kernel_map, transposed, library = ctx.kernel_map, ctx.transposed, ctx.library
        grad_feats = grad_weight = grad_bias = None
        if ctx.needs_input_grad[2]:
            grad_bias = grad.sum(dim=0, dtype=torch.promote_types(weight.dtype, torch.float32)).to(weight.dtype)
        grad = grad.to(feats.dtype)
        if ctx.needs_input_grad[0]:
            pairs, flip = _pairs(library, kernel_map, not transposed)
            packed = pack_weight(library, weight, grad.dtype, back=True)
            grad_feats = convolve(library, grad, packed, weight.shape[-1], pairs, flip=flip, back=True)
        if ctx.needs_input_grad[1]:
            pairs, flip = _pairs(library, kernel_map, transposed)
            grad_weight = weight_gradient(library, feats, grad, pairs, flip).view(weight.shape).to(weight.dtype)
        return grad_feats, grad_weight, grad_bias, None, None, None


def _forward(
    library: Library,
    feats: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    kernel_map: KernelMap,
    transposed: bool,
    into: Tensor | None = None,
    scale: Tensor | None = None,
    relu: bool = False,
) -> Tensor:
    pairs, flip = _pairs(library, kernel_map, transposed)
    packed = pack_weight(library, weight, feats.dtype, scale)
    return convolve(library, feats, packed, weight.shape[0], pairs, flip=flip, bias=bias, into=into, relu=relu)


def _pairs(library: Library, kernel_map: KernelMap, back: bool) -> tuple[Pairs, bool]:
    """The pairs that walk a map one way or the other, and whether their offsets are read in reverse."""
    flip = back and kernel_map.symmetric
    key = ("native", back and not flip)
    if key not in kernel_map.plans:
        kernel_map.plans[key] = _build(library, kernel_map, back and not flip)
    pairs: Pairs = kernel_map.plans[key]
    return pairs, flip


def _build(library: Library, kernel_map: KernelMap, back: bool) -> Pairs:
    source = kernel_map.source
    if isinstance(source, Children) and source.place.dtype == torch.uint8:
        return child_pairs(library, source.parent, source.place, source.offsets, source.coarse, back)
    if isinstance(source, Search) and not back:
        return search_pairs(library, source.keys, source.origin, source.steps, source.lines)
    if back:
        return table_pairs(library, kernel_map.back_table(), kernel_map.outputs)
    return table_pairs(library, kernel_map.table, kernel_map.inputs)
