"""A box-shaped room seen by a camera, and folders of its frames byte for byte in each published layout."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 48
CAMERA = np.array([[52.5, 0, 31.5], [0, 52.5, 23.5], [0, 0, 1]])
# The room's corners, metres, z up.
LOW, HIGH = np.array([-2.0, -1.5, 0.0]), np.array([2.5, 3.0, 2.4])


def looking(position: Sequence[float], heading: float, pitch: float, roll: float = 0.0) -> np.ndarray:
    """Camera → world pose: heading about z from +y, pitch above the horizon, roll about the view, degrees."""
    heading, pitch, roll = np.radians([heading, pitch, roll])
    forward = np.array([-np.sin(heading) * np.cos(pitch), np.cos(heading) * np.cos(pitch), np.sin(pitch)])
    level = np.cross(forward, [0, 0, 1])
    level /= np.linalg.norm(level)
    down = np.cross(forward, level)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(roll) * level + np.sin(roll) * down
    pose[:3, 1] = np.cos(roll) * down - np.sin(roll) * level
    pose[:3, 2] = forward
    pose[:3, 3] = position
    return pose


POSES = [looking((0.1 * i, 0.2, 1.4), 25.0 * i, -20.0, 3.0) for i in range(12)]


def render(pose: np.ndarray, camera: np.ndarray = CAMERA, size: tuple[int, int] = (HEIGHT, WIDTH)):
    """Colour uint8 and depth float64 in metres of the room's inside."""
    v, u = np.mgrid[: size[0], : size[1]]
    rays = np.stack([(u - camera[0, 2]) / camera[0, 0], (v - camera[1, 2]) / camera[1, 1], np.ones(size)], axis=-1)
    rays = rays @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        to_walls = np.where(rays > 0, HIGH - pose[:3, 3], LOW - pose[:3, 3]) / np.where(rays == 0, 1e-12, rays)
    depth = to_walls.min(axis=-1)
    points = pose[:3, 3] + rays * depth[..., None]
    color = np.clip(60 + 40 * points, 0, 255).astype(np.uint8)
    return color, depth


def save_color(path: Path, color: np.ndarray) -> None:
    Image.fromarray(color).save(path)


def save_depth(path: Path, depth: np.ndarray, scale: float = 1000.0) -> None:
    Image.fromarray(np.rint(depth * scale).astype(np.uint16)).save(path)


def seven_scenes(folder: Path, world: np.ndarray | None = None, suffix: str = ".png", poses=None) -> Path:
    """7-Scenes: frame-NNNNNN.color.png, .depth.png, .pose.txt (numbers as %e, tabs between)."""
    folder.mkdir(parents=True)
    for number, pose in enumerate(POSES if poses is None else poses):
        color, depth = render(pose)
        stem = f"frame-{number:06d}"
        save_color(folder / f"{stem}.color{suffix}", color)
        save_depth(folder / f"{stem}.depth.png", depth)
        stored = pose if world is None else world @ pose
        rows = ["\t".join(f" {value: .7e}" for value in row) + "\t\n" for row in stored]
        (folder / f"{stem}.pose.txt").write_text("".join(rows))
    write_intrinsics(folder / "camera-intrinsics.txt")
    return folder


def open3d(folder: Path, world: np.ndarray | None = None, color_folder: str = "image", poses=None) -> Path:
    """Open3D: image/NNNNN.jpg, depth/NNNNN.png, trajectory.log, camera.json (columns one after another)."""
    (folder / color_folder).mkdir(parents=True)
    (folder / "depth").mkdir()
    blocks = []
    for number, pose in enumerate(POSES if poses is None else poses):
        color, depth = render(pose)
        save_color(folder / color_folder / f"{number:05d}.png", color)
        save_depth(folder / "depth" / f"{number:05d}.png", depth)
        stored = pose if world is None else world @ pose
        rows = [" ".join(f"{value:.8f}" for value in row) for row in stored]
        blocks += [f"{number} {number} {number + 1}", *rows]
    (folder / "trajectory.log").write_text("\n".join(blocks) + "\n")
    camera = {"width": WIDTH, "height": HEIGHT, "intrinsic_matrix": CAMERA.T.reshape(-1).tolist()}
    (folder / "camera.json").write_text(json.dumps(camera))
    return folder


def plain(folder: Path, ids: bool = True, intrinsics: bool = True, poses: bool = False) -> Path:
    """The layout of mosd: NAME.color.jpg, NAME.depth.png, NAME.object.png; names that sort naturally."""
    folder.mkdir(parents=True)
    for number, pose in zip((1, 2, 10), POSES, strict=False):
        color, depth = render(pose)
        depth[:4] = 0
        save_color(folder / f"test{number}.color.jpg", color)
        save_depth(folder / f"test{number}.depth.png", depth)
        if ids:
            Image.fromarray(object_ids(depth)).save(folder / f"test{number}.object.png")
        if poses:
            np.savetxt(folder / f"test{number}.pose.txt", pose)
    if intrinsics:
        write_intrinsics(folder / "camera-intrinsics.txt")
    return folder


def object_ids(depth: np.ndarray) -> np.ndarray:
    ids = np.ones(depth.shape, dtype=np.uint8)
    ids[10:20, 10:20], ids[30:40, 30:50] = 2, 7
    ids[depth == 0] = 0
    return ids


def write_intrinsics(path: Path) -> None:
    path.write_text("\n".join(" ".join(f"{value:.18e}" for value in row) for row in CAMERA))


def turned(seed: int = 3, turn: float | None = None) -> np.ndarray:
    """Some rigid motion of the world: what a tracker that knows no gravity gives."""
    rng = np.random.default_rng(seed)
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    angle = rng.uniform(0.5, 2.5) if turn is None else turn
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    motion = np.eye(4)
    motion[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    motion[:3, 3] = rng.standard_normal(3)
    return motion


def degrees_between(one: np.ndarray, other: np.ndarray) -> float:
    cosine = np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
