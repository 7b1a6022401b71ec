"""No test, and no process that a test starts, touches the caches of the user."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.session_caches import SESSION_CACHE, USERS_CACHE

# All places where something of ours, or of the libraries below us, keeps files by default.
_PLACES = """
import torch
from huggingface_hub import constants
from ppkt_zoo.files.reading import default_cache
for place in (default_cache(), constants.HF_HUB_CACHE, constants.HF_TOKEN_PATH, torch.hub.get_dir()):
    print(place)
"""


def test_every_cache_lies_in_the_folder_of_this_session() -> None:
    ended = subprocess.run([sys.executable, "-c", _PLACES], capture_output=True, text=True, check=True)
    places = ended.stdout.split()
    assert len(places) == 4
    assert all(Path(place).is_relative_to(SESSION_CACHE) for place in places), places
    assert not SESSION_CACHE.is_relative_to(USERS_CACHE)


@pytest.mark.parametrize("flags", [os.O_WRONLY | os.O_CREAT, os.O_RDWR])
def test_a_test_that_writes_into_the_users_cache_fails(flags: int) -> None:
    target = USERS_CACHE / "ppkt-zoo-tests-never-write-this" / "file"
    with pytest.raises(AssertionError, match="writes into the user's cache"):
        target.open("w")
    with pytest.raises(AssertionError, match="writes into the user's cache"):
        os.open(target, flags)
    with pytest.raises(FileNotFoundError):
        target.open()
