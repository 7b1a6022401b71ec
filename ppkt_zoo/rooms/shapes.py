"""Primitives and the piece of furniture they make up, in the piece's own frame.

A piece stands on z = 0, its footprint centred on the origin; its back is towards −y, its front towards +y.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np

from ppkt_zoo.rooms.materials import Material

Vector = Sequence[float] | np.ndarray
"""Three numbers."""

CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
"""Signs of x and y at the corners of a rectangle."""


class Shape(IntEnum):
    """What a primitive is, inside its own half extents."""

    BOX = 0
    ROUND_BOX = 1
    FRUSTUM = 2
    ELLIPSOID = 3


@dataclass(frozen=True)
class Primitive:
    """One convex solid.

    Attributes:
        shape: box, rounded box, frustum (cylinders and cones too) or ellipsoid.
        centre: (3,) metres.
        axes: (3, 3), rows are the primitive's own axes.
        half: (3,) half extents along its own axes, metres.
        extra: rounded box: (edge radius in metres, 0); frustum: radius at its bottom and at its top as
            fractions of the half extents.
        material: what it is made of.
    """

    shape: Shape
    centre: np.ndarray
    axes: np.ndarray
    half: np.ndarray
    extra: tuple[float, float]
    material: Material

    def reach(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest coordinate of the solid along each row of ``frame`` (3, 3)."""
        spans = (frame @ self.axes.T) * self.half  # row: frame axis, column: own axis
        middle = frame @ self.centre
        if self.shape == Shape.ELLIPSOID:
            out = np.linalg.norm(spans, axis=1)
            return middle - out, middle + out
        if self.shape == Shape.FRUSTUM:
            disc = np.linalg.norm(spans[:, :2], axis=1)
            ends = np.stack([-spans[:, 2] - disc * self.extra[0], spans[:, 2] - disc * self.extra[1]])
            tops = np.stack([-spans[:, 2] + disc * self.extra[0], spans[:, 2] + disc * self.extra[1]])
            return middle + ends.min(0), middle + tops.max(0)
        if self.shape == Shape.ROUND_BOX:
            inner = np.abs((frame @ self.axes.T) * (self.half - self.extra[0])).sum(1) + self.extra[0]
            return middle - inner, middle + inner
        out = np.abs(spans).sum(1)
        return middle - out, middle + out


@dataclass(frozen=True)
class Top:
    """A level rectangle that carries things: centre (x, y), height z, size (x, y), metres."""

    x: float
    y: float
    z: float
    width: float
    depth: float
    headroom: float = 1.0


@dataclass
class Piece:
    """A piece of furniture under construction, or ready to be placed."""

    label: str
    primitives: list[Primitive] = field(default_factory=list)
    tops: list[Top] = field(default_factory=list)

    def box(
        self,
        material: Material,
        centre: Vector,
        size: Vector,
        rotation: np.ndarray | None = None,
        rounding: float = 0.0,
    ) -> None:
        """Add a box of full ``size``; ``rounding`` is the radius of its edges."""
        half = np.asarray(size, float) / 2
        radius = min(rounding, float(half.min()) * 0.98)
        shape = Shape.ROUND_BOX if radius > 0.004 else Shape.BOX
        extra = (radius if shape == Shape.ROUND_BOX else 0.0, 0.0)
        self._add(shape, centre, half, extra, rotation, material)

    def cone(
        self,
        material: Material,
        centre: Vector,
        bottom: float,
        top: float,
        height: float,
        rotation: np.ndarray | None = None,
        squash: float = 1.0,
    ) -> None:
        """Add a frustum along its own z; ``squash`` is the ratio of its y radius to its x radius."""
        radius = max(bottom, top)
        self._add(
            Shape.FRUSTUM,
            centre,
            (radius, radius * squash, height / 2),
            (bottom / radius, top / radius),
            rotation,
            material,
        )

    def cylinder(
        self,
        material: Material,
        centre: Vector,
        radius: float,
        height: float,
        rotation: np.ndarray | None = None,
        squash: float = 1.0,
    ) -> None:
        """Add a cylinder along its own z."""
        self.cone(material, centre, radius, radius, height, rotation, squash)

    def ball(self, material: Material, centre: Vector, size: Vector, rotation: np.ndarray | None = None) -> None:
        """Add an ellipsoid of full ``size``."""
        self._add(Shape.ELLIPSOID, centre, np.asarray(size, float) / 2, (0.0, 0.0), rotation, material)

    def rod(
        self, material: Material, start: Vector, end: Vector, radius: float, end_radius: float | None = None
    ) -> None:
        """Add a round rod from one point to another."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        end_radius = radius if end_radius is None else end_radius
        self.cone(material, (start + end) / 2, radius, end_radius, float(np.linalg.norm(end - start)), aim(end - start))

    def bar(self, material: Material, start: Vector, end: Vector, width: float, thickness: float) -> None:
        """Add a square bar from one point to another."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        self.box(material, (start + end) / 2, (width, thickness, float(np.linalg.norm(end - start))), aim(end - start))

    def top(self, x: float, y: float, z: float, width: float, depth: float, headroom: float = 1.0) -> None:
        """Record a surface that may carry things."""
        self.tops.append(Top(x, y, z, width, depth, headroom))

    def lift(self, height: float) -> None:
        """Raise everything that was added so far."""
        up = np.array([0.0, 0.0, height])
        self.primitives = [replace(item, centre=item.centre + up) for item in self.primitives]
        self.tops = [replace(top, z=top.z + height) for top in self.tops]

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest corner in the piece's frame, each (3,)."""
        reaches = [primitive.reach(np.eye(3)) for primitive in self.primitives]
        return np.min([low for low, _ in reaches], axis=0), np.max([high for _, high in reaches], axis=0)

    def footprint(self) -> tuple[float, float]:
        """Width (x) and depth (y) of a rectangle about the origin that holds the piece."""
        low, high = self.bounds()
        reach = np.maximum(-low, high) * 2
        return float(reach[0]), float(reach[1])

    def _add(
        self,
        shape: Shape,
        centre: Vector,
        half: Vector,
        extra: tuple[float, float],
        rotation: np.ndarray | None,
        material: Material,
    ) -> None:
        axes = np.eye(3) if rotation is None else np.asarray(rotation, float).T
        self.primitives.append(
            Primitive(shape, np.asarray(centre, float), axes, np.asarray(half, float), extra, material)
        )


def turn_x(angle: float) -> np.ndarray:
    """Rotation about x, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def turn_y(angle: float) -> np.ndarray:
    """Rotation about y, radians."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def turn_z(angle: float) -> np.ndarray:
    """Rotation about z, radians counter-clockwise."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def aim(direction: Vector) -> np.ndarray:
    """A rotation whose z axis points along ``direction`` (3,)."""
    z = np.asarray(direction, float) / np.linalg.norm(direction)
    helper = np.array([1.0, 0, 0]) if abs(z[0]) < 0.9 else np.array([0, 1.0, 0])
    y = np.cross(z, helper)
    y /= np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)
