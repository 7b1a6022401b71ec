"""Adapter for spconv and spconv-triton: the same parameters and kernel maps, run by their kernels on CUDA.

The adapter hands over our own rulebook and lets neither package look at coordinates. So its traps (spatial
shapes that lose their last plane, negative coordinates, strided outputs in another order) cannot arise.
Kernels of up to 32 offsets run as masked implicit GEMM; larger ones (the 5×5×5 stem) and everything on the
CPU as spconv's native gather-GEMM-scatter. Bias is added here, since spconv ignores it on the CPU.
"""

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError
from ppkt_zoo.sparse.engines.gemm import working_dtype
from ppkt_zoo.sparse.engines.torch import scaled
from ppkt_zoo.sparse.kernel_map import KernelMap

Rules = TypeVar("Rules")

_MASKED_OFFSETS = 32
_INSTALL = {
    "spconv": "pip install spconv-cu120 (Python < 3.12) or spconv-cu126 (from 3.12)",
    "spconv_triton": "pip install spconv-triton",
}


@dataclass(frozen=True)
class MaskedTables:
    """spconv's rulebook of the masked implicit GEMM.

    Attributes:
        forth, back: int32 (K, M_out) and (K, M_in), partner row or -1.
        forth_mask, back_mask: int32 (M, 1), bit k of a row tells whether it has a partner at offset k; sorted.
        forth_order, back_order: int32 (M,), the row of each sorted mask.
    """

    forth: Tensor
    back: Tensor
    forth_mask: Tensor
    back_mask: Tensor
    forth_order: Tensor
    back_order: Tensor

    def reversed(self) -> "MaskedTables":
        """The same rulebook walked from output to input."""
        return MaskedTables(self.back, self.forth, self.back_mask, self.forth_mask, self.back_order, self.forth_order)


def native_pairs(kernel_map: KernelMap) -> tuple[Tensor, Tensor]:
    """spconv's native rulebook of a map.

    Returns:
        int32 (2, K, L), for each offset the input rows and the output rows that meet, filled with -1; and int32 (K,),
        on the CPU, how many meet.
    """
    table = kernel_map.table
    counts = (table >= 0).sum(dim=1)
    pairs = table.new_full((2, table.shape[0], max(kernel_map.inputs, kernel_map.outputs)), -1)
    for offset in range(table.shape[0]):
        rows = (table[offset] >= 0).nonzero()[:, 0]
        pairs[0, offset, : rows.shape[0]] = table[offset, rows]
        pairs[1, offset, : rows.shape[0]] = rows.int()
    return pairs, counts.int().cpu()


def masked_tables(kernel_map: KernelMap) -> MaskedTables:
    """The masked rulebook of a map of at most 32 offsets."""
    forth, back = kernel_map.table, kernel_map.back_table().contiguous()
    forth_mask, forth_order = _sorted_mask(forth)
    back_mask, back_order = _sorted_mask(back)
    return MaskedTables(forth, back, forth_mask, back_mask, forth_order, back_order)


class SpconvEngine:
    """Convolutions by spconv, or by spconv-triton, which has the same interface."""

    def __init__(self, name: str) -> None:
        """Args: name: "spconv" or "spconv_triton".

        Raises:
            EngineError: the package is not installed or does not import; the message names the pip line.
        """
        self.name = name
        try:
            with warnings.catch_warnings():
                # spconv 2.3 imports with a page of warnings about torch.cuda.amp.
                warnings.simplefilter("ignore", FutureWarning)
                self._functional = importlib.import_module(f"{name}.pytorch.functional")
            self._algorithms: ModuleType = importlib.import_module(f"{name}.core")
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineError(f"engine {name!r} cannot be used ({error}): {_INSTALL[name]}") from error

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

        spconv knows fp32 and fp16; what would be bf16 it computes in fp32.

        Raises:
            EngineError: gradients on the CPU (spconv), or anything on the CPU (spconv_triton).
        """
        self._check(feats, weight)
        dtype = working_dtype(feats, weight)
        inner = torch.float32 if dtype == torch.bfloat16 and self.name == "spconv" else dtype
        with torch.autocast(feats.device.type, enabled=False):
            weight = weight if scale is None else scaled(weight, scale)
            feats, weight = feats.to(inner).contiguous(), weight.to(inner).contiguous()
            if feats.is_cuda and kernel_map.offsets <= _MASKED_OFFSETS:
                out = self._masked(feats, weight, kernel_map, transposed)
            else:
                out = self._native(feats, weight, kernel_map, transposed)
            out = out.to(dtype)
            if bias is not None:
                out = out + bias.to(dtype)
            out = out if into is None else into.add_(out)
            return out.relu_() if relu else out

    def _check(self, feats: Tensor, weight: Tensor) -> None:
        if feats.is_cuda:
            return
        if self.name == "spconv_triton":
            raise EngineError("engine 'spconv_triton' runs on a GPU only: choose engine='torch' on the CPU")
        if torch.is_grad_enabled() and (feats.requires_grad or weight.requires_grad):
            raise EngineError(
                "engine 'spconv' has no backward pass on the CPU: choose engine='torch', or use torch.no_grad()"
            )

    def _rules(self, kernel_map: KernelMap, build: Callable[[KernelMap], Rules]) -> Rules:
        key = (self.name, build.__name__)
        if key not in kernel_map.plans:
            with torch.no_grad():
                kernel_map.plans[key] = build(kernel_map)
        rules: Rules = kernel_map.plans[key]
        return rules

    def _native(self, feats: Tensor, weight: Tensor, kernel_map: KernelMap, transposed: bool) -> Tensor:
        pairs, counts = self._rules(kernel_map, native_pairs)
        if kernel_map.symmetric:
            # A submanifold map walked backwards is the same map with the offsets in reverse.
            weight = weight.flip(1, 2, 3) if transposed else weight
            run, rows = self._functional.indice_subm_conv, kernel_map.outputs
        elif transposed:
            run, rows = self._functional.indice_inverse_conv, kernel_map.inputs
        else:
            run, rows = self._functional.indice_conv, kernel_map.outputs
        algorithm = self._algorithms.ConvAlgo.Native
        out: Tensor = run(feats, weight, pairs, counts.to(feats.device), rows, algorithm)
        return out

    def _masked(self, feats: Tensor, weight: Tensor, kernel_map: KernelMap, transposed: bool) -> Tensor:
        rules = self._rules(kernel_map, masked_tables)
        rules = rules.reversed() if transposed else rules
        trains = torch.is_grad_enabled() and (feats.requires_grad or weight.requires_grad)
        symmetric = kernel_map.symmetric
        out: Tensor = self._functional.implicit_gemm(
            feats,
            weight,
            rules.forth,
            rules.back,
            [rules.forth_mask],
            # For a submanifold layer spconv reads the forward mask in reverse and wants no other.
            [] if symmetric else [rules.back_mask],
            [rules.forth_order],
            [] if symmetric else [rules.back_order],
            rules.forth.shape[1],
            [np.array([0xFFFFFFFF], dtype=np.uint32)],
            trains,
            symmetric,
        )
        return out


def _sorted_mask(table: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted offset masks (M, 1) and the rows they belong to (M,), both int32."""
    bits = torch.arange(table.shape[0], device=table.device)[:, None]
    mask, order = ((table >= 0).long() << bits).sum(dim=0).sort(stable=True)
    # spconv reads the word as unsigned.
    signed = torch.where(mask >= 1 << 31, mask - (1 << 32), mask)
    return signed.int()[:, None].contiguous(), order.int()
