"""The native library: sparse convolution on the CPU in C++, compiled at installation and loaded by ctypes."""

from ppkt_zoo.native.convolution import convolve, pack_weight, weight_gradient
from ppkt_zoo.native.library import Library, find_library, library, open_library
from ppkt_zoo.native.maps import Pairs, child_pairs, coarsen, search_pairs, table_pairs
from ppkt_zoo.native.norm import norm_relu
from ppkt_zoo.native.voxels import find_voxels, fits_tables

__all__ = [
    "Library",
    "Pairs",
    "child_pairs",
    "coarsen",
    "convolve",
    "find_library",
    "find_voxels",
    "fits_tables",
    "library",
    "norm_relu",
    "open_library",
    "pack_weight",
    "search_pairs",
    "table_pairs",
    "weight_gradient",
]
