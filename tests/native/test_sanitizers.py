"""The native library under the address and undefined-behaviour sanitizers."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_sanitizers_find_nothing(built: Path) -> None:
    done = subprocess.run([sys.executable, "tools/check_sanitizers.py"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing found") == 2
