"""ResNets that are trained as teachers, and their tensors by the names of torchvision."""

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from ppkt_zoo.teachers.spec import IMAGENET_NORMALISATION, Architecture

_HEAD = "fc."


def new_resnet(architecture: Architecture) -> tuple[nn.Module, int]:
    """A ResNet with random weights that ends in its pooled feature, and the feature's width."""
    network: nn.Module = get_model(architecture, weights=None)
    width = int(network.fc.in_features)  # type: ignore[union-attr, arg-type]
    network.fc = nn.Identity()
    return network.to(memory_format=torch.channels_last), width


def normalised(crops: Tensor) -> Tensor:
    """uint8 (B, 3, S, S) → float32 as :class:`~ppkt_zoo.teachers.teacher.Teacher` normalises a ResNet's images."""
    mean, std = (crops.new_tensor(row, dtype=torch.float32).view(1, 3, 1, 1) for row in IMAGENET_NORMALISATION)
    images = (crops.float() / 255 - mean) / std
    return images.contiguous(memory_format=torch.channels_last)


def by_group(network: nn.Module, images: Tensor, size: int) -> Tensor:
    """Run ``size`` images at a time: in training each group has batch-norm statistics of its own."""
    return torch.cat([network(group) for group in images.split(size)])


def torchvision_tensors(resnet: nn.Module) -> dict[str, Tensor]:
    """The network's tensors without a head: what :func:`~ppkt_zoo.teachers.teacher.load_teacher` takes."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in resnet.state_dict().items()
        if not name.startswith(_HEAD)
    }
