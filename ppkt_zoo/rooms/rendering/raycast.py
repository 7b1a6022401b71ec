"""Casting a camera's rays at a room's solids: the first hit of every pixel.

Every solid is tested only against the pixels of the rectangle that its bounds cover in the image. All pairs
(solid, pixel) of one kind of solid make one flat list, so the number of torch calls does not grow with the
number of solids, and a GPU is used as well as a CPU. The ray's parameter is the depth along the optical axis.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from ppkt_zoo.rooms.rendering.vectors import dot, largest, length, pick, smallest, turn_back, unit
from ppkt_zoo.rooms.room import SHELL, Solids
from ppkt_zoo.rooms.shapes import Shape

NEAR = 0.05
"""Nothing nearer to the camera than this is seen, metres."""

_CORNERS = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
_EDGES = torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7], [0, 2], [1, 3], [4, 6], [5, 7], [0, 4], [1, 5], [2, 6], [3, 7]])
_MARCH_STEPS = 12
_KEY_OF_NOTHING = 0x7F800000 << 24  # an infinite depth


@dataclass(frozen=True)
class Hits:
    """The first hit of each pixel.

    Attributes:
        depth: float32 (H·W,), metres along the optical axis; infinite where nothing was hit.
        solid: int64 (H·W,), index of the primitive; 0 where nothing was hit.
        origin: float32 (N, 3), the camera in each primitive's own frame, scaled to its half extents.
        rays: float32 (N, 3, 3): rays @ (u, v, 1) is the ray of a pixel in the same frame.
    """

    depth: Tensor
    solid: Tensor
    origin: Tensor
    rays: Tensor


def cast(
    solids: Solids,
    intrinsics: Tensor,
    pose: Tensor,
    height: int,
    width: int,
    shell: bool = True,
    skip: Tensor | None = None,
) -> Hits:
    """Find the first solid on the ray of each pixel.

    Args:
        intrinsics: float (3, 3), pixel centres at integer coordinates.
        pose: float (4, 4), camera → world.
        height, width: size of the image.
        shell: whether walls, floor and ceiling stop rays.
        skip: bool (N,), solids that rays pass through, or None.
    """
    device = solids.centre.device
    inverse = torch.linalg.inv(intrinsics.double())
    to_own = solids.axes / solids.half[:, :, None]
    rays = to_own @ (pose[:3, :3].double() @ inverse).float().to(device)
    position = pose[:3, 3].float().to(device)
    origin = (to_own @ (position - solids.centre)[:, :, None])[:, :, 0]
    best = torch.full((height * width,), _KEY_OF_NOTHING, dtype=torch.int64, device=device)
    if shell:
        best = _shell(solids, origin, rays, height, width)
    low, size = _rectangles(solids, intrinsics.float().to(device), pose.float().to(device), height, width)
    size[:SHELL] = 0
    if skip is not None:
        size = torch.where(skip[:, None], 0, size)
    area = size[:, 0] * size[:, 1]
    for shape in Shape:
        rows = ((solids.shape == int(shape)) & (area > 0)).nonzero()[:, 0]
        if rows.numel() == 0:
            continue
        which, start, way, pixel = _pairs(rows, low, size, area, origin, rays, width)
        depth, hit = _intersect(shape, start, way, solids, which)
        hit = hit.nonzero()[:, 0]
        best.scatter_reduce_(0, pick(pixel, hit), _key(pick(depth, hit), pick(which, hit)), "amin")
    depth = (best >> 24).to(torch.int32).view(torch.float32)
    return Hits(depth, best & 0xFFFFFF, origin, rays)


def _key(depth: Tensor, solid: Tensor | int) -> Tensor:
    # Positive floats sort as their bits do, so one integer minimum finds depth and solid together.
    return (depth.view(torch.int32).to(torch.int64) << 24) | solid


def pixels(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Column and row of every pixel of an image, float32 (H·W,) each."""
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    return u.reshape(-1), v.reshape(-1)


def _shell(solids: Solids, origin: Tensor, rays: Tensor, height: int, width: int) -> Tensor:
    """The inner faces of the six shell boxes; each one's inner face is at +1 on its third own axis."""
    device = origin.device
    u, v = pixels(height, width, device)
    best = torch.full((height * width,), _KEY_OF_NOTHING, dtype=torch.int64, device=device)
    for index in range(SHELL):
        a, b, c = rays[index, 2]
        way = a * u + b * v + c
        depth = (1 - origin[index, 2]) / way
        key = _key(depth, index)
        best = torch.minimum(best, torch.where((way < 0) & (depth > NEAR), key, _KEY_OF_NOTHING))
    return best


def _rectangles(solids: Solids, k: Tensor, pose: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """First pixel (u, v) and size (w, h) of what each solid's bounds cover, int64 (N, 2) each."""
    corners = _CORNERS.to(k.device)
    spread = (corners[None] * solids.half[:, None]) @ solids.axes + solids.centre[:, None]
    seen = (spread - pose[:3, 3]) @ pose[:3, :3]
    first, last = seen[:, _EDGES[:, 0]], seen[:, _EDGES[:, 1]]
    across = (first[..., 2:] < NEAR) != (last[..., 2:] < NEAR)
    part = (NEAR - first[..., 2:]) / torch.where(across, last[..., 2:] - first[..., 2:], 1.0)
    cut = torch.where(across, first + part * (last - first), float("nan"))
    points = torch.cat([torch.where(seen[..., 2:] >= NEAR, seen, float("nan")), cut], dim=1)
    z = points[..., 2]
    u, v = points[..., 0] / z * k[0, 0] + k[0, 2], points[..., 1] / z * k[1, 1] + k[1, 2]
    image = torch.stack([u, v], dim=-1)
    none = image.isnan()
    low = torch.where(none, float("inf"), image).amin(1)
    high = torch.where(none, float("-inf"), image).amax(1)
    limit = torch.tensor([width - 1.0, height - 1.0], device=k.device)
    start = torch.minimum((low - 0.01).ceil().clamp(min=0), limit + 1)
    end = torch.maximum(torch.minimum((high + 0.01).floor(), limit), start - 1)
    return start.long(), (end - start + 1).clamp(min=0).long()


def _pairs(
    rows: Tensor, low: Tensor, size: Tensor, area: Tensor, origin: Tensor, rays: Tensor, width: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All pixels of the rows' rectangles: solid int64 (P,), start and way of the ray (3, P), pixel int64 (P,)."""
    device = rows.device
    tall = size[rows, 1]
    lines = int(tall.sum())
    owner = torch.repeat_interleave(rows, tall, output_size=lines)
    line = torch.arange(lines, device=device) - torch.repeat_interleave(tall.cumsum(0) - tall, tall, output_size=lines)
    v = line + low[owner, 1]
    line_wide = size[owner, 0]
    total = int(area[rows].sum())
    of = torch.repeat_interleave(torch.arange(lines, device=device), line_wide, output_size=total)
    # What is the same along a line is worked out once a line; u counts from the start of the whole list.
    first_u = low[owner, 0] - (line_wide.cumsum(0) - line_wide)
    u = torch.arange(total, device=device) + pick(first_u, of)
    own = rays[owner].permute(2, 1, 0)  # (u | v | 1, axis, line)
    table = torch.cat([origin[owner].T, own[0], own[1] * v + own[2]])
    values = pick(table, of)
    pixel = pick(v * width, of) + u
    return pick(owner, of), values[:3], torch.addcmul(values[6:], values[3:6], u.to(torch.float32)), pixel


def _intersect(shape: Shape, start: Tensor, way: Tensor, solids: Solids, which: Tensor) -> tuple[Tensor, Tensor]:
    """Depth of the entry (P,) and whether there is one (P,); start and way are (3, P) in own scaled frames."""
    if shape == Shape.BOX:
        return _slabs(start, way)[::2]
    if shape == Shape.ROUND_BOX:
        return _round_box(start, way, solids, which)
    if shape == Shape.FRUSTUM:
        return _frustum(start, way, pick(solids.extra.T, which))
    a, b, c = dot(way, way), dot(start, way), dot(start, start) - 1
    root = b * b - a * c
    depth = (-b - root.clamp(min=0).sqrt()) / a
    return depth, (root >= 0) & (depth > NEAR)


def _slabs(start: Tensor, way: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    inverse = 1 / torch.where(way.abs() < 1e-9, 1e-9, way)
    middle, reach = -start * inverse, inverse.abs()
    enter, leave = middle - reach, middle + reach
    near = largest(enter)
    far = smallest(leave)
    return near, far, (near <= far) & (near > NEAR)


def _round_box(start: Tensor, way: Tensor, solids: Solids, which: Tensor) -> tuple[Tensor, Tensor]:
    near, far, hit = _slabs(start, way)
    chosen = hit.nonzero()[:, 0]
    solid = pick(which, chosen)
    half, radius = pick(solids.half.T, solid), pick(solids.extra[:, 0].contiguous(), solid)
    base, step = pick(start, chosen) * half, pick(way, chosen) * half
    slow = 1 / length(step)
    inner = half - radius
    depth, end = near[chosen], far[chosen]
    distance = depth
    for _ in range(_MARCH_STEPS):
        beyond = (torch.addcmul(base, step, depth)).abs() - inner
        distance = length(beyond.clamp(min=0)) + largest(beyond).clamp_(max=0) - radius
        depth = torch.addcmul(depth, distance, slow)
    found = (distance < 1e-3) & (depth <= end + 1e-3)
    near[chosen] = depth
    hit[chosen] = found
    return near, hit


def _frustum(start: Tensor, way: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    slope, middle = (ends[1] - ends[0]) / 2, (ends[1] + ends[0]) / 2
    ox, oy, oz = start
    dx, dy, dz = way
    radius = middle + slope * oz
    grow = slope * dz
    a = dx * dx + dy * dy - grow * grow
    b = ox * dx + oy * dy - grow * radius
    c = ox * ox + oy * oy - radius * radius
    root = b * b - a * c
    square = root.clamp(min=0).sqrt()
    a = torch.where(a.abs() < 1e-12, 1e-12, a)
    depth = torch.full_like(ox, float("inf"))
    for side in (-1, 1):
        at = (-b + side * square) / a
        z = oz + at * dz
        good = (root >= 0) & (z.abs() <= 1) & (at > NEAR) & (middle + slope * z >= 0)
        depth = torch.where(good, torch.minimum(depth, at), depth)
    dz = torch.where(dz.abs() < 1e-9, 1e-9, dz)
    # Only the cap that faces the ray can be its entry.
    facing = torch.where(dz < 0, 1.0, -1.0)
    at = (facing - oz) / dz
    x, y = torch.addcmul(ox, at, dx), torch.addcmul(oy, at, dy)
    end = middle + slope * facing
    good = (x * x + y * y <= end * end) & (at > NEAR)
    depth = torch.where(good, torch.minimum(depth, at), depth)
    return depth, depth.isfinite()


def normals(solids: Solids, hits: Hits, place: Tensor) -> Tensor:
    """World normals (3, P) at own scaled coordinates ``place`` (3, P) of each pixel's first hit."""
    solid = hits.solid
    shape = pick(solids.shape, solid)
    size = place.abs()
    # The shell's boxes are seen on their third axis only.
    size[2] += (solid < SHELL) * 10.0
    normal = (size == largest(size)).float() * place.sign()
    rows = (shape == int(Shape.ROUND_BOX)).nonzero()[:, 0]
    if rows.numel():
        point, half = pick(place, rows), pick(solids.half.T, solid[rows])
        point = point * half
        beyond = (point.abs() - (half - solids.extra[solid[rows], 0])).clamp_(min=0)
        normal[:, rows] = torch.where(largest(beyond) > 1e-6, beyond * point.sign(), normal[:, rows])
    rows = (shape == int(Shape.ELLIPSOID)).nonzero()[:, 0]
    if rows.numel():
        normal[:, rows] = pick(place, rows) / pick(solids.half.T, solid[rows])
    rows = (shape == int(Shape.FRUSTUM)).nonzero()[:, 0]
    if rows.numel():
        point, half, ends = pick(place, rows), pick(solids.half.T, solid[rows]), pick(solids.extra.T, solid[rows])
        slope = (ends[1] - ends[0]) / 2
        radius = (ends[1] + ends[0]) / 2 + slope * point[2]
        side = torch.stack([point[0], point[1], -slope * radius]) / half
        cap = torch.stack([torch.zeros_like(radius), torch.zeros_like(radius), point[2].sign()])
        flat = (point[0] * point[0] + point[1] * point[1] < (radius * 0.999) ** 2) & (point[2].abs() > 0.999)
        normal[:, rows] = torch.where(flat, cap, side)
    return unit(turn_back(pick(solids.axes.permute(1, 2, 0), solid), normal))


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one CPU thread, then as before.

    A frame has to be the same wherever it is rendered, but torch cuts arrays into one piece a thread, and the
    last elements of a piece may be rounded otherwise. Several frames at once, each on one thread, are also
    faster than one frame on several threads.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
