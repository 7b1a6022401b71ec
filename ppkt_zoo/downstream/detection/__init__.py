"""3D object detection: VoteNet on any backbone (Qi et al. 2019, arXiv 1904.09664), and its scores.

Names load on first use: what looks at a cloud imports nothing of the training.
"""

from typing import TYPE_CHECKING

from ppkt_zoo.files.optional import lazy_names

if TYPE_CHECKING:
    from ppkt_zoo.downstream.detection.average_precision import DetectionScore
    from ppkt_zoo.downstream.detection.folder import load_detector, save_detector, verify_detector
    from ppkt_zoo.downstream.detection.model import VoteNet, VoteNetConfig, VoteNetShape
    from ppkt_zoo.downstream.detection.predict import Detections, detect, evaluate_detector
    from ppkt_zoo.downstream.detection.recipe import DetectionRecipe, load_detection_recipe
    from ppkt_zoo.downstream.detection.trainer import FittedDetection, fit_detection
    from ppkt_zoo.downstream.splits import open_splits

__all__ = [
    "DetectionRecipe",
    "DetectionScore",
    "Detections",
    "FittedDetection",
    "VoteNet",
    "VoteNetConfig",
    "VoteNetShape",
    "detect",
    "evaluate_detector",
    "fit_detection",
    "load_detection_recipe",
    "load_detector",
    "open_splits",
    "save_detector",
    "verify_detector",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ppkt_zoo.downstream.detection.average_precision": "DetectionScore",
        "ppkt_zoo.downstream.detection.folder": "load_detector save_detector verify_detector",
        "ppkt_zoo.downstream.detection.model": "VoteNet VoteNetConfig VoteNetShape",
        "ppkt_zoo.downstream.detection.predict": "Detections detect evaluate_detector",
        "ppkt_zoo.downstream.detection.recipe": "DetectionRecipe load_detection_recipe",
        "ppkt_zoo.downstream.detection.trainer": "FittedDetection fit_detection",
        "ppkt_zoo.downstream.splits": "open_splits",
    },
)
