"""A batch that made a loss that is no number, kept for study."""

from pathlib import Path

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.safetensors import write_tensors
from ppkt_zoo.transfer.batch import TransferBatch

__all__ = ["save_for_study"]


def save_for_study(batch: TransferBatch, file: Path) -> Path:
    """Write a batch as safetensors: xyz, rgb, cloud, pixel pairs, view pairs, and the teacher's map of each frame."""
    tensors = {
        "xyz": batch.clouds.xyz,
        "rgb": batch.clouds.rgb,
        "cloud": batch.clouds.cloud,
        "point": batch.pixels.point,
        "frame": batch.pixels.frame,
        "feature_xy": batch.pixels.feature_xy,
        "views.first": batch.views.first,
        "views.second": batch.views.second,
        **{f"features.{index}": features for index, features in enumerate(batch.features or [])},
    }
    write_tensors(file, tensors, error=TrainingError)
    return file
