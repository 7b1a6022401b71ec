"""A recipe small enough for a test."""

from typing import Any


def tiny_recipe(**changes: Any) -> dict[str, Any]:
    """A recipe that runs in seconds."""
    recipe: dict[str, Any] = {
        "weight": "sr_unet14_small.tiny_test",
        "description": "A weight for a test.",
        "seed": 5,
        "steps": 8,
        "backbone": {"name": "sr_unet14_small", "input_spec": {"voxel_size": 0.1}},
        "teacher": {
            "name": "random ResNet-18",
            "origin": "drawn in the test",
            "licence": "Apache-2.0",
            "spec": {"architecture": "resnet18", "stage": "layer3", "weights": "file", "image_size": [64, 96]},
        },
        "data": [
            {"kind": "rooms", "seed": 11, "rooms": 2, "frames_per_room": 2, "height": 48, "width": 64, "per_step": 2}
        ],
        "augmentation": {"rotation_z": 180, "dropout": [0.0, 0.2], "brightness": 0.1},
        "loss": {"dim": 16, "temperature": 0.07, "pairs": 64},
        "optimiser": {"name": "adamw", "lr": 0.002},
        "checkpoint_every": 3,
        "log_every": 1,
        "weight_licence": "CC-BY-4.0",
    }
    return {**recipe, **changes}
