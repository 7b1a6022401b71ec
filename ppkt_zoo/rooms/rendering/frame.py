"""A frame of a room, as a camera and a depth sensor see it: colour, depth, label and instance of every pixel."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.rooms.rendering.light import openness, shadow
from ppkt_zoo.rooms.rendering.raycast import Hits, cast, normals, one_thread, pixels
from ppkt_zoo.rooms.rendering.textures import paint
from ppkt_zoo.rooms.rendering.vectors import dot, pick, turn, unit
from ppkt_zoo.rooms.room import Room

MAX_RANGE = 7.0
"""Farther than this the depth sensor sees nothing, metres."""


@torch.inference_mode()
def render(
    room: Room, intrinsics: np.ndarray, pose: np.ndarray, height: int, width: int, noise: bool = True, view: int = 0
) -> RGBDFrame:
    """Render one frame.

    Args:
        intrinsics: float (3, 3), pixels; pixel centres at integer coordinates.
        pose: float (4, 4), camera → world.
        height, width: size in pixels.
        noise: exposure, white balance, vignette and noise of a camera, and noise and holes of a depth sensor;
            without it depth is exact and the exposure the same for the whole room.
        view: number of the frame, for its name and its noise.
    """
    with one_thread():
        return _render(room, intrinsics, pose, height, width, noise, view)


def _render(
    room: Room, intrinsics: np.ndarray, pose: np.ndarray, height: int, width: int, noise: bool, view: int
) -> RGBDFrame:
    camera = torch.from_numpy(np.ascontiguousarray(pose)).float()
    matrix = torch.from_numpy(np.ascontiguousarray(intrinsics)).float()
    hits = cast(room.solids, matrix, camera, height, width)
    light, facing = _shade(room, hits, matrix, camera, height, width)
    solid = hits.solid
    label = room.solids.label[solid].to(torch.int16).reshape(height, width).cpu().numpy()
    instance = room.solids.instance[solid].to(torch.int32).reshape(height, width).cpu().numpy()
    linear = smooth(room, light.reshape(3, height, width), hits.solid.reshape(height, width), matrix, camera)
    rng = np.random.default_rng([room.seed, view, 7])
    color = sense_color(linear, rng if noise else None)
    depth = hits.depth.reshape(height, width)
    if noise:
        depth = sense_depth(depth, facing.reshape(height, width), rng)
    return RGBDFrame(
        color=color,
        depth=depth.cpu().numpy().astype(np.float32),
        intrinsics=np.asarray(intrinsics, np.float64),
        pose=np.asarray(pose, np.float64),
        name=f"rooms-{room.seed}-{view}",
        label=label,
        instance=instance,
    )


def _shade(room: Room, hits: Hits, matrix: Tensor, camera: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Linear light (3, P) of each pixel, and the cosine (P,) between its normal and the way to the camera."""
    solids, device = room.solids, room.device
    u, v = pixels(height, width, device)
    to_world = (camera[:3, :3].double() @ torch.linalg.inv(matrix.double())).float().to(device)
    rays = to_world @ torch.stack([u, v, torch.ones(height * width, device=device)])
    depth, solid = hits.depth, hits.solid
    point = torch.addcmul(camera[:3, 3:].to(device), rays, depth)
    half = pick(solids.half.T, solid)
    own = turn(pick(solids.axes.permute(1, 2, 0), solid), point - pick(solids.centre.T, solid))
    place = own / half
    normal = normals(solids, hits, place)
    order = pick(solids.order.T, solid)
    material = pick(solids.material, solid)
    scale, gloss, polish, glow = pick(solids.finish.T, material)
    albedo = paint(
        pick(solids.texture, material), pick(solids.color.T, material), pick(solids.second.T, material), scale,
        own.gather(0, order), place.gather(0, order), pick(solids.offset.T, solid), depth / float(matrix[0, 0]),
    )  # fmt: skip
    to_eye = -unit(rays)
    facing = dot(to_eye, normal)
    total, shine = _light(room, point, normal, to_eye, polish)
    graze = (1 - facing.clamp(0, 1)) ** 5
    mirror = torch.from_numpy(room.ambient).float().to(device)[:, None] * (gloss * (0.15 + 0.35 * graze))
    light = albedo * (total + 1.6 * glow) + shine * gloss + mirror
    return light, facing


def _light(room: Room, point: Tensor, normal: Tensor, to_eye: Tensor, polish: Tensor) -> tuple[Tensor, Tensor]:
    """Diffuse light (3, P) that arrives, and highlights (3, P)."""
    device = point.device
    open_part = openness(room, point, normal)
    # Light from everywhere: more from above, and coloured by the floor from below.
    up = normal[2] * 0.5 + 0.5
    ambient = torch.from_numpy(room.ambient).float().to(device)[:, None]
    floor = room.solids.color[room.solids.material[0]][:, None]
    bounce = ambient * (0.25 + 0.75 * floor)
    total = (bounce + (ambient - bounce) * up) * open_part
    shine = torch.zeros_like(total)
    for number, light in enumerate(room.lights):
        color = torch.from_numpy(light.color).float().to(device)[:, None]
        away = torch.from_numpy(light.position).float().to(device)[:, None] - point
        square = dot(away, away)
        way = away * square.rsqrt()
        # Both lights are wide: light wraps a little around edges, and it fades less than from a point.
        front = ((dot(way, normal) + 0.12) / 1.12).clamp_(min=0)
        fade = 1 / (square + 1.2)
        lit = shadow(room, number, torch.add(point, normal, alpha=0.02))
        if light.one_sided:
            direction = torch.from_numpy(light.direction).float().to(device)[:, None]
            fade = fade * -dot(way, direction).clamp_(max=0) * 1.6
        total = torch.addcmul(total, color, front * fade * lit * (0.5 + 0.5 * open_part))
        middle = dot(unit(way + to_eye), normal).clamp_(min=0)
        shine = torch.addcmul(shine, color, middle**polish * (front > 0) * lit * fade)
    return total, shine


def smooth(room: Room, light: Tensor, solid: Tensor, intrinsics: Tensor, pose: Tensor) -> Tensor:
    """Mix each pixel with what its four corners see.

    A corner is not lit anew: it takes the mean light of those of its four pixels that see the same solid.

    Args:
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
