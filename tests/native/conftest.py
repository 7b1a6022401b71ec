"""The native library, and copies of it to spoil."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ppkt_zoo.native import Library, open_library
from ppkt_zoo.native.build import LIBRARY, BuildError, build

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def built() -> Path:
    """The library of this installation."""
    if not LIBRARY.exists():
        pytest.skip("the native library is not built: run `python -m ppkt_zoo.native build`")
    return LIBRARY


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    """A copy of the library and its record; a file of its own, so that opening it loads it anew."""
    for path in (built, built.with_suffix(".json")):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / built.name


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The kernels with the register sizes of 512 bits, emulated with narrower registers."""
    try:
        return open_library(build(tmp_path_factory.mktemp("wide") / LIBRARY.name, ("-DPPKT_WIDE", "-O1", "-w")))
    except BuildError as error:
        pytest.skip(f"no library with wide registers: {error}")


@pytest.fixture
def run_python(built: Path) -> Run:
    """Runs code in a Python of its own, for at most a minute."""

    def run(code: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        import os

        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | environment,
            cwd=Path(__file__).resolve().parents[2],
        )

    return run
