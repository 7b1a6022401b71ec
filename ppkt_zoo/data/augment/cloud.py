"""Augmentation of the student's cloud that keeps every point's identity, so that pixel-point pairs stay true."""

import numpy as np
from pydantic import Field, field_validator

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.validation import StrictModel

# A hall of 100 × 100 × 10 m at 0.2 m has 13 million; 16 bytes each while it is smoothed.
_MOST_NODES = 1 << 24
Rows = np.ndarray
# Along an axis, where points are thinned; and what makes a number of a cell's place.
_MOST_CELLS = 1 << 20
_CELL_STRIDES = np.array([1 << 42, 1 << 21, 1])


def elastic_distortion(xyz: np.ndarray, granularity: float, magnitude: float, rng: np.random.Generator) -> np.ndarray:
    """Move points by noise on a coarse grid, smoothed twice along each axis and interpolated between its nodes.

    Simard et al. 2003; for clouds as in Choy et al. 2019.

    Args:
        xyz: float32 (N, 3), metres.
        granularity: distance of the grid's nodes in metres.
        magnitude: factor of the smoothed unit noise, in metres.
        rng: where the noise comes from.

    Returns:
        float32 (N, 3).

    Raises:
        InputError: the cloud is so wide, or granularity so fine, that the grid would not fit into memory.
    """
    if len(xyz) == 0:
        return xyz
    lowest = xyz.min(axis=0)
    place = (xyz - lowest) / np.float32(granularity)
    size = np.floor(place.max(axis=0)).astype(int) + 2
    if np.prod(size.astype(float)) > _MOST_NODES:
        raise InputError(
            f"xyz is up to {size.max() * granularity:.0f} m wide: too wide for elastic distortion with nodes "
            f"every {granularity:g} m"
        )
    field = rng.standard_normal((*size, 3), np.float32)
    for _ in range(2):
        for axis in range(3):
            field = _smooth(field, axis)
    base = np.floor(place).astype(np.int64)
    part = (place - base).T.copy()
    sides = (1 - part, part)
    first = (base[:, 0] * size[1] + base[:, 1]) * size[2] + base[:, 2]
    flat = field.reshape(-1, 3)
    shift = np.zeros_like(xyz)
    for x, y, z in np.ndindex(2, 2, 2):
        share = sides[x][0] * sides[y][1] * sides[z][2]
        shift += share[:, None] * flat.take(first + ((x * size[1] + y) * size[2] + z), axis=0)
    return (xyz + shift * np.float32(magnitude)).astype(np.float32)


def _smooth(field: np.ndarray, axis: int) -> np.ndarray:
    """Mean of each node and its two neighbours along an axis; the border counts as its own neighbour."""
    widths = [(0, 0)] * field.ndim
    widths[axis] = (1, 1)
    padded = np.pad(field, widths, mode="edge")
    length = field.shape[axis]
    parts = [np.take(padded, range(start, start + length), axis=axis) for start in range(3)]
    return (parts[0] + parts[1] + parts[2]) / np.float32(3)


class CloudAugmentation(StrictModel):
    """What may happen to a cloud; the default is nothing at all.

    Angles are in degrees, lengths in metres, colours in parts of the full range.
    """

    rotation_z: float = Field(default=0, ge=0, le=180, description="largest turn about z, either way")
    tilt: float = Field(default=0, ge=0, le=90, description="largest turn about a random horizontal axis")
    scale: tuple[float, float] = Field(default=(1, 1), description="smallest and largest factor")
    flip: float = Field(default=0, ge=0, le=1, description="probability of mirroring x, and of mirroring y")
    elastic: tuple[tuple[float, float], ...] = Field(default=(), description="(granularity, magnitude) one by one")
    elastic_probability: float = Field(default=1, ge=0, le=1)
    dropout: tuple[float, float] = Field(default=(0, 0), description="smallest and largest part of points dropped")
    cube_dropout: int = Field(default=0, ge=0, description="most cubes that are cut out")
    cube_edge: float = Field(default=0.3, gt=0)
    brightness: float = Field(default=0, ge=0, le=1, description="largest shift of all colours, either way")
    contrast: float = Field(default=0, ge=0, lt=1, description="largest change of the factor about the mean")
    channel_gain: float = Field(default=0, ge=0, lt=1, description="largest change of each channel's factor")
    color_noise: float = Field(default=0, ge=0, le=1, description="standard deviation of each point's colour")
    grey: float = Field(default=0, ge=0, le=1, description="probability that a cloud's colours become shades of grey")
    colorless: float = Field(default=0, ge=0, le=1, description="probability that a cloud has no colour at all")
    thinning: tuple[float, float] = Field(
        default=(0, 0), description="smallest and largest edge of cells of which one point stays, as in a coarser scan"
    )
    thinning_probability: float = Field(default=0.5, ge=0, le=1)
    jitter: float = Field(default=0, ge=0, description="largest standard deviation of each point's place")
    jitter_probability: float = Field(default=0.5, ge=0, le=1)

    @field_validator("scale", "dropout", "thinning")
    @classmethod
    def _rises(cls, given: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= given[0] <= given[1]:
            raise ValueError(f"the smallest must be at least 0 and at most the largest, got {given}")
        return given

    @field_validator("scale")
    @classmethod
    def _keeps_size(cls, given: tuple[float, float]) -> tuple[float, float]:
        if given[0] == 0:
            raise ValueError("a factor of 0 makes a point of the cloud")
        return given

    @field_validator("dropout")
    @classmethod
    def _leaves_some(cls, given: tuple[float, float]) -> tuple[float, float]:
        if given[1] >= 1:
            raise ValueError(f"dropping a part of {given[1]:g} leaves no points")
        return given

    @field_validator("elastic")
    @classmethod
    def _has_extent(cls, given: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if any(granularity <= 0 or magnitude < 0 for granularity, magnitude in given):
            raise ValueError(f"granularity must be above 0 and magnitude at least 0, got {given}")
        return given

    @classmethod
    def off(cls) -> "CloudAugmentation":
        """No augmentation."""
        return cls()

    def __call__(
        self, xyz: np.ndarray, rgb: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None, Rows]:
        """Augment one cloud.

        Args:
            xyz: float32 (N, 3), metres, z up.
            rgb: uint8 (N, 3), or None.
            rng: where all randomness comes from.

        Returns:
            xyz float32 (M, 3); rgb uint8 (M, 3), or None where there was none or the cloud loses it; and the row of
            the input that each row came from, int64 (M,), rising. M is at least 1: a dropout that would take every
            point takes none.

        Raises:
            InputError: the cloud is empty, or too wide for the granularity of the elastic distortion.
        """
        if len(xyz) == 0:
            raise InputError("xyz is empty: there is nothing to augment")
        kept = self._thinned(xyz, self._surviving(xyz, rng), rng)
        moved = self._jittered(self._move(xyz[kept], rng), rng)
        if self.colorless and rng.random() < self.colorless:
            return moved, None, kept
        return moved, None if rgb is None else self._recolor(rgb[kept], rng), kept

    def _surviving(self, xyz: np.ndarray, rng: np.random.Generator) -> Rows:
        alive = np.ones(len(xyz), bool)
        low, high = self.dropout
        if high > 0:
            alive &= rng.random(len(xyz), np.float32) >= rng.uniform(low, high)
        for _ in range(int(rng.integers(0, self.cube_dropout + 1)) if self.cube_dropout else 0):
            centre = xyz[rng.integers(len(xyz))]
            alive &= (np.abs(xyz - centre) > self.cube_edge / 2).any(axis=1)
        return np.flatnonzero(alive) if alive.any() else np.arange(len(xyz))

    def _thinned(self, xyz: np.ndarray, kept: Rows, rng: np.random.Generator) -> Rows:
        """One of the kept rows of each cell, a random one."""
        if self.thinning[1] == 0 or rng.random() >= self.thinning_probability:
            return kept
        low = xyz.min(axis=0)
        # Finer cells than that could not be numbered, and would hold one point each anyway.
        edge = max(rng.uniform(*self.thinning), float((xyz.max(axis=0) - low).max()) / _MOST_CELLS)
        if edge == 0:
            return kept
        shuffled = rng.permutation(kept)
        cell = ((xyz[shuffled] - low) / np.float32(edge)).astype(np.int64)
        _, first = np.unique(cell @ _CELL_STRIDES, return_index=True)
        return np.sort(shuffled[first])

    def _jittered(self, xyz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.jitter == 0 or rng.random() >= self.jitter_probability:
            return xyz
        spread = np.float32(rng.uniform(0, self.jitter))
        return xyz + spread * rng.standard_normal(xyz.shape, np.float32)

    def _move(self, xyz: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.elastic and rng.random() < self.elastic_probability:
            for granularity, magnitude in self.elastic:
                xyz = elastic_distortion(xyz, granularity, magnitude, rng)
        linear = np.eye(3)
        if self.rotation_z:
            linear = _turn(np.array([0.0, 0.0, 1.0]), rng.uniform(-self.rotation_z, self.rotation_z)) @ linear
        if self.tilt:
            heading = rng.uniform(0, 2 * np.pi)
            axis = np.array([np.cos(heading), np.sin(heading), 0.0])
            linear = _turn(axis, rng.uniform(-self.tilt, self.tilt)) @ linear
        if self.scale != (1, 1):
            linear = linear * rng.uniform(*self.scale)
        if self.flip:
            linear = linear * np.where(rng.random(3) < (self.flip, self.flip, 0), -1.0, 1.0)
        return (xyz @ linear.T.astype(np.float32)).astype(np.float32)

    def _recolor(self, rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        color = rgb.astype(np.float32)
        if self.channel_gain:
            color *= rng.uniform(1 - self.channel_gain, 1 + self.channel_gain, 3).astype(np.float32)
        if self.contrast:
            # As a product: numpy adds up columns of three several times more slowly.
            total = np.ones(len(color)) @ color.astype(np.float64)
            mean = (total / max(1, len(color))).astype(np.float32)
            color = mean + (color - mean) * np.float32(rng.uniform(1 - self.contrast, 1 + self.contrast))
        if self.brightness:
            color += np.float32(255 * rng.uniform(-self.brightness, self.brightness))
        if self.grey and rng.random() < self.grey:
            color = np.repeat(color.mean(axis=1, keepdims=True), 3, axis=1)
        if self.color_noise:
            color = color + rng.standard_normal(color.shape, np.float32) * np.float32(255 * self.color_noise)
        return color.round().clip(0, 255).astype(np.uint8)


def _turn(axis: np.ndarray, degrees: float) -> np.ndarray:
    """Rotation matrix about a unit axis (Rodrigues)."""
    angle = np.deg2rad(degrees)
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
