"""Small labelled scans of a made-up owner, written in every format that is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.points.files.cloud_files import write_cloud

#: Ids as the files hold them, with gaps; of the rows of a scan.
IDS = (2, 5, 9)


def arrays(number: int, points: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions float32, colours uint8 and ids uint8: three slabs along x, each in a colour of its own."""
    rng = np.random.default_rng(number)
    xyz = rng.uniform(0, (3, 2, 2), (points, 3)).astype(np.float32)
    part = np.minimum(xyz[:, 0].astype(int), 2)
    rgb = np.array([[30, 30, 220], [128, 128, 128], [220, 30, 30]], np.uint8)[part]
    return xyz, rgb, np.array(IDS, np.uint8)[part]


def scan(folder: Path, name: str, number: int = 0, ids: np.ndarray | None = None, field: str = "label") -> Path:
    """One scan as ``.ply`` or ``.npz``."""
    xyz, rgb, own = arrays(number)
    return write_cloud(folder / name, xyz, rgb, **{field: own if ids is None else ids})


def names(folder: Path, text: str = "classes: {2: wall, 5: floor, 9: chair}\n") -> Path:
    """The file of class names."""
    file = folder / "classes.yaml"
    file.write_text(text)
    return file


def boxes(folder: Path, stem: str, rows: Any = None) -> Path:
    """The file of boxes of a scan: one chair around its last slab."""
    one = {"class": "chair", "centre": [2.5, 1, 1], "size": [1.0, 2.0, 2.0], "heading": 0.0}
    file = folder / f"{stem}.boxes.json"
    file.write_text(json.dumps([one] if rows is None else rows))
    return file


def text(xyz: np.ndarray, rgb: np.ndarray, ids: np.ndarray, separator: str = " ") -> str:
    """Rows of a table."""
    rows = zip(xyz.tolist(), rgb.tolist(), ids.tolist(), strict=True)
    return "".join(separator.join(map(repr, [*point, *color, one])) + "\n" for point, color, one in rows)
