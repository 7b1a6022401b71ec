"""How much light reaches a point: shadow maps of the lights and a grid that says how closed in a place is."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ppkt_zoo.rooms.camera import look_at
from ppkt_zoo.rooms.rendering.raycast import cast
from ppkt_zoo.rooms.room import SHELL, Light, Room, Solids
from ppkt_zoo.rooms.shapes import Shape

_MAP = 320
_LAMP_REACH = 2.2  # tangent of half the lamp's shadow map's angle
_WINDOW_REACH = 1.5
_CELL = 0.06
_PAD = 6


def shadow(room: Room, number: int, place: Tensor) -> Tensor:
    """Share of a light that reaches each point (3, P): float32 (P,), 1 lit, 0 in shadow."""
    light = room.lights[number]
    pose, reach = _light_pose(light), _LAMP_REACH if not light.one_sided else _WINDOW_REACH
    key = f"shadow{number}"
    if key not in room.cache:
        room.cache[key] = _shadow_map(room, pose, reach)
    moments = room.cache[key]
    world = torch.from_numpy(np.linalg.inv(pose)).float().to(place.device)
    seen = torch.addmm(world[:3, 3:], world[:3, :3], place)
    z = seen[2]
    depth = 1 / z.clamp(min=0.05)
    at = seen[:2] * (depth / reach)
    grid = at.T.contiguous()[None, :, None]
    first, square = functional.grid_sample(moments, grid, align_corners=False, padding_mode="border")[0, :, :, 0]
    # Variance shadow map in inverse depth, where equal steps are equal texels; the lit side is the larger.
    behind = (first - depth).clamp(min=0)
    spread = (square - first * first).clamp(min=2e-5)
    lit = spread / (spread + behind * behind)
    lit = ((lit - 0.25) / 0.75).clamp(0, 1)
    inside = (torch.maximum(at[0].abs(), at[1].abs()) < 1) & (z > 0.05)
    return torch.where(inside, lit, torch.ones_like(lit))


def _light_pose(light: Light) -> np.ndarray:
    return look_at(light.position, light.position + light.direction)


def _shadow_map(room: Room, pose: np.ndarray, reach: float) -> Tensor:
    focal = _MAP / 2 / reach
    middle = (_MAP - 1) / 2
    intrinsics = torch.tensor([[focal, 0, middle], [0, focal, middle], [0, 0, 1.0]])
    solids = room.solids
    glowing = solids.finish[solids.material, 3] > 0
    # What glows throws no shadow, nor does what hangs about a light itself.
    lamps = torch.tensor([item.instance for item in room.objects if item.name in ("lamp", "window", "curtain")] or [0])
    skip = glowing | torch.isin(solids.instance, lamps.to(solids.instance.device))
    hits = cast(solids, intrinsics, torch.from_numpy(pose).float(), _MAP, _MAP, shell=False, skip=skip)
    inverse = (1 / hits.depth).reshape(1, 1, _MAP, _MAP)
    moments = torch.cat([inverse, inverse * inverse], dim=1)
    return functional.avg_pool2d(
        functional.avg_pool2d(moments, 5, 1, 2, count_include_pad=False), 3, 1, 1, count_include_pad=False
    )


def openness(room: Room, place: Tensor, normal: Tensor) -> Tensor:
    """How open the half space above each point is: float32 (P,), 1 open, towards 0 in corners and under things."""
    if "closed" not in room.cache:
        room.cache["closed"] = _closed_grid(room)
    grid = room.cache["closed"]
    width, depth, _ = room.extent
    device = place.device
    low = torch.tensor([-width / 2, -depth / 2, 0.0], device=device) - _PAD * _CELL
    size = torch.tensor([grid.shape[4], grid.shape[3], grid.shape[2]], device=device) * _CELL
    near, wide = (
        _look_up(grid[:, channel : channel + 1], torch.addcmul(place, normal, normal.new_tensor(off)), low, size)
        for channel, off in ((0, 0.10), (1, 0.3))
    )
    return ((1 - 0.75 * near) * (1 - 1.0 * wide)).clamp(0.04, 1)


def _look_up(grid: Tensor, place: Tensor, low: Tensor, size: Tensor) -> Tensor:
    at = ((place - low[:, None]) * (2 / size)[:, None] - 1).T.contiguous()
    return functional.grid_sample(grid, at[None, :, None, None], align_corners=False, padding_mode="border")[
        0, 0, :, 0, 0
    ]


def _closed_grid(room: Room) -> Tensor:
    """float32 (1, 2, Z, Y, X): share of matter around each cell, within about 10 cm and within 35 cm."""
    width, depth, height = room.extent
    cells = [int(np.ceil(edge / _CELL)) + 2 * _PAD for edge in (height, depth, width)]
    full = torch.zeros(cells[0], cells[1], cells[2], device=room.device)
    low = torch.tensor([-width / 2, -depth / 2, 0.0], device=room.device) - _PAD * _CELL
    full[:_PAD], full[-_PAD:], full[:, :_PAD], full[:, -_PAD:], full[:, :, :_PAD], full[:, :, -_PAD:] = (1.0,) * 6
    _fill(full, room.solids, low)
    matter = full[None, None]
    return torch.cat([_mean_around(matter, 3), _mean_around(_mean_around(matter, 5), 7)], dim=1)


def _mean_around(grid: Tensor, cells: int) -> Tensor:
    """Mean over a cube of cells about each, one axis after the other: 3 · n sums in place of n³."""
    for axis in range(3):
        kernel, padding = [1, 1, 1], [0, 0, 0]
        kernel[axis], padding[axis] = cells, cells // 2
        grid = functional.avg_pool3d(grid, kernel, 1, padding, count_include_pad=False)
    return grid


def _fill(full: Tensor, solids: Solids, low: Tensor) -> None:
    """Mark the cells whose middles lie in a solid; thin solids are thickened and count for less."""
    body = slice(SHELL, None)
    centre, axes, half, shape, extra = (
        solids.centre[body],
        solids.axes[body],
        solids.half[body],
        solids.shape[body],
        solids.extra[body],
    )
    thick = half.clamp(min=_CELL * 0.5)
    weight = (half / thick).prod(1)
    reach = (thick[:, :, None] * axes.abs()).sum(1)
    limit = torch.tensor([full.shape[2], full.shape[1], full.shape[0]], device=full.device)
    first = ((centre - reach - low) / _CELL - 0.5).ceil().long().clamp(min=0)
    last = torch.minimum(((centre + reach - low) / _CELL - 0.5).floor().long(), limit - 1)
    size = (last - first + 1).clamp(min=0)
    counts = size.prod(1)
    total = int(counts.sum())
    device = full.device
    which = torch.repeat_interleave(torch.arange(len(counts), device=device), counts, output_size=total)
    index = torch.arange(total, device=device) - (counts.cumsum(0) - counts)[which]
    wide, deep = size[which, 0], size[which, 1]
    x = index % wide
    y = torch.div(index, wide, rounding_mode="floor") % deep
    z = torch.div(index, wide * deep, rounding_mode="floor")
    cell = torch.stack([x, y, z], dim=1) + first[which]
    own = (axes[which] @ ((cell.float() + 0.5) * _CELL + low - centre[which])[:, :, None])[:, :, 0] / thick[which]
    kind = shape[which]
    box = own.abs().amax(1) <= 1
    ball = own.square().sum(1) <= 1
    ends = extra[which]
    radius = (ends[:, 0] + ends[:, 1]) / 2 + (ends[:, 1] - ends[:, 0]) / 2 * own[:, 2]
    cone = box & (own[:, :2].square().sum(1) <= radius * radius)
    inside = torch.where(kind == int(Shape.ELLIPSOID), ball, torch.where(kind == int(Shape.FRUSTUM), cone, box))
    flat = (cell[:, 2] * full.shape[1] + cell[:, 1]) * full.shape[2] + cell[:, 0]
    full.view(-1).scatter_reduce_(0, flat[inside], weight[which][inside], "amax")
