"""Smooth edges from one extra ray at each pixel's corners (the quincunx pattern)."""

import torch
from torch import Tensor
from torch.nn import functional

from ppkt_zoo.rooms.rendering.raycast import cast
from ppkt_zoo.rooms.room import Room


def smooth(room: Room, light: Tensor, solid: Tensor, intrinsics: Tensor, pose: Tensor) -> Tensor:
    """Mix each pixel with what its four corners see.

    A corner is not lit anew: it takes the mean light of those of its four pixels that see the same solid.

    Args:
        room: what is seen.
        light: float32 (3, H, W).
        solid: int64 (H, W), what each pixel's middle sees.
        intrinsics, pose: of the camera.

    Returns:
        float32 (3, H, W).
    """
    height, width = solid.shape
    shifted = intrinsics.clone()
    shifted[:2, 2] += 0.5
    corner = cast(room.solids, shifted, pose, height + 1, width + 1).solid.reshape(height + 1, width + 1)
    # Lamps and windows are far brighter than a picture can show: limit them, or they would eat their edges.
    image = functional.pad(light.clamp(max=2.0)[None], (1, 1, 1, 1), mode="replicate")[0]
    around = functional.pad(solid[None, None].float(), (1, 1, 1, 1), mode="replicate")[0, 0].long()
    total = torch.zeros(3, height + 1, width + 1, device=light.device)
    same = torch.zeros(height + 1, width + 1, device=light.device)
    plain = torch.zeros_like(total)
    for down in (0, 1):
        for right in (0, 1):
            rows, columns = slice(down, down + height + 1), slice(right, right + width + 1)
            match = (around[rows, columns] == corner).float()
            part = image[:, rows, columns]
            total = torch.addcmul(total, part, match)
            plain += part
            same += match
    colour = torch.where(same > 0, total / same.clamp(min=1), plain / 4)
    mean = functional.avg_pool2d(colour[None], 2, 1)[0]
    return torch.lerp(light.clamp(max=2.0), mean, 0.5)
