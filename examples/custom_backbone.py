"""A backbone of your own: name it, check it, pretrain it, load its weight, encode a cloud.

python examples/custom_backbone.py TEACHER_FILE [OUT_FOLDER]

TEACHER_FILE is a pretrained 2D network, here a DeepLabv3-MobileNetV2 (`ppkt-zoo teacher import FILE.tflite` makes one
from Google's published file); edit TEACHER below for a ResNet. The images are procedural rooms and need no files.
This recipe has 20 steps, to see it run; a useful weight takes thousands.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

import ppkt_zoo
from ppkt_zoo.backbones.base import VoxelBackbone
from ppkt_zoo.backbones.blocks import BasicBlock, ConvNorm
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.rooms import make_room, room_cloud
from ppkt_zoo.sparse import SparseTensor, SubmanifoldConv3d
from ppkt_zoo.testing import check_backbone


class FlatNet(VoxelBackbone):
    """A stem and a few residual blocks, all at full resolution."""

    def __init__(self, input_spec: ppkt_zoo.InputSpec, width: int, blocks: int) -> None:
        super().__init__(input_spec, {"stride1": width})  # its levels, coarse to fine: one
        stem = ConvNorm(SubmanifoldConv3d(len(input_spec.channels), width, kernel_size=5))
        self.layers = nn.Sequential(stem, *(BasicBlock(width, width) for _ in range(blocks)))

    def forward_voxels(self, x: SparseTensor) -> dict[str, SparseTensor]:
        return {"stride1": self.layers(x)}


# In a package of yours, an entry point does the same without an import; see ppkt_zoo/zoo/registry.py.
@ppkt_zoo.register_backbone("flat_net")
def flat_net(*, input_spec: ppkt_zoo.InputSpec, width: int = 32, blocks: int = 2) -> FlatNet:
    return FlatNet(input_spec, width, blocks)


TEACHER = {"architecture": "deeplabv3_mobilenet_v2", "stage": "features", "weights": "file", "padding": "tensorflow"}
RECIPE: dict[str, Any] = {
    "weight": "flat_net.my_first",
    "description": "A backbone of my own, pretrained for a few steps.",
    "steps": 20,
    "backbone": {"name": "flat_net", "arguments": {"width": 24}, "input_spec": {"voxel_size": 0.06}},
    "teacher": {"name": "my teacher", "origin": "where I have it from", "licence": "Apache-2.0", "spec": TEACHER},
    "data": [{"kind": "rooms", "seed": 1, "rooms": 2, "frames_per_room": 2, "height": 96, "width": 128, "per_step": 2}],
    "augmentation": {"rotation_z": 180},
    "loss": {"level": "stride1", "dim": 32, "pairs": 512},
    "optimiser": {"name": "adamw", "lr": 0.003},
    "weight_licence": "CC-BY-4.0",
}


def main(teacher: str, out: str = "custom_backbone", recipe: dict[str, Any] = RECIPE) -> np.ndarray:
    """Check the network, pretrain it, verify and load the weight; the features of a room that it never saw."""
    check_backbone(flat_net, width=8)  # order of points, batches, gradients, saving and loading, bad input, …
    folder = pretrain(Recipe.model_validate(recipe), data={}, teacher=Path(teacher), out=Path(out))
    print(ppkt_zoo.verify(folder))
    backbone = ppkt_zoo.load_backbone(f"local-dir:{folder}")  # in another program: import this file first
    xyz, rgb, _, _ = room_cloud(make_room(3), spacing=0.06, views=2)
    features: np.ndarray = backbone.encode(xyz, rgb)
    print(f"{folder}: card, recipe, golden output; {len(xyz)} points, {features.shape[1]} channels")
    return features


if __name__ == "__main__":
    main(*sys.argv[1:])
