"""Mutated inputs for everything that reads bytes of strangers; nothing but our own errors may come out.

`test_fuzz.py` runs some hundreds in CI, `tools/fuzz.py` as many as it is asked for, each under limits of memory and
time. `bombs` are small inputs that claim or unpack to far more than they are; each is read once, under the same limits.
"""

import warnings

from ppkt_zoo.errors import PPKTZooError
from tests.fuzzing import clouds, data_sets, documents, frames, meshes, runs
from tests.fuzzing.target import Target, mutated

__all__ = ["TARGETS", "Target", "check", "mutated"]

TARGETS: dict[str, Target] = {
    **documents.TARGETS,
    **clouds.TARGETS,
    **meshes.TARGETS,
    **frames.TARGETS,
    **data_sets.TARGETS,
    **runs.TARGETS,
}
"""Readers by name."""


def check(name: str, data: bytes) -> bool:
    """Let a target read; whether it took the input. Anything but our own errors goes through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TARGETS[name].read(data)
        except PPKTZooError:
            return False
    return True
