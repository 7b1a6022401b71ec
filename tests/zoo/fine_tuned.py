"""Weight folders with the head of each task, on the tiny net."""

from collections.abc import Callable
from pathlib import Path

import torch

import ppkt_zoo
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.registry import create_backbone
from tests.zoo.tiny_weight import TinyNet, make_cloud

CLASSES = ("office chair", "pipe *bent*")
SIZES = VoteNetConfig(seeds=8, proposals=4, width=8, neighbours=4)


def tiny_backbone() -> TinyNet:
    torch.manual_seed(3)
    backbone = create_backbone("tiny_net", input_spec=InputSpec(voxel_size=0.05), width=8)
    assert isinstance(backbone, TinyNet)
    return backbone


def segmenter(path: Path) -> WeightFolder:
    """A weight folder that names points."""
    return ppkt_zoo.save_segmentation(path, SegmentationModel(tiny_backbone(), CLASSES), golden_cloud=make_cloud())


def detector(path: Path) -> WeightFolder:
    """A weight folder that finds boxes."""
    model = VoteNet(tiny_backbone(), CLASSES, torch.ones(2, 3), SIZES)
    return ppkt_zoo.save_detector(path, model, golden_cloud=make_cloud())


#: Task → maker, the file of its tensors, and what its output is called in reports.
TASKS: dict[str, tuple[Callable[[Path], WeightFolder], str, str]] = {
    "segmentation": (segmenter, "head.safetensors", "head"),
    "detection": (detector, "detector.safetensors", "votes"),
}
