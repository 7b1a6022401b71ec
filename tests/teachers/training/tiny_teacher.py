"""A teacher's recipe small enough for a test, and crops for one step without any images."""

from typing import Any

import torch

from ppkt_zoo.teachers.training.dataset import CropBatch

CLASSES = 29


def tiny_teacher(method: str = "moco_v2", **changes: Any) -> dict[str, Any]:
    """A recipe that runs in seconds: eight images, crops of 32 pixels."""
    recipe: dict[str, Any] = {
        "teacher": f"tiny_{method}",
        "description": "A teacher for a test.",
        "method": method,
        "seed": 3,
        "steps": 3,
        "batch": 4,
        "norm_group": 2,
        "images": [{"kind": "rooms", "rooms": 2, "held_out": 1}],
        "crop": {"size": 32, "blur": [0.1, 0.5]},
        "optimiser": {"name": "sgd", "lr": 0.02},
        "checkpoint_every": 2,
        "log_every": 1,
        "licence": "CC-BY-4.0",
        "citation": "nobody",
    }
    section = {"contrast": {"dim": 16, "queue": 8, "momentum": 0.9}} if method == "moco_v2" else {"labels": {}}
    return {**recipe, **section, **changes}


def random_batch(size: int = 4, step: int = 0) -> CropBatch:
    """Crops of noise, with keys, order and targets."""
    generator = torch.Generator().manual_seed(step)
    query, key = (torch.randint(0, 256, (size, 3, 32, 32), generator=generator).to(torch.uint8) for _ in range(2))
    target = (torch.rand(size, CLASSES, generator=generator) < 0.2).float()
    return CropBatch(step, query, key, torch.randperm(size, generator=generator), target)
