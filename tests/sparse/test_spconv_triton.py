"""spconv-triton's adapter in Triton's interpreter on the CPU, where both packages are installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
absent = [name for name in ("spconv_triton", "triton") if importlib.util.find_spec(name) is None]


@pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)} (pip install spconv-triton triton)")
def test_its_adapter_gives_the_torch_engines_numbers_and_gradients_in_tritons_interpreter() -> None:
    # Triton asks for its interpreter when it is imported: a process of its own.
    done = subprocess.run(
        [sys.executable, "-m", "tests.sparse.interpreted"],
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout)
    assert set(errors) == {"submanifold", "stem", "strided", "transposed"}
    assert max(errors.values()) < 1e-4, errors
