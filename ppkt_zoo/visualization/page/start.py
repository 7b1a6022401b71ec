"""Where a page's camera stands at first, which walls it looks through, and the picture for browsers without WebGL2."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppkt_zoo.visualization.camera import Shell, View, find_shell, views
from ppkt_zoo.visualization.picture import compare_picture
from ppkt_zoo.visualization.point_spacing import main_body

# Degrees above a sensor's own line of sight, and the steepest and flattest of it.
_ABOVE = 10.0
_LIFT = (12.0, 55.0)
# Of the picture: pixels of a row, and JPEG's quality.
_HEIGHT, _QUALITY = 300, 82


@dataclass(frozen=True)
class Start:
    """Attributes:
    target: float64 (3,), what the camera turns about.
    azimuth, elevation: degrees, where the eye stands.
    shell: walls and ceiling, which the camera looks through from outside.
    cameras: of the picture.
    """

    target: np.ndarray
    azimuth: float
    elevation: float
    shell: Shell
    cameras: list[View]

    def about(self) -> dict[str, Any]:
        """For the page's script; a wall or ceiling that is not there is None."""
        return {
            "target": [round(float(one), 4) for one in self.target],
            "azimuth": round(self.azimuth, 2),
            "elevation": round(self.elevation, 2),
            "shell": {
                "yaw": self.shell.yaw,
                "walls": [_finite(one) for one in self.shell.walls],
                "ceiling": _finite(self.shell.ceiling),
                "floor": _finite(self.shell.floor),
            },
        }


def find_start(xyz: np.ndarray, seen_from: np.ndarray | None) -> Start:
    """The first view onto a cloud float32 (N, 3): from its sensor's side, or from the better corner of a room."""
    body = xyz[main_body(xyz)]
    target = (body.min(axis=0).astype(np.float64) + body.max(axis=0)) / 2
    cameras = views(xyz, seen_from=seen_from)
    eye = cameras[0].eye if seen_from is None else seen_from
    away = eye - target
    level = float(np.hypot(away[0], away[1]))
    elevation = float(np.rad2deg(np.arctan2(away[2], level)))
    if seen_from is not None:
        elevation = float(np.clip(elevation + _ABOVE, *_LIFT))
    azimuth = float(np.rad2deg(np.arctan2(away[1], away[0]))) if level > 1e-9 else -90.0
    return Start(target, azimuth, elevation, find_shell(xyz), cameras)


def still_picture(xyz: np.ndarray, rows: list[tuple[str, np.ndarray]], cameras: list[View]) -> bytes:
    """The cloud in up to two colourings as a JPEG file; rows as of ``compare_picture``."""
    stream = io.BytesIO()
    compare_picture(xyz, rows, cameras, height=_HEIGHT).save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
