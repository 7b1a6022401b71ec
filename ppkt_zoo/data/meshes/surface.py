"""Points on the surface of meshes: as many to a square metre everywhere, the same ones for the same file and seed."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.meshes.parts import Look, MeshFile, Part
from ppkt_zoo.data.own_cloud import DENSITY
from ppkt_zoo.errors import InputError

#: More are never sampled; a larger surface gets fewer to the square metre, and that is told.
MOST_POINTS = 5_000_000
# Of triangles that have no area to speak of, the corners are all there is.
_LEAST_AREA = 1e-12
_BLOCK = 1 << 18


class Sampled(NamedTuple):
    """Points of a surface.

    Attributes:
        xyz: float64 (N, 3).
        rgb: uint8 (N, 3), or None where no part has a colour.
        area: of the surface.
        density: points to a unit of area.
    """

    xyz: NDArray[np.float64]
    rgb: NDArray[np.uint8] | None
    area: float
    density: float


def sample_surface(mesh: MeshFile, density: float = DENSITY, most: int = MOST_POINTS, seed: int = 0) -> Sampled:
    """Points spread over the triangles by their area; parts that are points alone are taken as they are.

    One point is drawn in each of as many pieces of equal area as there are points, so that none is left bare and the
    result is a function of the mesh, the density and the seed.

    Args:
        density: points to a unit of area: a square metre where the mesh is in metres.
        most: points at most; the density is lowered to that where need be.
        seed: of the random numbers.

    Raises:
        InputError: the mesh has no surface.
    """
    areas = [part.areas() for part in mesh.parts]
    area = float(sum(one.sum() for one in areas))
    loose = sum(len(part.vertices) for part in mesh.parts if not len(part.faces))
    if not loose and not area > _LEAST_AREA * mesh.triangles:
        raise InputError(
            f"{mesh.where}: its {mesh.triangles} triangles have no area: is the unit right, and is the file whole?"
        )
    density = min(density, most / area) if area > 0 else density
    colored = any(part.has_color for part in mesh.parts)
    random = np.random.default_rng(seed)
    xyz, rgb = [], []
    for part, one in zip(mesh.parts, areas, strict=True):
        if len(part.faces):
            face, weight = _spread(one, density, random)
            xyz.append(_mixed(part.vertices, part.faces, face, weight))
        else:
            face, weight = np.arange(len(part.vertices)), None
            xyz.append(part.vertices)
        if colored:
            rgb.append(_colors(part, face, weight))
    found = np.concatenate(xyz)
    if not len(found):
        raise InputError(f"{mesh.where}: {area:.3g} of surface is less than one point: is the unit right?")
    return Sampled(found, np.concatenate(rgb) if colored else None, area, density)


def corner_points(mesh: MeshFile) -> tuple[NDArray[np.float64], NDArray[np.uint8] | None]:
    """The vertices alone as points (V, 3), and their colours (V, 3) or None."""
    colored = any(part.has_color for part in mesh.parts)
    rgb = [_colors(part, np.arange(len(part.vertices)), None) for part in mesh.parts] if colored else []
    return mesh.vertices(), np.concatenate(rgb) if colored else None


def _spread(
    areas: NDArray[np.float64], density: float, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The triangle of every point (N,), and the weights of its corners (N, 3)."""
    ends = np.cumsum(areas)
    count = int(np.floor(ends[-1] * density + random.random()))
    place = (np.arange(count) + random.random(count)) / max(1, count) * ends[-1]
    # Rounding must not lead behind the last triangle that has an area.
    face = np.minimum(np.searchsorted(ends, place, side="right"), np.searchsorted(ends, ends[-1]))
    # Uniform in the triangle (Osada et al., Shape Distributions, 2002, section 4.2).
    root, along = np.sqrt(random.random(count)), random.random(count)
    return face, np.stack([1 - root, root * (1 - along), root * along], axis=1)


def _mixed(
    values: NDArray[Any], faces: NDArray[np.int64], face: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values of vertices (V, C) at points within triangles, (N, C)."""
    found = np.empty((len(face), values.shape[1]))
    for at in range(0, len(face), _BLOCK):
        part = slice(at, at + _BLOCK)
        found[part] = np.einsum("nkc,nk->nc", values[faces[face[part]]], weight[part])
    return found


def _colors(part: Part, face: NDArray[np.int64], weight: NDArray[np.float64] | None) -> NDArray[np.uint8]:
    """The colour of every point: that of the material times that of the vertices; white where a part has none."""

    def at(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(values, float) if weight is None else _mixed(values, part.faces, face, weight)

    look = part.look or Look()
    found = np.broadcast_to(np.array(look.color, float), (len(face), 3))
    if look.texture is not None and part.uv is not None:
        found = found * _looked_up(look.texture, at(part.uv)) / 255.0
    if part.colors is not None:
        found = found * at(part.colors) / 255.0
    return np.clip(np.rint(found), 0, 255).astype(np.uint8)


def _looked_up(texture: NDArray[np.uint8], uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours of a texture (N, 3), between its pixels; beyond its borders it repeats."""
    height, width = texture.shape[:2]
    uv = np.where(np.isfinite(uv), uv, 0.0)
    # The remainder first: whole numbers of repetitions change nothing, and large ones would cost all digits.
    x = _within(uv[:, 0]) * width - 0.5
    y = (1.0 - _within(uv[:, 1])) * height - 0.5
    left, top = np.floor(x), np.floor(y)
    found = np.zeros((len(uv), 3))
    for down, tall in ((0, 1 - (y - top)), (1, y - top)):
        for right, wide in ((0, 1 - (x - left)), (1, x - left)):
            # Held at the border: the other end of an atlas has nothing to do with this one.
            row = np.clip(top + down, 0, height - 1).astype(np.int64)
            column = np.clip(left + right, 0, width - 1).astype(np.int64)
            found += texture[row, column] * (tall * wide)[:, None]
    return found


def _within(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """In [0, 1]; both ends stay where they are."""
    return np.where((place >= 0) & (place <= 1), place, place % 1.0)
