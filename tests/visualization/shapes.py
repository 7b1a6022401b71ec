"""Clouds whose look is known."""

import numpy as np


def plane(origin: tuple, along: tuple, across: tuple, spacing: float = 0.04) -> np.ndarray:
    """Points float32 (N, 3) on a rectangle."""
    first, second = np.asarray(along, float), np.asarray(across, float)
    u, v = np.meshgrid(
        np.linspace(0, 1, round(np.linalg.norm(first) / spacing) + 1),
        np.linspace(0, 1, round(np.linalg.norm(second) / spacing) + 1),
    )
    return (np.asarray(origin) + u.reshape(-1, 1) * first + v.reshape(-1, 1) * second).astype(np.float32)


def box_room(
    width: float = 5.0, depth: float = 4.0, height: float = 2.6, yaw: float = 0.0, ceiling: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """A room with a table: xyz float32 (N, 3), and what each point is (0 floor, 1–4 walls, 5 ceiling, 6 table)."""
    parts = [
        plane((0, 0, 0), (width, 0, 0), (0, depth, 0)),
        plane((width, 0, 0), (0, depth, 0), (0, 0, height)),
        plane((0, depth, 0), (width, 0, 0), (0, 0, height)),
        plane((0, 0, 0), (0, depth, 0), (0, 0, height)),
        plane((0, 0, 0), (width, 0, 0), (0, 0, height)),
    ]
    parts.append(plane((0, 0, height), (width, 0, 0), (0, depth, 0)) if ceiling else np.empty((0, 3), np.float32))
    parts.append(plane((2, 1.5, 0.7), (1.2, 0, 0), (0, 0.8, 0)))
    xyz = np.concatenate(parts)
    part = np.concatenate([np.full(len(points), number) for number, points in enumerate(parts)])
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    # A millimetre of noise, as no scan is exact.
    noise = np.random.default_rng(0).normal(0, 0.001, xyz.shape)
    return ((xyz + noise) @ turn.T).astype(np.float32), part
