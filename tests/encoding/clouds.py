"""Small clouds in folders, and readers that stand at the top of a module, so that other processes find them."""

import os
import signal
import time
from pathlib import Path

import numpy as np

from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud


def cloud(path: Path, points: int = 60, seed: int = 0) -> Path:
    """Write a coloured cloud in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, (2, 2, 0.2), (points, 3)).astype(np.float32)
    rgb = rng.integers(0, 256, (points, 3)).astype(np.uint8)
    if path.suffix in (".txt", ".xyz"):
        np.savetxt(path, np.hstack([xyz, rgb]), fmt=["%.4f"] * 3 + ["%d"] * 3)
        return path
    return write_cloud(path, xyz, rgb)


def tree(folder: Path, *names: str) -> list[Path]:
    """Clouds of these names below a folder, each another one."""
    return [cloud(folder / name, seed=number) for number, name in enumerate(names)]


def names_below(folder: Path) -> list[str]:
    """All files below a folder, hidden ones too."""
    return sorted(one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file())


def read_without_colors(path: Path) -> tuple[np.ndarray, None]:
    """Another way to read."""
    return read_cloud(path).xyz, None


def read_and_be_killed(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """A cloud that is called greedy takes all memory: the system ends the process."""
    if "greedy" in path.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return read_cloud(path)[:2]


def read_slowly(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Each cloud takes a moment, and one that is called endless takes a minute."""
    time.sleep(60 if "endless" in path.name else 0.05)
    return read_cloud(path)[:2]


def read_with_a_fault(path: Path) -> tuple[np.ndarray, None]:
    """A fault of the code, not of the file."""
    raise ZeroDivisionError(path.name)
