"""A room: solids, objects with oriented boxes, lights; what its pixels can be, and which world the seeds give."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.rooms.materials import Material, Palette
from ppkt_zoo.rooms.shapes import Piece, Primitive, Shape, Vector, turn_z

VERSION = 3
"""Raised whenever the same seed would give other rooms or frames: caches of other versions are never read."""

CLASSES: tuple[str, ...] = (
    "wall", "floor", "ceiling", "door", "window", "curtain", "picture", "chair", "stool", "table", "desk", "sofa",
    "bed", "cabinet", "bookshelf", "counter", "appliance", "screen", "lamp", "plant", "bottle", "clutter",
    "refrigerator", "toilet", "bathtub", "sink", "shower_curtain", "bin", "mirror",
)  # fmt: skip
"""Class names; a name's position is its label."""


@dataclass(frozen=True)
class Solids:
    """N primitives and M materials; the first six primitives are the room's shell.

    Attributes:
        shape: int64 (N,), see Shape.
        centre: float32 (N, 3), world, metres.
        axes: float32 (N, 3, 3), rows are the primitive's own axes in the world.
        half: float32 (N, 3), metres.
        extra: float32 (N, 2), see Primitive.
        material, label, instance: int64 (N,).
        order: int64 (N, 3), own axes from the longest to the shortest: the texture's axes.
        offset: float32 (N, 3), shifts the texture, so that no two are cut from the same place.
        texture: int64 (M,); color, second: float32 (M, 3) linear light; finish: float32 (M, 4): scale, gloss,
            polish, glow.
    """

    shape: Tensor
    centre: Tensor
    axes: Tensor
    half: Tensor
    extra: Tensor
    material: Tensor
    label: Tensor
    instance: Tensor
    order: Tensor
    offset: Tensor
    texture: Tensor
    color: Tensor
    second: Tensor
    finish: Tensor

    def __len__(self) -> int:
        return self.shape.shape[0]

    def to(self, device: torch.device | str) -> "Solids":
        """The same solids on another device."""
        return Solids(**{item.name: getattr(self, item.name).to(device) for item in fields(self)})


SHELL = 6
"""How many primitives at the start are the room's walls, floor and ceiling, seen from inside."""


def stack(parts: Sequence[tuple[Primitive, int, int]], rng: np.random.Generator) -> Solids:
    """Stack primitives, each with its label and instance, that are already in the world's frame."""
    primitives = [primitive for primitive, _, _ in parts]
    index: dict[Material, int] = {}
    for primitive in primitives:
        index.setdefault(primitive.material, len(index))
    materials = list(index)
    half = np.stack([primitive.half for primitive in primitives])
    # Objects differ in their textures' place by their centre already; the draw sets equal panels apart.
    offset = rng.uniform(0, 50, (len(primitives), 3))
    return Solids(
        shape=torch.tensor([int(primitive.shape) for primitive in primitives]),
        centre=_float(np.stack([primitive.centre for primitive in primitives])),
        axes=_float(np.stack([primitive.axes for primitive in primitives])),
        half=_float(half),
        extra=_float(np.array([primitive.extra for primitive in primitives])),
        material=torch.tensor([index[primitive.material] for primitive in primitives]),
        label=torch.tensor([label for _, label, _ in parts]),
        instance=torch.tensor([instance for _, _, instance in parts]),
        order=torch.from_numpy(np.argsort(-half, axis=1, kind="stable").copy()),
        offset=_float(offset),
        texture=torch.tensor([int(material.texture) for material in materials]),
        color=_float(linear(np.array([material.color for material in materials]))),
        second=_float(linear(np.array([material.second for material in materials]))),
        finish=_float(np.array([[item.scale, item.gloss, item.polish, item.glow] for item in materials])),
    )


def linear(color: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light (the simple power law)."""
    return np.clip(color, 0, 1) ** 2.2


def _float(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


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
        self.parts: list[tuple[Primitive, int, int]] = []  # each with its label and instance
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
            placed = replace(item, centre=rotation @ item.centre + position, axes=item.axes @ rotation.T)
            self.parts.append((placed, label, instance))
        return self.objects[-1]

    def flat(self, material: Material, label: str, centre: Vector, size: Vector, heading: float = 0.0) -> None:
        """Add a box that belongs to the shell (a carpet, a skirting board): no instance."""
        self._fixed(material, label, centre, turn_z(heading).T, np.asarray(size, float) / 2)

    def solids(self, rng: np.random.Generator) -> Solids:
        """All primitives, stacked."""
        return stack(self.parts, rng)

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
            self._fixed(material, label, centre, axes, half)

    def _fixed(self, material: Material, label: str, centre: Vector, axes: np.ndarray, half: np.ndarray) -> None:
        box = Primitive(Shape.BOX, np.asarray(centre, float), axes, half, (0.0, 0.0), material)
        self.parts.append((box, CLASSES.index(label), 0))


def _upright(axis: int, sign: int) -> np.ndarray:
    """Own axes of a wall whose face looks along ``sign`` times world axis 0 or 1: along it, up, into the room."""
    inward = np.eye(3)[axis] * sign
    up = np.array([0.0, 0.0, 1.0])
    return np.stack([np.cross(up, inward), up, inward])
