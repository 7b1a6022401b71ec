"""A room: solids, objects with oriented boxes, lights."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.rooms.classes import CLASSES
from ppkt_zoo.rooms.materials import Material, Palette
from ppkt_zoo.rooms.rendering.solids import Solids, stack
from ppkt_zoo.rooms.shapes import Piece, Primitive, Shape, Vector, turn_z


@dataclass(frozen=True)
class RoomObject:
    """One thing in a room and its oriented box.

    Attributes:
        label: index into CLASSES.
        instance: its number, from 1.
        centre: float64 (3,), metres.
        size: float64 (3,), full extents along the box's own axes.
        heading: radians counter-clockwise about +z, from world x to the box's own x.
    """

    label: int
    instance: int
    centre: np.ndarray
    size: np.ndarray
    heading: float

    @property
    def name(self) -> str:
        """The class's name."""
        return CLASSES[self.label]


@dataclass(frozen=True)
class Light:
    """A light.

    Attributes:
        position: (3,) metres.
        color: (3,) linear; how bright it makes a surface near it.
        direction: (3,) unit vector, where it points.
        one_sided: whether it shines only that way, as a window does.
    """

    position: np.ndarray
    color: np.ndarray
    direction: np.ndarray
    one_sided: bool


@dataclass
class Room:
    """A furnished room. The floor is z = 0, its middle the origin.

    Attributes:
        seed: what it was made from.
        kind: living, kitchen, office, bedroom or bath.
        extent: width (x), depth (y), height (z) in metres.
        solids: its primitives.
        objects: what stands in it.
        lights: its light sources.
        ambient: (3,) linear colour of the light from everywhere.
        cache: shadow maps and the like, made when first needed.
    """

    seed: int
    kind: str
    extent: tuple[float, float, float]
    solids: Solids
    objects: list[RoomObject]
    lights: list[Light]
    ambient: np.ndarray
    cache: dict[str, Tensor] = field(default_factory=dict, repr=False)

    @property
    def device(self) -> torch.device:
        """Where it is rendered."""
        return self.solids.centre.device

    @cached_property
    def boxes(self) -> np.ndarray:
        """float64 (K, 7): centre, full size, heading of each object, in their order."""
        rows = [np.concatenate([item.centre, item.size, [item.heading]]) for item in self.objects]
        return np.array(rows).reshape(-1, 7)


class Assembly:
    """Collects pieces in the world's frame while a room is laid out."""

    def __init__(self, extent: tuple[float, float, float], palette: Palette) -> None:
        self.primitives: list[Primitive] = []
        self.labels: list[int] = []
        self.instances: list[int] = []
        self.objects: list[RoomObject] = []
        self._shell(extent, palette)

    def add(self, piece: Piece, position: np.ndarray, heading: float) -> RoomObject:
        """Put a piece at a place, turned by ``heading``."""
        rotation = turn_z(heading)
        instance, label = len(self.objects) + 1, CLASSES.index(piece.label)
        low, high = piece.bounds()
        centre = np.asarray(position, float) + rotation @ ((low + high) / 2)
        self.objects.append(RoomObject(label, instance, centre, high - low, float(heading)))
        for item in piece.primitives:
            self.primitives.append(
                Primitive(
                    item.shape,
                    rotation @ item.centre + position,
                    item.axes @ rotation.T,
                    item.half,
                    item.extra,
                    item.material,
                )
            )
            self.labels.append(label)
            self.instances.append(instance)
        return self.objects[-1]

    def flat(self, material: Material, label: str, centre: Vector, size: Vector, heading: float = 0.0) -> None:
        """Add a box that belongs to the shell (a carpet, a skirting board): no instance."""
        self.primitives.append(
            Primitive(
                Shape.BOX,
                np.asarray(centre, float),
                turn_z(heading).T,
                np.asarray(size, float) / 2,
                (0.0, 0.0),
                material,
            )
        )
        self.labels.append(CLASSES.index(label))
        self.instances.append(0)

    def solids(self, rng: np.random.Generator) -> Solids:
        """All primitives, stacked."""
        return stack(self.primitives, self.labels, self.instances, rng)

    def _shell(self, extent: tuple[float, float, float], palette: Palette) -> None:
        width, depth, height = extent
        thick = 0.1
        # Own axes: along the wall, up, into the room; so +1 on the third axis is the face that is seen.
        wide, deep, side = (width, depth), (width, height), (depth, height)
        walls = (palette.wall, palette.wall, palette.accent_wall, palette.wall)
        faces = (
            ((0, 0, -thick), np.eye(3), wide, palette.floor, "floor"),
            ((0, 0, height + thick), np.diag([1.0, -1.0, -1.0]), wide, palette.ceiling, "ceiling"),
            ((-width / 2 - thick, 0, height / 2), _upright(0, 1), side, walls[0], "wall"),
            ((width / 2 + thick, 0, height / 2), _upright(0, -1), side, walls[1], "wall"),
            ((0, -depth / 2 - thick, height / 2), _upright(1, 1), deep, walls[2], "wall"),
            ((0, depth / 2 + thick, height / 2), _upright(1, -1), deep, walls[3], "wall"),
        )
        for centre, axes, size, material, label in faces:
            half = np.array([size[0] / 2 + thick, size[1] / 2 + thick, thick])
            self.primitives.append(Primitive(Shape.BOX, np.asarray(centre, float), axes, half, (0.0, 0.0), material))
            self.labels.append(CLASSES.index(label))
            self.instances.append(0)


def _upright(axis: int, sign: int) -> np.ndarray:
    """Own axes of a wall whose face looks along ``sign`` times world axis 0 or 1: along it, up, into the room."""
    inward = np.eye(3)[axis] * sign
    up = np.array([0.0, 0.0, 1.0])
    return np.stack([np.cross(up, inward), up, inward])
