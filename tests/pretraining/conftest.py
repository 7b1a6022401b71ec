"""A run small enough for a test: four tiny rendered frames, a random teacher, a small student."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from torchvision.models import resnet18

from tests.pretraining.tiny_recipe import tiny_recipe


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ResNet-18 as a safetensors file."""
    file = tmp_path_factory.mktemp("teacher") / "resnet18.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = resnet18(weights=None)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """The tiny recipe as a YAML file."""
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe()))
    return file
