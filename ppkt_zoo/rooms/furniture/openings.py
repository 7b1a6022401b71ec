"""What hangs on walls: doors, windows, curtains, pictures. Their back lies against the wall at y = 0."""

import numpy as np

from ppkt_zoo.rooms.materials import Material, Palette, Texture
from ppkt_zoo.rooms.shapes import Piece


def door(rng: np.random.Generator, palette: Palette) -> Piece:
    """A closed door with frame, panels and handle."""
    piece = Piece("door")
    width, high = rng.uniform(0.78, 0.95), rng.uniform(1.98, 2.1)
    leaf = palette.trim if rng.random() < 0.55 else palette.wood2
    frame = palette.trim if rng.random() < 0.7 else leaf
    piece.box(leaf, (0, 0.012, high / 2), (width, 0.024, high))
    for side in (-1, 1):
        piece.box(frame, (side * (width / 2 + 0.035), 0.02, high / 2 + 0.035), (0.07, 0.04, high + 0.07))
    piece.box(frame, (0, 0.02, high + 0.035), (width + 0.14, 0.04, 0.07))
    panels = int(rng.integers(0, 4))
    for index in range(panels):
        tall = (high - 0.3) / panels
        piece.box(leaf, (0, 0.026, 0.15 + tall * (index + 0.5)), (width * 0.66, 0.012, tall - 0.1))
    side = 1 if rng.random() < 0.5 else -1
    piece.box(palette.metal, (side * width * 0.42, 0.03, 1.02), (0.03, 0.02, 0.12))
    piece.rod(palette.metal, (side * width * 0.42, 0.055, 1.04), (side * width * 0.3, 0.055, 1.04), 0.01)
    return piece


def window(rng: np.random.Generator, palette: Palette, width: float, sill: float, high: float, day: float) -> Piece:
    """A window with frame, mullions and what is seen through it; ``day`` is its brightness."""
    piece = Piece("window")
    sky = ((0.80, 0.88, 0.96), (0.92, 0.93, 0.93), (0.72, 0.82, 0.95))[int(rng.integers(3))]
    ground = ((0.45, 0.52, 0.35), (0.55, 0.52, 0.48), (0.38, 0.46, 0.30))[int(rng.integers(3))]
    glass = Material(Texture.VIEW, sky, ground, float(rng.uniform(0.6, 1.4)), 0.2, 90, day)
    piece.box(glass, (0, 0.01, sill + high / 2), (width, 0.012, high))
    bar = rng.uniform(0.045, 0.07)
    for side in (-1, 1):
        piece.box(palette.trim, (side * width / 2, 0.03, sill + high / 2), (bar, 0.06, high + bar))
        piece.box(palette.trim, (0, 0.03, sill + high / 2 + side * high / 2), (width + bar, 0.06, bar))
    for index in range(1, max(2, round(width / 0.7))):
        x = -width / 2 + index * width / max(2, round(width / 0.7))
        piece.box(palette.trim, (x, 0.025, sill + high / 2), (bar * 0.8, 0.05, high))
    if rng.random() < 0.4:
        piece.box(palette.trim, (0, 0.025, sill + high * 0.68), (width, 0.045, bar * 0.7))
    piece.box(palette.trim, (0, 0.07, sill - 0.015), (width + 0.12, 0.14, 0.03))
    return piece


def curtain(rng: np.random.Generator, palette: Palette, width: float, low: float, high: float) -> Piece:
    """One gathered curtain: a row of soft folds."""
    piece = Piece("curtain")
    cloth = palette.fabric2 if rng.random() < 0.5 else palette.any_fabric()
    folds = max(3, round(width / 0.075))
    step = width / folds
    for index in range(folds):
        x = -width / 2 + step * (index + 0.5)
        y = 0.11 + 0.022 * (1 if index % 2 else -1)
        piece.cylinder(cloth, (x, y, (low + high) / 2), step * 0.68, high - low, squash=0.75)
    return piece


def picture(rng: np.random.Generator, palette: Palette) -> Piece:
    """A framed picture; z = 0 is its middle."""
    piece = Piece("picture")
    width, high = rng.uniform(0.3, 1.0), rng.uniform(0.3, 0.75)
    frame = palette.black if rng.random() < 0.4 else (palette.wood if rng.random() < 0.6 else palette.trim)
    bar = rng.uniform(0.015, 0.04)
    border = rng.uniform(0.0, 0.06)
    piece.box(palette.paint((0.93, 0.92, 0.89), 0.05), (0, 0.008, 0), (width, 0.012, high))
    piece.box(palette.picture(), (0, 0.0145, 0), (width - 2 * border, 0.004, high - 2 * border))
    for side in (-1, 1):
        piece.box(frame, (side * width / 2, 0.014, 0), (bar, 0.028, high + bar))
        piece.box(frame, (0, 0.014, side * high / 2), (width + bar, 0.028, bar))
    return piece
