"""A run small enough for a test: four tiny rendered frames, a random teacher, a small student."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torchvision.models import resnet18


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


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ResNet-18 as a safetensors file."""
    file = tmp_path_factory.mktemp("teacher") / "resnet18.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = resnet18(weights=None)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


@pytest.fixture(scope="session")
def frame_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered frames and teacher features, shared by the tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """The tiny recipe as a YAML file."""
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe()))
    return file
