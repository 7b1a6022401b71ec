"""Fixtures for the whole suite."""

import contextlib
import os
from pathlib import Path

# Before torch and numpy load: threads that spin while they wait make every test crawl on a machine that is shared.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The Hub on loopback speaks the Hub's own protocol, not that of its chunk store; the client asks once, at import.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

import pytest

from ppkt_zoo.native.build import LIBRARY, BuildError, build
from tests.support import session_caches  # noqa: F401  (before huggingface_hub, which asks for its cache once, at import)


def pytest_configure() -> None:
    """Compile the native library where the package that is tested has none: in a checkout after `pip install .`."""
    if not LIBRARY.exists() and os.environ.get("PPKT_ZOO_NATIVE") != "0":
        with contextlib.suppress(BuildError):  # then PyTorch is tested, and the tests of the library say why they skip
            build()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test material beside the checkout; tests that need it skip where it is absent."""
    named = os.environ.get("PPKT_ZOO_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"test material is not at {folder}: set PPKT_ZOO_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def frame_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered frames and teacher features, shared by the tests; one that damages frames has a cache of its own."""
    return tmp_path_factory.mktemp("cache")
