"""A step's memory is there for the next step, and goes back to the system after the run."""

import subprocess
import sys

import pytest

from ppkt_zoo.engine.kept_memory import _gnu_library

# In a process of its own: what the C library keeps depends on all that ran before.
_FAULTS = """
import resource, sys, torch
from ppkt_zoo.engine.kept_memory import kept_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        kept = [torch.ones(40 << 20, dtype=torch.uint8) for _ in range(3)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with kept_memory():
    faults()
    inside = faults()
print(inside, faults())
"""


@pytest.mark.skipif(_gnu_library() is None, reason="needs GNU's C library")
def test_memory_is_mapped_once_inside_and_given_back_afterwards() -> None:
    done = subprocess.run([sys.executable, "-c", _FAULTS], capture_output=True, text=True, check=True)
    inside, outside = map(int, done.stdout.split())
    # 5 x 120 MB are 150 000 small pages, or some hundred huge ones.
    assert inside < 50
    assert outside > 4 * max(inside, 1)
