"""All primitives of a room as stacked tensors."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from ppkt_zoo.rooms.materials import Material
from ppkt_zoo.rooms.shapes import Primitive


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


def stack(primitives: list[Primitive], labels: list[int], instances: list[int], rng: np.random.Generator) -> Solids:
    """Stack primitives that are already in the world's frame."""
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
        label=torch.tensor(labels),
        instance=torch.tensor(instances),
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
