"""The caches of a test session: importing this moves them out of the user's home, before anything asks for them."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

# A user's caches belong to the user: every process that a test starts keeps its own in a folder of this session.
USERS_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").resolve()
SESSION_CACHE = Path(tempfile.mkdtemp(prefix="ppkt-zoo-tests-")).resolve()
atexit.register(shutil.rmtree, SESSION_CACHE, ignore_errors=True)
os.environ["XDG_CACHE_HOME"] = str(SESSION_CACHE)
os.environ["HF_HOME"] = str(SESSION_CACHE / "huggingface")
os.environ["TORCH_HOME"] = str(SESSION_CACHE / "torch")
os.environ["PPKT_ZOO_CACHE"] = str(SESSION_CACHE / "ppkt-zoo")
for _name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HF_TOKEN_PATH"):
    os.environ.pop(_name, None)

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _refuse_the_users_cache(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test that opens a file of the user's caches for writing fails on the spot."""
    if event != "open" or not isinstance(arguments[0], str) or not arguments[0].startswith(f"{USERS_CACHE}{os.sep}"):
        return
    mode, flags = arguments[1], arguments[2]
    if (isinstance(mode, str) and set(mode) & set("wxa+")) or (isinstance(flags, int) and flags & _WRITING):
        raise AssertionError(f"a test writes into the user's cache: {arguments[0]}")


if not SESSION_CACHE.is_relative_to(USERS_CACHE):
    sys.addaudithook(_refuse_the_users_cache)
