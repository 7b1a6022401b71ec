"""Who does the sparse convolutions: engines, chosen by name."""

import difflib
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError, UnknownNameError
from ppkt_zoo.native import library
from ppkt_zoo.sparse.engines.native import NativeEngine
from ppkt_zoo.sparse.engines.spconv import SpconvEngine
from ppkt_zoo.sparse.engines.torch import TorchEngine
from ppkt_zoo.sparse.kernel_map import KernelMap

#: Names that :func:`get_engine` knows.
ENGINES = ("auto", "native", "torch", "spconv", "spconv_triton")


class Engine(Protocol):
    """What a convolution layer asks of an engine."""

    name: str

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
        """See :meth:`ppkt_zoo.sparse.engines.torch.TorchEngine.convolve`."""
        ...


def get_engine(name: str = "auto", device: torch.device | str = "cpu") -> Engine:
    """The engine of that name.

    Args:
        name: "native", "torch", "spconv", "spconv_triton", or "auto": on the CPU native where the native library
            was built, else torch; on CUDA the first of spconv and spconv_triton that imports, else torch.
        device: where the tensors are; only "auto" looks at it.

    Raises:
        UnknownNameError: no such engine; the message has the nearest right names.
        EngineError: the engine is not installed; the message names the pip line.
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownNameError(f"no engine {name!r}: {hint}known: {', '.join(ENGINES)}")
    if name == "auto":
        on_cuda = torch.device(device).type == "cuda"
        name = _fastest() if on_cuda else "torch" if library() is None else "native"
    return _load(name)


@cache
def _fastest() -> str:
    """The engine for CUDA."""
    for name in ("spconv", "spconv_triton"):
        try:
            _load(name)
        except EngineError:
            continue
        return name
    return "torch"


@cache
def _load(name: str) -> Engine:
    if name == "torch":
        return TorchEngine()
    if name == "native":
        return NativeEngine()
    return SpconvEngine(name)
