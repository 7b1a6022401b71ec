"""Finds the native library, makes sure that it is the one that belongs here, and declares its functions."""

import ctypes
import functools
import hashlib
import json
import os
import warnings
from collections.abc import Callable
from ctypes import c_char_p, c_double, c_float, c_int, c_int64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native.build import LIBRARY, is_older_than_sources

#: Set to ``torch``, this turns the native library off.
SWITCH = "PPKT_ZOO_ENGINE"

_VERSION = 3
_OLD = "the native library is older than its sources: run `python -m ppkt_zoo.native build`"
_REBUILD = "build it anew with `python -m ppkt_zoo.native build`, or set PPKT_ZOO_ENGINE=torch to do without"
_ANY_LEVEL = {
    "map_search": [c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_int64, c_int64, c_int, c_void_p, c_void_p],
    "map_table": [c_void_p, c_int64, c_int64, c_int64, c_int, c_void_p, c_void_p],
    "map_parents": [c_void_p, c_void_p, c_int64, c_int64, c_int64, c_int, c_void_p, c_void_p],
    "map_children": [c_void_p, c_void_p, c_int64, c_int64, c_int64, c_int, c_void_p, c_void_p],
    "coarsen": [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_void_p, c_void_p],
    "farthest": [c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int, c_void_p],
    "ball": [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_float, c_int64, c_void_p, c_int, c_void_p],
    "nearest": [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int, c_void_p],
    "interpolate": [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int],
    "interpolate_back": [c_void_p, c_int64, c_int64, c_void_p, c_void_p, c_int64, c_int64, c_void_p, c_int],
}
_EACH_LEVEL: dict[str, list[Any]] = {
    "pack": [c_void_p, c_void_p, c_int64, c_int64, c_int64, c_int, c_int, c_void_p, c_int],
    "forward": [c_void_p, c_int64, c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int, c_void_p, c_int64,
                c_void_p, c_int, c_int, c_int, c_int],
    "weight": [c_void_p, c_int64, c_void_p, c_int64, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int, c_void_p,
               c_int64, c_int, c_int],
    "norm": [c_void_p] * 4 + [c_int64, c_int64, c_double, c_int] + [c_void_p] * 5 + [c_int] * 2,
    "norm_back": [c_void_p] * 6 + [c_int64, c_int64, c_double, c_int] + [c_void_p] * 7 + [c_int] * 2,
    "voxels": [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_double, c_void_p, c_int, c_void_p, c_void_p,
               c_void_p],
    "voxels_take": [c_void_p, c_void_p, c_void_p, c_void_p, c_int64, c_double, c_double, c_int],
}  # fmt: skip
_FAULTS = {
    1: "out of memory",
    2: "a kernel map names a row that is not there",
    3: "the voxels of a kernel map are not sorted",
    4: "more than 2^31 voxels",
}


@dataclass(frozen=True)
class Library:
    """The functions of the native library for one instruction set.

    Attributes:
        path: the file.
        level: the instruction set: ``x86_v1`` (any 64-bit x86), ``x86_v3`` (AVX2), ``x86_v4`` (AVX-512),
            ``x86_v4_bf16`` (with its bfloat16 products), ``x86_v4_amx_bf16`` (with its tiles), or ``plain`` (other
            processors, such as NEON).
    """

    path: Path
    level: str
    _functions: dict[str, Callable[..., int]]
    _handle: ctypes.CDLL
    packed_size: Callable[..., int]

    @property
    def has_bfloat16(self) -> bool:
        """Whether the processor multiplies bfloat16 itself."""
        return self.level.endswith("bf16")

    def call(self, name: str, *arguments: Any) -> None:
        """Run one function.

        Raises:
            EngineError: it says that it cannot.
        """
        fault = self._functions[name](*arguments)
        if fault:
            raise EngineError(f"native {name}: {_FAULTS.get(fault, f'fault {fault}')}")

    def take_map(self, made: c_void_p, start: int, partner: int, local: int) -> None:
        """Copy a map that was built to where it is kept, and free it."""
        self._handle.ppkt_map_take(made, c_void_p(start), c_void_p(partner), c_void_p(local))


# In a child made by fork the pool of OpenMP may have no threads any more: a library that is first opened there starts
# threads of its own. (One that was opened before knows by itself that it is in a child.)
_forked = False


def _note_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def open_library(path: Path = LIBRARY, level: str | None = None, share_threads: bool = True) -> Library:
    """Open a library.

    Args:
        path: the file; its record stands beside it.
        level: the instruction set; the best that this processor has where None.
        share_threads: whether it works on the threads of PyTorch's OpenMP; else it starts threads of its own.

    Raises:
        EngineError: it is not there, damaged, of another version or another machine; the message has the mend.
    """
    _check_file(path)
    try:
        handle = ctypes.CDLL(str(path))
        version, best = handle.ppkt_version, handle.ppkt_level
    except (OSError, AttributeError) as error:
        raise EngineError(f"the native library {path} cannot be loaded ({error}): {_REBUILD}") from error
    best.restype = c_char_p
    if version() != _VERSION:
        raise EngineError(f"the native library {path} is of version {version()}, not {_VERSION}: {_REBUILD}")
    level = level or best().decode()
    functions = {name: _declare(handle, f"ppkt_{name}", types) for name, types in _ANY_LEVEL.items()}
    functions |= {name: _declare(handle, f"ppkt_{name}_{level}", types) for name, types in _EACH_LEVEL.items()}
    size = _declare(handle, f"ppkt_packed_size_{level}", [c_int64, c_int64, c_int64, c_int, c_int], c_int64)
    handle.ppkt_map_take.restype = None
    if share_threads and not _forked:
        _share_threads(handle)
    return Library(path, level, functions, handle, size)


@functools.cache
def find_library() -> Library | str:
    """The library of this installation, or why there is none, in one line."""
    if os.environ.get(SWITCH) == "torch":
        return f"{SWITCH}=torch turns it off"
    try:
        found = open_library()
    except EngineError as error:
        return str(error)
    if is_older_than_sources():
        warnings.warn(_OLD, stacklevel=2)
    return found


def describe() -> str:
    """The engine of this installation on the CPU in one line, with the reason where it is not the native one."""
    if os.environ.get(SWITCH) == "torch":
        return f"torch ({SWITCH}=torch turns the native engine off)"
    try:
        found = open_library(share_threads=False)
    except EngineError as error:
        return f"torch ({error})"
    return f"native, {found.level}" + (f" ({_OLD})" if is_older_than_sources() else "")


def library() -> Library | None:
    """The library of this installation where it can be used."""
    found = find_library()
    return None if isinstance(found, str) else found


def threads() -> int:
    """How many threads work: as many as PyTorch's."""
    import torch

    return max(1, torch.get_num_threads())


def _check_file(path: Path) -> None:
    """Loading a file that was cut short can end the process, so its bytes are looked at before."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        expected = json.loads(path.with_suffix(".json").read_text())["sha256"]
    except FileNotFoundError as error:
        raise EngineError(
            "the native library was not built when ppkt-zoo was installed: install a C++ compiler (g++ or clang++), "
            "then run `python -m ppkt_zoo.native build`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"the native library {path} cannot be read ({error}): {_REBUILD}") from error
    if digest != expected:
        raise EngineError(f"the native library {path} is not the one that was built here: {_REBUILD}")


def _declare(handle: ctypes.CDLL, name: str, types: list[Any], result: Any = c_int) -> Callable[..., int]:
    try:
        function = getattr(handle, name)
    except AttributeError as error:
        raise EngineError(f"the native library has no {name}: {_REBUILD}") from error
    function.argtypes = types
    function.restype = result
    chosen: Callable[..., int] = function
    return chosen


def _share_threads(handle: ctypes.CDLL) -> None:
    """Let the library work on the threads of PyTorch's own OpenMP, where that is GNU's."""
    import torch

    for path in sorted((Path(torch.__file__).parent / "lib").glob("libgomp*")):
        try:
            parallel = ctypes.CDLL(str(path)).GOMP_parallel
        except (OSError, AttributeError):
            continue  # then the library starts threads of its own
        handle.ppkt_use_openmp(ctypes.cast(parallel, c_void_p))
        return
