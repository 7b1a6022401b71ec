"""Semantic segmentation: a linear head on any backbone, fine-tuned by a recipe, tested on full clouds.

Names load on first use: what looks at a cloud imports nothing of the training.
"""

from typing import TYPE_CHECKING

from ppkt_zoo.files.optional import lazy_names

if TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ppkt_zoo.downstream.segmentation.evaluation": "SegmentationScore evaluate_segmentation",
        "ppkt_zoo.downstream.segmentation.folder": "load_segmentation save_segmentation",
        "ppkt_zoo.downstream.segmentation.model": "Prediction SegmentationModel",
        "ppkt_zoo.downstream.segmentation.recipe": "SegmentationRecipe load_segmentation_recipe",
        "ppkt_zoo.downstream.segmentation.trainer": "FittedSegmentation fit_segmentation",
        "ppkt_zoo.downstream.splits": "open_splits",
    },
)
