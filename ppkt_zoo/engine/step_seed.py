"""`seed_step`: torch's random numbers of a step depend on nothing but the run and the step."""

import hashlib

import torch


def seed_step(run: str, step: int, process: int = 0) -> None:
    """Seed torch for a step, so that a dropout draws the same whatever was drawn before.

    Data workers, a cache that is filled first and a resume all draw from torch's one stream of numbers; without this
    they would change what a network with a dropout learns.

    Args:
        run: what tells the run from others, such as its fingerprint.
        step: from 0.
        process: of several that learn together; each draws numbers of its own.
    """
    digits = hashlib.sha256(f"{run} {step} {process}".encode()).digest()
    torch.manual_seed(int.from_bytes(digits[:7], "big"))
