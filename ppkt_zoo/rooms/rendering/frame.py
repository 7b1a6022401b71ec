"""A frame of a room: colour, depth, label and instance of every pixel."""

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.rooms.rendering.edges import smooth
from ppkt_zoo.rooms.rendering.light import openness, shadow
from ppkt_zoo.rooms.rendering.raycast import Hits, cast, normals
from ppkt_zoo.rooms.rendering.sensor import sense_color, sense_depth
from ppkt_zoo.rooms.rendering.textures import paint
from ppkt_zoo.rooms.rendering.threads import one_thread
from ppkt_zoo.rooms.rendering.vectors import dot, pick, turn, unit
from ppkt_zoo.rooms.room import Room


@torch.inference_mode()
def render(
    room: Room, intrinsics: np.ndarray, pose: np.ndarray, height: int, width: int, noise: bool = True, view: int = 0
) -> RGBDFrame:
    """Render one frame.

    Args:
        room: what is seen.
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
    v, u = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32),
        torch.arange(width, device=device, dtype=torch.float32),
        indexing="ij",
    )
    to_world = (camera[:3, :3].double() @ torch.linalg.inv(matrix.double())).float().to(device)
    rays = to_world @ torch.stack([u.reshape(-1), v.reshape(-1), torch.ones(height * width, device=device)])
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
