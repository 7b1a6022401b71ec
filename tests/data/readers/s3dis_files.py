"""Rooms of S3DIS written as published, not by the code under test."""

import numpy as np


def points(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(-20000, 20000, (count, 3)) / 1000, rng.integers(0, 256, (count, 3))


def lines(seed: int, count: int) -> list[bytes]:
    xyz, rgb = points(seed, count)
    return [
        b"%.3f %.3f %.3f %d %d %d" % (*place, *color) for place, color in zip(xyz.tolist(), rgb.tolist(), strict=True)
    ]


def room(root, name: str, objects: dict[str, int], end: bytes = b"\r\n"):
    """One room with so many points in each object; the object's place in the dictionary is its seed."""
    folder = root / name / "Annotations"
    folder.mkdir(parents=True)
    for seed, (file, count) in enumerate(objects.items()):
        (folder / file).write_bytes(end.join(lines(seed, count)) + end)
    (root / name / f"{name.split('/')[-1]}.txt").write_bytes(b"not read\n")
    return root / name
