"""What a camera and a depth sensor make of light and distance."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

MAX_RANGE = 7.0
"""Farther than this the depth sensor sees nothing, metres."""


def sense_color(light: Tensor, rng: np.random.Generator | None) -> np.ndarray:
    """uint8 (H, W, 3) photograph of linear light (3, H, W); without a generator a plain, even one."""
    height, width = light.shape[1:]
    grey = light.mean(0)
    # Half geometric mean, half mean: bright windows may burn out, dark rooms stay a little dark.
    level = float((grey + 1e-3).log().mean().exp()) * 0.5 + float(grey.mean()) * 0.5
    gain = 0.31 / max(level, 1e-3)
    balance = torch.ones(3)
    if rng is not None:
        gain *= float(np.exp(rng.normal(0, 0.18)))
        warm = rng.normal(0, 0.05)
        balance = torch.tensor([1 + warm, 1 + rng.normal(0, 0.012), 1 - warm], dtype=torch.float32)
        y = torch.linspace(-1, 1, height, device=light.device)[:, None] * (height / width)
        x = torch.linspace(-1, 1, width, device=light.device)
        light = light * (1 - float(rng.uniform(0.0, 0.22)) * (x * x + y * y))
    shown = light * (gain * balance).to(light.device)[:, None, None]
    # A filmic curve: nearly straight in the middle, a shoulder for lights.
    shown = (shown * (1 + shown * 0.08)) / (1 + shown * 0.45)
    image = shown.clamp(0, 1) ** (1 / 2.2)
    if rng is not None:
        image = _levels(image, float(rng.uniform(0.5, 1.0)))
        # Cameras sharpen what they have taken.
        blurred = functional.avg_pool2d(image[None], 3, 1, 1, count_include_pad=False)[0]
        image = image + (image - blurred) * float(rng.uniform(0.2, 1.0))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        grain = torch.randn(3, height, width, generator=generator).to(light.device)
        image = image + grain * float(rng.uniform(0.003, 0.012))
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def _levels(image: Tensor, strength: float) -> Tensor:
    """Black and white points moved towards the darkest and the brightest parts, as cameras do; 1 moves all the way."""
    grey = image[:, ::3, ::3].mean(0).flatten()
    low, high = torch.quantile(grey, torch.tensor([0.01, 0.99], device=image.device)).tolist()
    low, high = low * strength, 1 - (1 - high) * strength
    return (image - low) / max(high - low, 0.2)


def sense_depth(depth: Tensor, facing: Tensor, rng: np.random.Generator) -> Tensor:
    """Depth as a structured-light sensor gives it.

    Noise and steps grow with the square of the distance; nothing comes back beyond ``MAX_RANGE``, from surfaces
    seen at a grazing angle, and from some pixels beside an edge.

    Args:
        depth: float32 (H, W), metres.
        facing: float32 (H, W), cosine between surface normal and the way to the camera.
        rng: its draws.

    Returns:
        float32 (H, W), 0 where there is a hole.
    """
    height, width = depth.shape
    device = depth.device
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    draws = torch.randn(height, width, generator=generator).to(device)
    luck = torch.rand(height, width, generator=generator).to(device)
    coarse = torch.randn(1, 1, height // 4 + 2, width // 4 + 2, generator=generator).to(device)
    coarse = functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)[0, 0]
    square = depth * depth
    noisy = depth + square * (0.0009 * draws + 0.0012 * coarse)
    step = 0.0014 * square
    noisy = (noisy / step).round() * step
    jump = functional.max_pool2d(depth[None], 3, 1, 1)[0] + functional.max_pool2d(-depth[None], 3, 1, 1)[0]
    edge = (jump > 0.05 + 0.03 * depth) & (luck < 0.55)
    hole = (
        edge | (depth > MAX_RANGE) | (depth < 0.35) | (facing < 0.08) | ((facing < 0.2) & (luck < 0.4)) | (luck > 0.998)
    )
    if bool(hole.all()):
        hole = depth > MAX_RANGE
    return torch.where(hole | ~noisy.isfinite(), 0.0, noisy).clamp(min=0)
