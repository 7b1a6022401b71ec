"""Random changes of clouds and images in training."""

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.augment.image import ImageAugmentation

__all__ = ["CloudAugmentation", "ImageAugmentation"]
