"""Cameras: intrinsics from a field of view, poses that look at things, poses sampled in a room."""

from collections.abc import Callable

import numpy as np
import torch

from ppkt_zoo.rooms.rendering.raycast import cast, one_thread
from ppkt_zoo.rooms.room import Room, RoomObject

PROBE = (24, 32)
"""Height and width of the small frame that judges a pose."""

# How gladly a camera aims at a thing of each class.
_AIMS = {
    "chair": 2.0, "table": 2.0, "desk": 2.0, "sofa": 2.5, "bed": 1.5, "screen": 4.0, "plant": 1.2,
    "bookshelf": 1.0, "cabinet": 0.8, "counter": 1.2, "stool": 1.0, "appliance": 0.6, "refrigerator": 0.8,
    "toilet": 2.5, "bathtub": 2.0, "sink": 1.5, "shower_curtain": 0.6, "bin": 0.3, "mirror": 0.3,
    "lamp": 0.3, "door": 0.1, "window": 0.1,
}  # fmt: skip


def make_intrinsics(height: int, width: int, view: float) -> np.ndarray:
    """float64 (3, 3) of a camera with a horizontal field of view of ``view`` degrees and square pixels."""
    focal = width / 2 / np.tan(np.radians(view) / 2)
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def look_at(position: np.ndarray, target: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """float64 (4, 4) pose, camera → world, of a camera at ``position`` that looks at ``target``; roll in radians."""
    forward = np.asarray(target, float) - position
    forward = forward / np.linalg.norm(forward)
    up = np.array([0, 0, 1.0]) if abs(forward[2]) < 0.98 else np.array([0, 1.0, 0])
    right = np.cross(forward, up)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], axis=1)
    pose[:3, 3] = position
    return pose


def sample_camera(room: Room, seed: int | np.random.Generator, view: float = 60.0, tries: int = 30) -> np.ndarray:
    """A pose in the room's free space that sees at least two objects and has no wall before its nose.

    Args:
        seed: a seed or a generator; the same one gives the same pose.
        view: horizontal field of view of the camera in degrees.
        tries: how many poses are tried; the best is taken when none is good.

    Returns:
        float64 (4, 4), camera → world.
    """
    rng = np.random.default_rng(seed)

    def propose() -> np.ndarray:
        position = _free_position(room, rng)
        return look_at(position, _target(room, position, rng), rng.normal(0, 0.025))

    best = _best_pose(room, view, tries, propose, lambda depth, instance: _judge(room, depth, instance))
    assert best is not None
    return best


def sample_close_up(room: Room, seed: int | np.random.Generator, view: float = 60.0, tries: int = 30) -> np.ndarray:
    """A pose that looks down on what lies on a table, from as near as a hand-held or a robot's camera.

    Args:
        room, seed, view, tries: as for `sample_camera`, which also decides where nothing lies on any furniture.

    Returns:
        float64 (4, 4), camera → world.
    """
    rng = np.random.default_rng(seed)
    on_tops = [item for item in room.objects if _lies_on_top(item)]
    if not on_tops:
        return sample_camera(room, rng, view, tries)
    numbers = torch.tensor([item.instance for item in on_tops])

    def propose() -> np.ndarray | None:
        target = on_tops[int(rng.integers(len(on_tops)))].centre + rng.normal(0, 0.08, 3) * [1, 1, 0.3]
        pose = look_at(_hover(target, rng), target, rng.normal(0, 0.05))
        return pose if _inside(room, pose[:3, 3]) else None

    best = _best_pose(room, view, tries, propose, lambda depth, instance: _judge_close_up(depth, instance, numbers))
    return sample_camera(room, rng, view, tries) if best is None else best


def _lies_on_top(item: RoomObject) -> bool:
    """Whether it is a small thing on furniture of a table's height."""
    return item.name in ("clutter", "bottle") and 0.25 < item.centre[2] - item.size[2] / 2 < 1.1


def _hover(target: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A place 0.55 to 1.3 m from the target, 25 to 60 degrees above it."""
    distance, turn, high = rng.uniform(0.55, 1.3), rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 60))
    aside = np.array([np.cos(turn) * np.cos(high), np.sin(turn) * np.cos(high), np.sin(high)])
    place: np.ndarray = target + distance * aside
    return place


def _inside(room: Room, position: np.ndarray) -> bool:
    limit = np.array(room.extent[:2]) / 2 - 0.1
    return bool((np.abs(position[:2]) < limit).all() and position[2] < room.extent[2] - 0.1)


def _judge_close_up(depth: torch.Tensor, instance: torch.Tensor, on_tops: torch.Tensor) -> float:
    """1 for at least two things in view and nothing before the lens; else how far it is from that."""
    count = torch.bincount(instance, minlength=int(on_tops.max()) + 1)[on_tops]
    near = float((depth < 0.35).float().mean())
    return (min(int((count >= 5).sum()), 2) / 2 + (1.0 if near < 0.01 else 0.0)) / 2


def _best_pose(
    room: Room,
    view: float,
    tries: int,
    propose: Callable[[], np.ndarray | None],
    judge: Callable[[torch.Tensor, torch.Tensor], float],
) -> np.ndarray | None:
    """The first proposed pose that is judged 1 or more, else the best of all tries; None where none was proposed."""
    best, best_score = None, -1.0
    with one_thread():
        for _ in range(tries):
            pose = propose()
            if pose is None:
                continue
            score = judge(*probe(room, pose, view))
            if score > best_score:
                best, best_score = pose, score
            if score >= 1.0:
                break
    return best


def probe(room: Room, pose: np.ndarray, view: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A small frame that judges a pose: depth float32 and instance of each pixel, (H · W,) of ``PROBE``, on the CPU.

    Args:
        pose: (4, 4), camera → world.
        view: horizontal field of view in degrees.
    """
    small = torch.from_numpy(make_intrinsics(*PROBE, view)).float()
    hits = cast(room.solids, small, torch.from_numpy(pose).float(), *PROBE)
    return hits.depth.cpu(), room.solids.instance[hits.solid].cpu()


def _judge(room: Room, depth: torch.Tensor, instance: torch.Tensor) -> float:
    """1 or more for a good view; else how far it is from one."""
    count = torch.bincount(instance, minlength=len(room.objects) + 1)[1:]
    aims = torch.tensor([item.name in _AIMS and item.name not in ("door", "window") for item in room.objects])
    seen = int(((count >= 8) & aims).sum())
    share = float(count[aims].sum()) / depth.numel()
    near = float((depth < 0.45).float().mean())
    middle = float(depth.median())
    return (min(seen, 3) / 3 + min(share / 0.2, 1) + min(middle / 1.7, 1) + (1.0 if near < 0.02 else 0.0)) / 4


def _free_position(room: Room, rng: np.random.Generator) -> np.ndarray:
    width, depth, _ = room.extent
    boxes = room.boxes
    position = np.zeros(3)
    for _ in range(60):
        kind = rng.random()
        high = rng.uniform(1.35, 1.75) if kind < 0.6 else rng.uniform(0.8, 1.35)
        position = np.array([rng.uniform(-0.5, 0.5) * (width - 0.5), rng.uniform(-0.5, 0.5) * (depth - 0.5), high])
        away = position - boxes[:, :3]
        c, s = np.cos(boxes[:, 6]), np.sin(boxes[:, 6])
        own = np.stack([c * away[:, 0] + s * away[:, 1], c * away[:, 1] - s * away[:, 0], away[:, 2]], axis=1)
        beyond = np.maximum(np.abs(own) - boxes[:, 3:6] / 2, 0)
        # A camera may be over a low table but not in or right beside anything.
        if np.linalg.norm(beyond, axis=1).min() > 0.3:
            break
    return position


def _target(room: Room, position: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    away = np.array([np.linalg.norm(item.centre[:2] - position[:2]) for item in room.objects])
    weight = np.array([_AIMS.get(item.name, 0.0) for item in room.objects])
    # Screens are looked at from a chair, tables and sofas from where all of them is in view.
    near = np.array([0.9 if item.name == "screen" else 1.4 for item in room.objects])
    weight = weight * np.where((away > near) & (away < 4.0), 1.0, 0.05) + 1e-9
    # A screen, a sofa or a shelf is mostly photographed from its front.
    front = np.array([position[:2] - item.centre[:2] for item in room.objects])
    facing = -np.sin(room.boxes[:, 6]) * front[:, 0] + np.cos(room.boxes[:, 6]) * front[:, 1]
    weight *= np.where(facing > 0.5 * away, 2.0, 0.4)
    target = room.objects[int(rng.choice(len(weight), p=weight / weight.sum()))].centre.copy()
    target += rng.normal(0, 0.3, 3) * np.array([1, 1, 0.5])
    flat = float(np.linalg.norm(target[:2] - position[:2]))
    # People hold cameras between level and about 40 degrees down.
    target[2] = np.clip(target[2], position[2] - 0.85 * flat, position[2] + 0.15 * flat)
    return target
