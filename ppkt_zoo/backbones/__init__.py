"""Backbones: points in, a feature for every point out."""

from ppkt_zoo.backbones.base import Backbone, PointFeatures
from ppkt_zoo.backbones.pointnet2 import PointNet2, Seeds, pointnet2
from ppkt_zoo.backbones.sr_unet import SRUNet, sr_unet14, sr_unet14_small, sr_unet18, sr_unet34

__all__ = [
    "Backbone",
    "PointFeatures",
    "PointNet2",
    "SRUNet",
    "Seeds",
    "pointnet2",
    "sr_unet14",
    "sr_unet14_small",
    "sr_unet18",
    "sr_unet34",
]
