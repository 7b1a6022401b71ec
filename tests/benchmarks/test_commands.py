"""Commands of benchmarks, run as their user runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def failed_run(**environment: str) -> str:
    command = [sys.executable, "-m", "benchmarks.evaluation.run", "no_such_weight"]
    ended = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 1
    return ended.stderr


def test_bad_input_is_told_in_one_line_and_its_place_only_on_request() -> None:
    told = failed_run(PPKT_ZOO_DEBUG="")
    assert told.startswith("WeightError: no_such_weight is not a folder")
    assert "Traceback" not in told
    assert "Traceback" in failed_run(PPKT_ZOO_DEBUG="1")
