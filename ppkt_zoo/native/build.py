"""Compiles the native library with whatever C++ compiler is at hand: GCC or Clang.

Needs nothing but Python's standard library: the build hook of the package runs it before anything is installed.
"""

import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = HERE / "src"
#: The library and, beside it, the record of what was built.
LIBRARY = HERE / "lib" / ("ppkt_zoo_native.dll" if sys.platform == "win32" else "libppkt_zoo_native.so")
RECORD = LIBRARY.with_suffix(".json")

# No -ffast-math: with GCC before 13 it switches denormals off for the whole process.
_FLAGS = ("-O3", "-std=c++17", "-fvisibility=hidden", "-ffp-contract=fast", "-Wall", "-Wextra")
_BASE = ("parallel.cpp", "maps.cpp", "levels.cpp", "tree.cpp", "farthest.cpp", "points.cpp", "interpolate.cpp")
_EACH_LEVEL = ("pack.cpp", "convolve.cpp", "gradient.cpp", "norm.cpp", "voxels.cpp")
X86_LEVELS = {
    "x86_v1": ("-march=x86-64",),
    "x86_v3": ("-march=x86-64-v3",),
    "x86_v4": ("-march=x86-64-v4", "-mprefer-vector-width=512"),
    "x86_v4_bf16": ("-march=x86-64-v4", "-mavx512bf16", "-mprefer-vector-width=512"),
    "x86_v4_amx_bf16": ("-march=x86-64-v4", "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-mprefer-vector-width=512"),
}
_COMPILERS = ("g++", "clang++", "c++")


class BuildError(Exception):
    """The library could not be compiled; the message says why in one line."""


def build(target: Path = LIBRARY, extra: tuple[str, ...] = ()) -> Path:
    """Compile the library and write its record.

    Args:
        target: where it goes.
        extra: further options of the compiler, such as those of a sanitizer.

    Raises:
        BuildError: no compiler, it fails, or the library cannot be written.
    """
    compiler = _find_compiler()
    try:
        _compile(compiler, target, extra)
    except OSError as error:
        raise BuildError(f"{target} cannot be written: {error}") from error
    return target


def _compile(compiler: list[str], target: Path, extra: tuple[str, ...]) -> None:
    source, begun = source_hash(), time.time()
    with tempfile.TemporaryDirectory() as folder:
        jobs = list(_objects(Path(folder)))
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            flags = [*_FLAGS, *_system_flags(), *extra]
            list(pool.map(lambda job: _run([*compiler, *flags, *job[1], "-o", str(job[0])]), jobs))
        made = Path(folder) / target.name
        _run([*compiler, *extra, *_link_options(), *(str(one) for one, _ in jobs), "-o", str(made)])
        record = {"sha256": hashlib.sha256(made.read_bytes()).hexdigest(), "source": source}
        note = made.with_suffix(".json")
        note.write_text(json.dumps(record, indent=1) + "\n")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Beside the target first, then in its place: a process that has the old one open keeps it whole.
        pairs = [(made, target), (note, target.with_suffix(".json"))]
        fresh = [shutil.copyfile(new, old.with_name(f"{old.name}.{os.getpid()}")) for new, old in pairs]
        for new, (_, old) in zip(fresh, pairs, strict=True):
            os.utime(new, (begun, begun))  # a source that was edited meanwhile is newer
            os.replace(new, old)


def source_hash() -> str:
    """SHA-256 over all sources: tells whether a library is older than they are."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_older_than_sources(library: Path = LIBRARY) -> bool:
    """Whether the sources beside this file have changed since a library was built; False where that cannot be told.

    Contents are compared only where a source was written after the library, so that it costs some microseconds.
    """
    try:
        built = library.stat().st_mtime_ns
        if all(path.stat().st_mtime_ns <= built for path in SOURCE.iterdir()):
            return False
        recorded = json.loads(library.with_suffix(".json").read_text())["source"]
        return bool(recorded != source_hash())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _find_compiler() -> list[str]:
    """The command that compiles C++: CXX, which may carry options or a launcher, or the first that is found."""
    asked = shlex.split(os.environ.get("CXX", ""), posix=sys.platform != "win32")
    for name in (asked[0],) if asked else _COMPILERS:
        found = shutil.which(name)
        if found:
            return [found, *asked[1:]]
    raise BuildError(f"no C++ compiler: {'CXX is ' + asked[0] if asked else 'neither g++ nor clang++ is on the PATH'}")


def _system_flags() -> list[str]:
    if sys.platform != "win32":
        return ["-fPIC"]
    # GCC for Windows does not align the stack for vectors (GCC bug 54412): its assembler makes their moves unaligned.
    command = _find_compiler()
    about = subprocess.run([*command, "--version"], capture_output=True, text=True, errors="replace").stdout
    return [] if "clang" in about else ["-Wa,-muse-unaligned-vector-move"]


def _objects(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each object file with the arguments that compile it."""
    for name in _BASE:
        # Each operation rounds by itself there: which points are chosen must not depend on the processor.
        yield folder / f"{name}.o", ["-ffp-contract=off", "-c", str(SOURCE / name)]
    levels = X86_LEVELS if platform.machine().lower() in ("x86_64", "amd64") else {"plain": ()}
    for level, options in levels.items():
        for name in _EACH_LEVEL:
            yield folder / f"{name}.{level}.o", [f"-DISA={level}", *options, "-c", str(SOURCE / name)]


def _link_options() -> list[str]:
    if sys.platform == "darwin":
        return ["-dynamiclib"]
    # The C++ library goes in, hidden: no version of it need be installed, and none that is loaded gets in the way.
    static = ["-shared", "-static-libstdc++", "-static-libgcc", "-Wl,-s"]
    return [*static, "-static"] if sys.platform == "win32" else [*static, "-pthread", "-Wl,--exclude-libs,ALL"]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise BuildError(f"{command[0]} does not run: {error}") from error
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), "no message")
        raise BuildError(f"{command[0]} fails: {said.strip()}")
