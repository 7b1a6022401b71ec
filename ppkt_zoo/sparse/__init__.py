"""Sparse tensors and convolutions on voxels: in C++ on the CPU, in PyTorch anywhere, by spconv on CUDA."""

from ppkt_zoo.sparse.conv import RowsLinear, StridedConv3d, SubmanifoldConv3d, TransposedConv3d
from ppkt_zoo.sparse.engines import ENGINES, get_engine
from ppkt_zoo.sparse.engines.gemm import pointwise
from ppkt_zoo.sparse.tensor import Grid, SparseTensor

__all__ = [
    "ENGINES",
    "Grid",
    "RowsLinear",
    "SparseTensor",
    "StridedConv3d",
    "SubmanifoldConv3d",
    "TransposedConv3d",
    "get_engine",
    "pointwise",
]
