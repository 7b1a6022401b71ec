"""A batch that made a loss that is no number, kept for study."""

from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from ppkt_zoo.transfer.batch import TransferBatch

__all__ = ["save_for_study"]


def save_for_study(batch: TransferBatch, file: Path) -> Path:
    """Write a batch as safetensors: xyz, rgb, cloud, pixel pairs, view pairs, and the teacher's map of each frame."""
    tensors: dict[str, Tensor] = {
        "xyz": batch.clouds.xyz,
        "cloud": batch.clouds.cloud,
        "point": batch.pixels.point,
        "frame": batch.pixels.frame,
        "feature_xy": batch.pixels.feature_xy,
        "views.first": batch.views.first,
        "views.second": batch.views.second,
        **{f"features.{index}": features for index, features in enumerate(batch.features or [])},
    }
    if batch.clouds.rgb is not None:
        tensors["rgb"] = batch.clouds.rgb
    file.write_bytes(save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}))
    return file
