"""What a file of meshes holds: parts with one look each, in the file's own axes and unit."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Look:
    """The colour of a material.

    Attributes:
        color: uint8 (3,), sRGB; multiplied with the texture where there is one.
        texture: uint8 (H, W, 3), sRGB, or None.
    """

    color: tuple[int, int, int] = (255, 255, 255)
    texture: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Part:
    """Triangles that share a look, or points without triangles.

    Attributes:
        vertices: float64 (V, 3).
        faces: int64 (F, 3), rows of ``vertices``; (0, 3) where the part is points alone.
        colors: uint8 (V, 3) of the vertices, or None.
        uv: float64 (V, 2), places in the texture, (0, 0) in its lower left corner; or None.
        look: of the material, or None where the part has none.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colors: NDArray[np.uint8] | None = None
    uv: NDArray[np.float64] | None = None
    look: Look | None = None

    @property
    def has_color(self) -> bool:
        """Whether anything says which colour it has."""
        return self.colors is not None or self.look is not None

    def areas(self) -> NDArray[np.float64]:
        """The area of every triangle, (F,)."""
        corner = self.vertices[self.faces]
        with np.errstate(over="ignore", invalid="ignore"):
            normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
            area = 0.5 * np.sqrt((normal**2).sum(axis=1))
        return np.where(np.isfinite(area), area, 0.0)


@dataclass(frozen=True)
class MeshFile:
    """The meshes of a file, each as often as the scene shows it, in the scene's own axes.

    Attributes:
        where: the file, for messages.
        parts: at least one, all with vertices that are finite.
        unit: which the format defines, or None.
        up: the axis that points up by the format's definition, or None.
    """

    where: str
    parts: tuple[Part, ...]
    unit: str | None = None
    up: str | None = None

    @property
    def triangles(self) -> int:
        """How many there are."""
        return sum(len(part.faces) for part in self.parts)

    def vertices(self) -> NDArray[np.float64]:
        """Those of all parts, (V, 3)."""
        return np.concatenate([part.vertices for part in self.parts])

    def moved(self, linear: NDArray[np.floating]) -> "MeshFile":
        """Turned and scaled by a 3×3 matrix."""
        turn = np.asarray(linear, dtype=np.float64)
        return replace(self, parts=tuple(replace(one, vertices=one.vertices @ turn.T) for one in self.parts))
