"""3D object detection: VoteNet on any backbone (Qi et al. 2019, arXiv 1904.09664), and its scores."""

from ppkt_zoo.downstream.detection.average_precision import DetectionScore
from ppkt_zoo.downstream.detection.decode import Detections
from ppkt_zoo.downstream.detection.folder import load_detector, save_detector, verify_detector
from ppkt_zoo.downstream.detection.model import VoteNet, VoteNetShape
from ppkt_zoo.downstream.detection.predict import detect, evaluate_detector
from ppkt_zoo.downstream.detection.recipe import DetectionRecipe, load_detection_recipe
from ppkt_zoo.downstream.detection.trainer import FittedDetection, fit_detection
from ppkt_zoo.downstream.splits import open_splits

__all__ = [
    "DetectionRecipe",
    "DetectionScore",
    "Detections",
    "FittedDetection",
    "VoteNet",
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
