"""Walks through a room: camera poses whose neighbours see the same things, as hand-held recordings do."""

from collections import deque

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.rooms.camera import PROBE, look_at, make_intrinsics, probe
from ppkt_zoo.rooms.rendering.raycast import one_thread
from ppkt_zoo.rooms.room import Room

_CELL = 0.1  # of the grid on which the way is found, metres
_CLEARANCE = 0.28  # from the way to furniture and walls
_SHORTEST = 0.02  # a step that is halved below this share stands still and only turns a little
_NEIGHBOURS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def sample_walk(
    room: Room, seed: int | np.random.Generator, views: int, view: float = 60.0, overlap: float = 0.4
) -> list[np.ndarray]:
    """Poses along a walk over the free floor, looking around; each sees at least ``overlap`` of what the last saw.

    Args:
        seed: a seed or a generator; the same one gives the same walk.
        views: number of poses.
        view: horizontal field of view of the camera in degrees.
        overlap: smallest share of a view's pixels that the next one sees too, see `overlap_of_views`.

    Returns:
        ``views`` poses, float64 (4, 4), camera → world.

    Raises:
        InputError: ``views`` below 1, or ``overlap`` not in [0, 0.9].
    """
    if views < 1 or not 0 <= overlap <= 0.9:
        raise InputError(f"a walk needs at least 1 view and an overlap from 0 to 0.9, got {views} and {overlap:g}")
    rng = np.random.default_rng(seed)
    way = _way(room, rng)
    high = rng.uniform(1.25, 1.7)
    gaze = _gaze(room, way, high, rng)
    sway = rng.uniform(0, 2 * np.pi, 2)
    poses, place, step = [], 0.0, 1.0
    with one_thread():
        poses.append(_pose(way, gaze, high, sway, place))
        depth = _depth(room, poses[0], view)
        while len(poses) < views:
            # The longest step that keeps enough in view; steps grow again where the room is calm.
            step = min(2 * step, 4.0)
            while True:
                pose = _pose(way, gaze, high, sway, place + step)
                seen = _depth(room, pose, view)
                if step < _SHORTEST or _share_seen(depth, poses[-1], pose, seen, view) >= overlap:
                    break
                step /= 2
            place += step
            poses.append(pose)
            depth = seen
    return poses


def overlap_of_views(room: Room, first: np.ndarray, second: np.ndarray, view: float = 60.0) -> float:
    """The share of the first view's pixels whose surface point the second camera sees, 0 to 1.

    Args:
        first, second: poses (4, 4), camera → world.
        view: horizontal field of view of both in degrees.
    """
    with one_thread():
        return _share_seen(_depth(room, first, view), first, second, _depth(room, second, view), view)


def _depth(room: Room, pose: np.ndarray, view: float) -> np.ndarray:
    return probe(room, pose, view)[0].double().numpy().reshape(PROBE)


def _share_seen(depth: np.ndarray, first: np.ndarray, second: np.ndarray, other: np.ndarray, view: float) -> float:
    height, width = PROBE
    intrinsics = make_intrinsics(height, width, view)
    v, u = np.mgrid[:height, :width]
    rays = np.stack(
        [(u - intrinsics[0, 2]) / intrinsics[0, 0], (v - intrinsics[1, 2]) / intrinsics[1, 1], np.ones_like(u)]
    )
    points = (rays * depth).reshape(3, -1)
    seen = np.linalg.inv(second) @ first @ np.vstack([points, np.ones(points.shape[1])])
    front = seen[2] > 0.05
    x = np.full(seen.shape[1], -1)
    y = np.full(seen.shape[1], -1)
    x[front] = np.round(intrinsics[0, 0] * seen[0, front] / seen[2, front] + intrinsics[0, 2])
    y[front] = np.round(intrinsics[1, 1] * seen[1, front] / seen[2, front] + intrinsics[1, 2])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    # A pixel of the small frame is wide: its surface may be a little nearer or farther than the point.
    near = np.zeros(len(x), bool)
    near[inside] = np.abs(other[y[inside], x[inside]] - seen[2, inside]) < 0.15 + 0.05 * seen[2, inside]
    return float(near.mean())


def _way(room: Room, rng: np.random.Generator) -> np.ndarray:
    """(L, 2) places one cell apart, along a tour of the largest free part of the floor."""
    free = _free_floor(room)
    part = _largest_part(free)
    cells = np.argwhere(part)
    here = cells[int(rng.integers(len(cells)))]
    line = [here]
    for _ in range(12):
        there = cells[int(rng.integers(len(cells)))]
        line += _shortest(part, tuple(here), tuple(there))[1:]
        here = there
    origin = -np.array(room.extent[:2]) / 2
    places = origin + (np.array(line) + 0.5) * _CELL
    # Corners cut as a walker cuts them; half a metre either way stays clear of what the clearance kept clear.
    return _smoothed(places, 5)


def _smoothed(line: np.ndarray, cells: int) -> np.ndarray:
    """The running mean of (L, 2) numbers over an odd number of rows."""
    kernel, edge = np.ones(cells) / cells, cells // 2
    padded = np.pad(line, ((edge, edge), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in range(2)], axis=1)


def _free_floor(room: Room) -> np.ndarray:
    width, depth = room.extent[:2]
    shape = (max(int(width / _CELL), 1), max(int(depth / _CELL), 1))
    x = -width / 2 + (np.arange(shape[0]) + 0.5) * _CELL
    y = -depth / 2 + (np.arange(shape[1]) + 0.5) * _CELL
    places = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    free = (np.abs(places[..., 0]) < width / 2 - _CLEARANCE) & (np.abs(places[..., 1]) < depth / 2 - _CLEARANCE)
    for centre_x, centre_y, centre_z, wide, deep, tall, heading in room.boxes:
        if centre_z - tall / 2 > 1.9:
            continue  # it hangs overhead
        away = places - np.array([centre_x, centre_y])
        c, s = np.cos(heading), np.sin(heading)
        own = np.stack([c * away[..., 0] + s * away[..., 1], c * away[..., 1] - s * away[..., 0]], axis=-1)
        beyond = np.maximum(np.abs(own) - np.array([wide, deep]) / 2, 0)
        free &= np.hypot(beyond[..., 0], beyond[..., 1]) > _CLEARANCE
    if not free.any():
        # So full that nobody could walk: stand where furniture is farthest.
        free[shape[0] // 2, shape[1] // 2] = True
    return free


def _largest_part(free: np.ndarray) -> np.ndarray:
    left, best = free.copy(), np.zeros_like(free)
    while left.any():
        start = tuple(np.argwhere(left)[0])
        part = np.zeros_like(free)
        for cell in _reached(left, (int(start[0]), int(start[1]))):
            part[cell] = True
        left &= ~part
        if part.sum() > best.sum():
            best = part
    return best


def _reached(free: np.ndarray, start: tuple[int, int]) -> dict[tuple[int, int], tuple[int, int]]:
    """Every free cell that can be walked to, and the cell before it on the shortest way."""
    before = {start: start}
    queue = deque([start])
    while queue:
        cell = queue.popleft()
        for dx, dy in _NEIGHBOURS:
            following = (cell[0] + dx, cell[1] + dy)
            inside = 0 <= following[0] < free.shape[0] and 0 <= following[1] < free.shape[1]
            if inside and free[following] and following not in before:
                before[following] = cell
                queue.append(following)
    return before


def _shortest(free: np.ndarray, start: tuple[int, ...], end: tuple[int, ...]) -> list[np.ndarray]:
    first, cell = (int(start[0]), int(start[1])), (int(end[0]), int(end[1]))
    before = _reached(free, first)
    line = [cell]
    while line[-1] != first:
        line.append(before[line[-1]])
    return [np.array(one) for one in reversed(line)]


def _gaze(room: Room, way: np.ndarray, high: float, rng: np.random.Generator) -> np.ndarray:
    """(L, 2) heading and pitch in radians at each place: towards one piece of furniture after the other, no jumps."""
    targets = np.array([item.centre for item in room.objects if item.name not in ("door", "window", "lamp")])
    if not len(targets):
        targets = np.array([[0.0, 0.0, 0.8]])
    gaze: list[tuple[float, float]] = []
    chosen, heading, pitch = targets[0], 0.0, -0.2
    for number, place in enumerate(way):
        if number % 12 == 0:
            away = np.linalg.norm(targets[:, :2] - place, axis=1)
            weight = np.where((away > 0.9) & (away < 3.5), 1.0, 0.05)
            chosen = targets[int(rng.choice(len(targets), p=weight / weight.sum()))]
        flat = float(np.linalg.norm(chosen[:2] - place))
        # Whoever stands right over a thing looks on past it.
        if flat > 0.5 or number == 0:
            heading = float(np.arctan2(chosen[1] - place[1], chosen[0] - place[0]))
            pitch = float(np.clip(np.arctan2(chosen[2] - high, max(flat, 0.3)), -0.7, 0.1))
        gaze.append((heading, pitch))
    turned = np.array(gaze)
    turned[:, 0] = np.unwrap(turned[:, 0])
    return _smoothed(turned, 9)


def _pose(way: np.ndarray, gaze: np.ndarray, high: float, sway: np.ndarray, place: float) -> np.ndarray:
    # To the end of the way and back again, so that a walk of any length is possible.
    length = max(len(way) - 1, 1)
    there = place % (2 * length)
    there = min(there, 2 * length - there)
    marks = np.arange(len(way))
    x, y = (float(np.interp(there, marks, way[:, axis])) for axis in range(2))
    heading, pitch = (float(np.interp(there, marks, gaze[:, axis])) for axis in range(2))
    phase = 2 * np.pi * place / 7
    position = np.array([x, y, high + 0.03 * np.sin(phase + sway[0])])
    ahead = np.array([np.cos(heading) * np.cos(pitch), np.sin(heading) * np.cos(pitch), np.sin(pitch)])
    return look_at(position, position + ahead, 0.03 * np.sin(phase / 2 + sway[1]))
