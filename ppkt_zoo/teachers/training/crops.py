"""Random crops of an image with changed colours, as MoCo v2 makes them (arXiv 2003.04297, section 3)."""

import math

import numpy as np
from PIL import Image, ImageFilter
from torchvision.transforms import functional as tv

from ppkt_zoo.teachers.training.recipe import CropSection

Box = tuple[int, int, int, int]
"""Left, upper, right, lower edge in pixels; right and lower lie outside."""

# Widths to heights that a crop may have, and how often one is drawn before the whole image is taken.
_ASPECT = (3 / 4, 4 / 3)
_DRAWS = 10


def random_box(height: int, width: int, area: tuple[float, float], rng: np.random.Generator) -> Box:
    """A box of a random part of the image's area and a random aspect ratio, anywhere inside.

    Where ten draws do not fit into the image: the largest box of an allowed aspect ratio that does.
    """
    for _ in range(_DRAWS):
        size = height * width * rng.uniform(*area)
        aspect = math.exp(rng.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
        box_width, box_height = round(math.sqrt(size * aspect)), round(math.sqrt(size / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            break
    else:
        box_width = min(width, round(height * _ASPECT[1]))
        box_height = min(height, round(width / _ASPECT[0]))
    left, upper = int(rng.integers(width - box_width + 1)), int(rng.integers(height - box_height + 1))
    return left, upper, left + box_width, upper + box_height


def random_crop(image: np.ndarray, section: CropSection, rng: np.random.Generator) -> tuple[np.ndarray, Box]:
    """One augmented crop.

    Args:
        image: uint8 (H, W, 3).
        section: sizes and shares.
        rng: where all randomness comes from.

    Returns:
        uint8 (size, size, 3), and the box of the image that it shows (mirrored in half of the cases).
    """
    height, width = image.shape[:2]
    box = random_box(height, width, section.area, rng)
    crop = resized(image, box, section.size)
    if rng.random() < 0.5:
        crop = tv.hflip(crop)
    if rng.random() < section.jitter_share:
        crop = _jittered(crop, section.jitter, rng)
    if rng.random() < section.grey_share:
        crop = tv.rgb_to_grayscale(crop, 3)
    if rng.random() < section.blur_share:
        crop = crop.filter(ImageFilter.GaussianBlur(rng.uniform(*section.blur)))
    return np.asarray(crop), box


def resized(image: np.ndarray, box: Box, size: int) -> Image.Image:
    """A box of an image at ``size`` × ``size`` pixels, bilinear with antialiasing."""
    return Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box)


def _jittered(image: Image.Image, most: tuple[float, float, float, float], rng: np.random.Generator) -> Image.Image:
    """Brightness, contrast, saturation and hue changed in random order."""
    changes = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    middle = (1.0, 1.0, 1.0, 0.0)
    for which in rng.permutation(len(changes)):
        image = changes[which](image, middle[which] + rng.uniform(-most[which], most[which]))
    return image
