"""Who does the sparse convolutions: engines, chosen by name."""

import difflib
import importlib.util
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from ppkt_zoo.errors import UnknownNameError
from ppkt_zoo.sparse.engines.torch import TorchEngine
from ppkt_zoo.sparse.kernel_map import KernelMap

#: Names that :func:`get_engine` knows.
ENGINES = ("auto", "torch", "spconv", "spconv_triton")


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
    ) -> Tensor:
        """See :meth:`ppkt_zoo.sparse.engines.torch.TorchEngine.convolve`."""
        ...


def get_engine(name: str = "auto", device: torch.device | str = "cpu") -> Engine:
    """The engine of that name.

    Args:
        name: "torch", "spconv", "spconv_triton", or "auto": torch on the CPU; on CUDA the first of spconv
            and spconv_triton that is installed, else torch.
        device: where the tensors are; only "auto" looks at it.

    Raises:
        UnknownNameError: no such engine.
        EngineError: the engine is not installed; the message names the pip line.
    """
    if name not in ENGINES:
        near = difflib.get_close_matches(name, ENGINES) or ENGINES
        raise UnknownNameError(f"no engine {name!r}; known: {', '.join(near)}")
    if name == "auto":
        name = "torch"
    return _load(name)


@cache
def _load(name: str) -> Engine:
    return TorchEngine()
