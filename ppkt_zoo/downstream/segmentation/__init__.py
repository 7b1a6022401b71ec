"""Semantic segmentation: a linear head on any backbone, fine-tuned by a recipe, tested on full clouds."""

from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore, evaluate_segmentation
from ppkt_zoo.downstream.segmentation.folder import load_segmentation, save_segmentation
from ppkt_zoo.downstream.segmentation.model import Prediction, SegmentationModel
from ppkt_zoo.downstream.segmentation.recipe import SegmentationRecipe, load_segmentation_recipe
from ppkt_zoo.downstream.segmentation.trainer import FittedSegmentation, fit_segmentation
from ppkt_zoo.downstream.splits import open_splits

__all__ = [
    "FittedSegmentation",
    "Prediction",
    "SegmentationModel",
    "SegmentationRecipe",
    "SegmentationScore",
    "evaluate_segmentation",
    "fit_segmentation",
    "load_segmentation",
    "load_segmentation_recipe",
    "open_splits",
    "save_segmentation",
]
