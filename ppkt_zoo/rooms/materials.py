"""What surfaces are made of, and the palettes that a room draws from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np

Color = tuple[float, float, float]
T = TypeVar("T")


class Texture(IntEnum):
    """How the two colours of a material are mixed over its surface."""

    PLAIN = 0
    WOOD = 1
    FABRIC = 2
    PLANKS = 3
    PLASTER = 4
    TILES = 5
    CARPET = 6
    STRIPES = 7
    PICTURE = 8
    SCREEN = 9
    CHECKS = 10
    STONE = 11
    LEAF = 12
    VIEW = 13
    LABEL = 14
    KEYS = 15


@dataclass(frozen=True)
class Material:
    """Colours are sRGB in [0, 1]; ``scale`` the size of the pattern in metres; ``gloss`` the strength and
    ``polish`` the sharpness of highlights; ``glow`` light that it gives off."""

    texture: Texture
    color: Color
    second: Color
    scale: float = 1.0
    gloss: float = 0.05
    polish: float = 20.0
    glow: float = 0.0


def shade(color: Color, factor: float) -> Color:
    """The colour made darker (< 1) or lighter (> 1)."""
    if factor <= 1:
        return (color[0] * factor, color[1] * factor, color[2] * factor)
    keep = 1 / factor
    return (1 - (1 - color[0]) * keep, 1 - (1 - color[1]) * keep, 1 - (1 - color[2]) * keep)


_WOODS: tuple[Color, ...] = (
    (0.72, 0.53, 0.33), (0.60, 0.40, 0.23), (0.42, 0.26, 0.15), (0.30, 0.18, 0.11), (0.80, 0.65, 0.46),
    (0.52, 0.32, 0.18), (0.66, 0.44, 0.26), (0.36, 0.24, 0.17), (0.76, 0.60, 0.42), (0.55, 0.36, 0.24),
)  # fmt: skip
_FABRICS: tuple[Color, ...] = (
    (0.46, 0.44, 0.42), (0.28, 0.29, 0.31), (0.62, 0.57, 0.50), (0.74, 0.69, 0.60), (0.25, 0.32, 0.42),
    (0.40, 0.20, 0.18), (0.30, 0.38, 0.32), (0.50, 0.36, 0.24), (0.20, 0.24, 0.36), (0.82, 0.80, 0.75),
    (0.56, 0.24, 0.20), (0.66, 0.52, 0.26), (0.34, 0.44, 0.50), (0.44, 0.34, 0.38),
)  # fmt: skip
_WALLS: tuple[Color, ...] = (
    (0.90, 0.88, 0.84), (0.86, 0.84, 0.79), (0.88, 0.85, 0.76), (0.80, 0.82, 0.82), (0.92, 0.91, 0.89),
    (0.78, 0.80, 0.74), (0.85, 0.78, 0.68), (0.72, 0.78, 0.82), (0.87, 0.80, 0.76), (0.70, 0.69, 0.66),
    (0.86, 0.82, 0.62), (0.62, 0.68, 0.66),
)  # fmt: skip
_ACCENTS: tuple[Color, ...] = (
    (0.75, 0.15, 0.12), (0.10, 0.30, 0.55), (0.88, 0.66, 0.12), (0.12, 0.45, 0.28), (0.85, 0.40, 0.10),
    (0.92, 0.90, 0.86), (0.15, 0.15, 0.16), (0.45, 0.62, 0.72), (0.72, 0.32, 0.42), (0.36, 0.26, 0.46),
    (0.60, 0.70, 0.40), (0.80, 0.75, 0.62),
)  # fmt: skip


class Palette:
    """Materials of one room: drawn once, so that its pieces belong together."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.wood = self.any_wood()
        self.wood2 = self.any_wood() if rng.random() < 0.6 else self.wood
        self.lacquer = self.paint(
            pick_one(rng, ((0.92, 0.92, 0.90), (0.86, 0.85, 0.82), (0.2, 0.2, 0.21), (0.74, 0.76, 0.74)))
        )
        self.fabric = self.any_fabric()
        self.fabric2 = self.any_fabric()
        self.metal = self.any_metal()
        self.black = Material(Texture.PLAIN, (0.045, 0.045, 0.05), (0.06, 0.06, 0.065), 0.4, 0.25, 40)
        self.trim = Material(Texture.PLAIN, (0.90, 0.90, 0.88), (0.84, 0.84, 0.82), 1.0, 0.12, 30)
        self.ceiling = Material(Texture.PLASTER, (0.93, 0.93, 0.91), (0.90, 0.90, 0.88), 0.6, 0.0)
        wall = self._tint(_WALLS, 0.05)
        self.wall = Material(Texture.PLASTER, wall, shade(wall, 0.96), 0.7, 0.02)
        accent = self._tint(_WALLS + _FABRICS[2:8], 0.05) if rng.random() < 0.35 else wall
        if rng.random() < 0.12:
            self.accent_wall = Material(Texture.STRIPES, accent, shade(accent, 0.88), rng.uniform(0.08, 0.3), 0.02)
        elif rng.random() < 0.08:
            self.accent_wall = Material(Texture.TILES, (0.62, 0.34, 0.26), (0.72, 0.68, 0.62), 0.14, 0.04)
        else:
            self.accent_wall = Material(Texture.PLASTER, accent, shade(accent, 0.96), 0.7, 0.02)
        self.floor = self._floor()

    def _vary(self, color: Color, amount: float) -> Color:
        shift = self.rng.uniform(-amount, amount) + self.rng.uniform(-amount, amount, 3) * 0.5
        red, green, blue = np.clip(np.asarray(color) + shift, 0.02, 0.97)
        return (float(red), float(green), float(blue))

    def _tint(self, options: Sequence[Color], amount: float) -> Color:
        """One of some colours, varied."""
        return self._vary(pick_one(self.rng, options), amount)

    def _floor(self) -> Material:
        rng = self.rng
        kind = rng.random()
        if kind < 0.52:
            wood = self._tint(_WOODS, 0.05)
            return Material(Texture.PLANKS, wood, shade(wood, 0.75), rng.uniform(0.09, 0.2), rng.uniform(0.1, 0.35), 25)
        if kind < 0.77:
            tile = self._tint(
                ((0.80, 0.77, 0.70), (0.62, 0.58, 0.52), (0.85, 0.85, 0.83), (0.5, 0.48, 0.46), (0.7, 0.5, 0.38)), 0.05
            )
            return Material(Texture.TILES, tile, shade(tile, 0.7), rng.uniform(0.25, 0.6), rng.uniform(0.15, 0.4), 40)
        carpet = self._tint(
            ((0.55, 0.50, 0.44), (0.45, 0.45, 0.46), (0.62, 0.58, 0.52), (0.36, 0.40, 0.46), (0.5, 0.4, 0.34)), 0.05
        )
        return Material(Texture.CARPET, carpet, shade(carpet, 0.8), 1.0, 0.0)

    def tile(self) -> None:
        """Tiles on walls and floor, as in a bathroom; some walls stay plastered."""
        rng = self.rng
        color = self._tint(
            ((0.90, 0.90, 0.88), (0.86, 0.84, 0.78), (0.66, 0.76, 0.80), (0.74, 0.80, 0.72), (0.45, 0.46, 0.48)), 0.04
        )
        edge = rng.uniform(0.1, 0.35)
        tiles = Material(Texture.TILES, color, shade(color, 0.82), edge, 0.35, 50)
        if rng.random() < 0.8:
            self.wall = tiles
        self.accent_wall = tiles if rng.random() < 0.8 else self.accent_wall
        ground = self._tint(((0.80, 0.77, 0.70), (0.5, 0.48, 0.46), (0.85, 0.85, 0.83), (0.3, 0.3, 0.31)), 0.04)
        self.floor = Material(Texture.TILES, ground, shade(ground, 0.75), rng.uniform(0.1, 0.45), 0.3, 45)

    def any_wood(self) -> Material:
        """A kind of wood, dark or light, dull or polished."""
        color = self._tint(_WOODS, 0.05)
        return Material(
            Texture.WOOD, color, shade(color, 0.72), self.rng.uniform(0.7, 1.5), self.rng.uniform(0.04, 0.25), 30
        )

    def any_fabric(self) -> Material:
        """Upholstery: mostly one colour, sometimes striped, checked or leather."""
        rng = self.rng
        color = self._tint(_FABRICS, 0.06)
        kind = rng.random()
        if kind < 0.08:
            return Material(Texture.STRIPES, color, self._tint(_FABRICS, 0.05), rng.uniform(0.05, 0.15), 0.0)
        if kind < 0.14:
            return Material(Texture.CHECKS, color, shade(color, 0.7), rng.uniform(0.05, 0.12), 0.0)
        if kind < 0.28:  # leather
            leather = self._tint(
                ((0.16, 0.12, 0.10), (0.36, 0.20, 0.12), (0.08, 0.08, 0.085), (0.55, 0.42, 0.30)), 0.03
            )
            return Material(Texture.PLAIN, leather, shade(leather, 0.8), 0.25, 0.25, 18)
        return Material(Texture.FABRIC, color, shade(color, 0.82), 1.0, 0.0)

    def any_metal(self) -> Material:
        """Chrome, brushed steel, black or white lacquered steel."""
        metals: tuple[tuple[Color, float], ...] = (
            ((0.62, 0.62, 0.63), 0.8),
            ((0.45, 0.45, 0.46), 0.6),
            ((0.08, 0.08, 0.085), 0.25),
            ((0.85, 0.85, 0.84), 0.2),
            ((0.5, 0.4, 0.22), 0.6),
        )
        color, gloss = pick_one(self.rng, metals)
        return Material(Texture.PLAIN, color, shade(color, 0.9), 0.5, gloss, 50)

    def accent(self, gloss: float = 0.15) -> Material:
        """A small thing's plain colour, often saturated."""
        color = self._tint(_ACCENTS, 0.06)
        return Material(Texture.PLAIN, color, shade(color, 0.9), 0.3, gloss, 30)

    def paint(self, color: Color, gloss: float = 0.12) -> Material:
        """Lacquer of a given colour."""
        return Material(Texture.PLAIN, color, shade(color, 0.95), 0.8, gloss, 35)

    def front(self) -> Material:
        """A cupboard's front: wood of the room or lacquer."""
        return self.wood if self.rng.random() < 0.55 else self.lacquer

    def picture(self) -> Material:
        """A picture's canvas."""
        first, second = pick_one(self.rng, _ACCENTS + _FABRICS), pick_one(self.rng, _ACCENTS + _WALLS)
        return Material(Texture.PICTURE, first, second, self.rng.uniform(0.5, 2.0), 0.05)

    def screen(self) -> Material:
        """A screen: mostly off, sometimes showing something."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.25:
            return Material(
                Texture.PLAIN, (0.008, 0.008, 0.011), (0.012, 0.012, 0.014), 1.0, float(rng.uniform(0.08, 0.3)), 90
            )
        glow = float(rng.uniform(0.5, 1.0))
        if kind < 0.5:
            color = self._tint(((0.2, 0.4, 0.8), (0.15, 0.3, 0.6), (0.32, 0.55, 0.82), (0.25, 0.45, 0.45)), 0.06)
            return Material(Texture.PLAIN, color, shade(color, 0.8), 1.0, 0.15, 90, glow)
        first, second = pick_one(rng, _ACCENTS), pick_one(rng, _ACCENTS + _WALLS)
        return Material(Texture.SCREEN, first, second, float(rng.uniform(0.5, 2.0)), 0.15, 90, glow)

    def leaf(self) -> Material:
        """Leaves of one plant."""
        green = self._tint(((0.16, 0.36, 0.12), (0.22, 0.42, 0.16), (0.12, 0.28, 0.12), (0.32, 0.46, 0.18)), 0.03)
        return Material(Texture.LEAF, green, shade(green, 1.25), 1.0, 0.12, 20)


def pick_one(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, each as likely as the others."""
    return options[int(rng.integers(len(options)))]
