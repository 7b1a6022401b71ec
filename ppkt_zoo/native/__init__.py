"""The native library: sparse convolution on the CPU in C++, compiled at installation and loaded by ctypes."""

# The functions stand in modules of their own, which import torch; `ppkt-zoo --version` asks for the library alone.
from ppkt_zoo.native.library import Library, find_library, library, open_library

__all__ = ["Library", "find_library", "library", "open_library"]
