"""Compares spconv-triton's adapter with the torch engine in Triton's interpreter on the CPU: largest errors as JSON.

    TRITON_INTERPRET=1 python -m tests.sparse.interpreted

The package asks three things of a GPU, and each is answered here in its place: that tensors are on it, how many
multiprocessors it has, and which tile is the fastest. The adapter, the package and its kernels are as they come.
"""

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch

from ppkt_zoo.sparse import SparseTensor
from ppkt_zoo.sparse.engines import get_engine
from ppkt_zoo.sparse.kernel_map import KernelMap

CHANNELS, OUT = 5, 7


@contextmanager
def taken_for_a_gpu() -> Iterator[None]:
    """Within it tensors of the CPU say that they are on a GPU."""
    with patch.object(torch.Tensor, "is_cuda", True, create=True):
        yield


def largest_error(kernel_map: KernelMap, edge: int, transposed: bool) -> float:
    """Of the output and both gradients, against the torch engine's."""
    rows = kernel_map.outputs if transposed else kernel_map.inputs
    given = [torch.randn(rows, CHANNELS), torch.randn(OUT, edge, edge, edge, CHANNELS)]
    bias = torch.randn(OUT)
    theirs, ours = ([one.clone().requires_grad_() for one in given] for _ in range(2))
    expected = get_engine("torch").convolve(ours[0], ours[1], bias, kernel_map, transposed)
    gradient = torch.randn_like(expected)
    expected.backward(gradient)
    with taken_for_a_gpu():
        found = get_engine("spconv_triton").convolve(theirs[0], theirs[1], bias, kernel_map, transposed)
        found.backward(gradient)
    pairs = [(found, expected), *zip((one.grad for one in theirs), (one.grad for one in ours), strict=True)]
    return max(float((one - other).abs().max()) for one, other in pairs)


def main() -> None:
    """Every kind of layer, by both of the adapter's ways: masked up to 32 offsets, native for the stem's 125."""
    kernels = importlib.import_module("spconv_triton.pytorch._impl.gemm")
    for kernel in (kernels._gather_gemm_kernel, kernels._dweight_masked_kernel):
        kernel.configs = kernel.configs[:1]  # one candidate needs no trial
    torch.manual_seed(0)
    coords = torch.cat([torch.randint(0, 2, (60, 1)), torch.randint(-4, 4, (60, 3))], dim=1).int().unique(dim=0)
    grid = SparseTensor.create(coords, torch.zeros(len(coords), 1)).grid
    layers = {
        "submanifold": (grid.submanifold(1, 3), 3, False),
        "stem": (grid.submanifold(1, 5), 5, False),
        "strided": (grid.strided(1, 2, 2), 2, False),
        "transposed": (grid.strided(1, 2, 2), 2, True),
    }
    with patch.object(kernels, "_multiprocessor_count", lambda device: 16):
        print(json.dumps({name: largest_error(*layer) for name, layer in layers.items()}))


if __name__ == "__main__":
    main()
