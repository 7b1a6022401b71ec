"""Teachers and a real frame, loaded once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ppkt_zoo.teachers.spec import Padding
from ppkt_zoo.teachers.teacher import Teacher, TeacherSpec, load_teacher

FILES = {
    "mobilenet_v2": "mobilenet_v2_imagenet1k.safetensors",
    "deeplabv3_mobilenet_v2": "deeplabv3_mobilenet_v2_voc21.safetensors",
}


@pytest.fixture(scope="session")
def deeplab_file(shared: Path) -> Path:
    return shared / "teachers" / FILES["deeplabv3_mobilenet_v2"]


@pytest.fixture(scope="session")
def mobilenet_file(shared: Path) -> Path:
    return shared / "teachers" / FILES["mobilenet_v2"]


@pytest.fixture(scope="session")
def real_teacher(shared: Path) -> Callable[..., Teacher]:
    """``real_teacher(architecture, stage, padding, …)`` from the real files, each made once."""
    made: dict[object, Teacher] = {}

    def get(architecture: str, stage: str = "features", padding: Padding = "torch", fuse: bool = True) -> Teacher:
        key = (architecture, stage, padding, fuse)
        if key not in made:
            spec = TeacherSpec.model_validate(
                {"architecture": architecture, "stage": stage, "weights": "file", "padding": padding}
            )
            made[key] = load_teacher(spec, shared / "teachers" / FILES[architecture], fuse=fuse)
        return made[key]

    return get


@pytest.fixture(scope="session")
def kitchen(shared: Path) -> Callable[..., Tensor]:
    """``kitchen(height, width, name)`` → a real colour frame as float (1, 3, height, width) in [0, 1]."""

    def read(height: int, width: int, name: str = "frame-000250") -> Tensor:
        image = Image.open(shared / "frames" / "seven_scenes_redkitchen" / f"{name}.color.jpg")
        array = np.array(image.resize((width, height), Image.Resampling.BILINEAR))
        return torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255

    return read
