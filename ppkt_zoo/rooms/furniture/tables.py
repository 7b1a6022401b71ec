"""Dining tables, coffee tables and desks."""

import numpy as np

from ppkt_zoo.rooms.materials import Palette
from ppkt_zoo.rooms.shapes import CORNERS, Piece


def dining_table(rng: np.random.Generator, palette: Palette) -> Piece:
    """A table to eat at: oblong on four legs or trestles, or round on a foot."""
    piece = Piece("table")
    high = rng.uniform(0.72, 0.77)
    board = palette.wood if rng.random() < 0.75 else palette.lacquer
    if rng.random() < 0.25:
        radius = rng.uniform(0.45, 0.65)
        piece.cylinder(board, (0, 0, high - 0.015), radius, 0.03)
        if rng.random() < 0.6:
            piece.cylinder(palette.metal, (0, 0, high / 2), 0.045, high - 0.03)
            piece.cone(palette.metal, (0, 0, 0.02), radius * 0.55, radius * 0.4, 0.04)
        else:
            _legs(rng, piece, palette, radius * 1.3, radius * 1.3, high - 0.03)
        piece.top(0, 0, high, radius * 1.35, radius * 1.35)
        return piece
    width, depth = rng.uniform(1.0, 2.0), rng.uniform(0.72, 0.95)
    if rng.random() < 0.12:
        cloth = palette.any_fabric()
        piece.box(cloth, (0, 0, high - 0.01), (width + 0.01, depth + 0.01, 0.035))
        for side in (-1, 1):
            piece.box(cloth, (0, side * (depth / 2), high - 0.11), (width, 0.012, 0.2))
            piece.box(cloth, (side * (width / 2), 0, high - 0.11), (0.012, depth, 0.2))
    thick = rng.uniform(0.022, 0.045)
    piece.box(board, (0, 0, high - thick / 2), (width, depth, thick), rounding=0.006)
    _legs(rng, piece, palette, width, depth, high - thick)
    piece.top(0, 0, high + 0.008, width, depth)
    return piece


def _legs(rng: np.random.Generator, piece: Piece, palette: Palette, width: float, depth: float, high: float) -> None:
    material = palette.wood if rng.random() < 0.6 else palette.metal
    kind = rng.integers(3)
    thick = rng.uniform(0.045, 0.08) if material is palette.wood else rng.uniform(0.03, 0.05)
    inset = rng.uniform(0.02, 0.1)
    x, y = width / 2 - thick / 2 - inset, depth / 2 - thick / 2 - inset
    for sx, sy in CORNERS:
        if kind == 0:
            piece.box(material, (sx * x, sy * y, high / 2), (thick, thick, high))
        elif kind == 1:
            piece.rod(material, (sx * (x + 0.02), sy * (y + 0.02), 0), (sx * x, sy * y, high), thick * 0.3, thick * 0.5)
        else:
            piece.rod(material, (sx * x, sy * y, 0), (sx * x, sy * y, high), thick * 0.5)
    if kind == 0 or rng.random() < 0.5:
        for sy in (-1, 1):
            piece.box(material, (0, sy * y, high - 0.04), (2 * x, 0.022, 0.08))
        for sx in (-1, 1):
            piece.box(material, (sx * x, 0, high - 0.04), (0.022, 2 * y, 0.08))


def coffee_table(rng: np.random.Generator, palette: Palette) -> Piece:
    """A low table before a sofa, with or without a shelf."""
    piece = Piece("table")
    high = rng.uniform(0.36, 0.48)
    if rng.random() < 0.25:
        radius = rng.uniform(0.35, 0.5)
        piece.cylinder(palette.wood, (0, 0, high - 0.015), radius, 0.03)
        for index in range(3):
            angle = index * 2 * np.pi / 3
            c, s = np.cos(angle) * radius, np.sin(angle) * radius
            piece.rod(palette.wood, (c * 0.9, s * 0.9, 0), (c * 0.55, s * 0.55, high - 0.02), 0.014, 0.022)
        piece.top(0, 0, high, radius * 1.3, radius * 1.3)
        return piece
    width, depth = rng.uniform(0.8, 1.3), rng.uniform(0.5, 0.7)
    board = palette.wood if rng.random() < 0.7 else palette.lacquer
    piece.box(board, (0, 0, high - 0.02), (width, depth, 0.04), rounding=0.006)
    leg = rng.uniform(0.04, 0.07)
    for sx, sy in CORNERS:
        piece.box(board, (sx * (width / 2 - leg), sy * (depth / 2 - leg), high / 2 - 0.02), (leg, leg, high - 0.04))
    if rng.random() < 0.5:
        piece.box(board, (0, 0, 0.14), (width - 2 * leg, depth - 2 * leg, 0.02))
        piece.top(0, 0, 0.15, width - 0.3, depth - 0.25, high - 0.22)
    piece.top(0, 0, high, width, depth)
    return piece


def desk(rng: np.random.Generator, palette: Palette) -> Piece:
    """A writing desk with legs on one side or both and perhaps a stack of drawers."""
    piece = Piece("desk")
    width, depth, high = rng.uniform(1.1, 1.7), rng.uniform(0.6, 0.78), rng.uniform(0.71, 0.76)
    board = palette.wood2 if rng.random() < 0.65 else palette.lacquer
    frame = palette.metal if rng.random() < 0.5 else board
    piece.box(board, (0, 0, high - 0.014), (width, depth, 0.028))
    drawers = int(rng.integers(0, 3))
    for index, side in enumerate((-1, 1)):
        x = side * (width / 2)
        if index < drawers:
            wide = rng.uniform(0.34, 0.42)
            middle = x - side * (wide / 2 + 0.02)
            piece.box(board, (middle, 0, (high - 0.03) / 2 + 0.03), (wide, depth - 0.06, high - 0.09))
            count = int(rng.integers(3, 5))
            step = (high - 0.11) / count
            for slot in range(count):
                z = 0.085 + step * (slot + 0.5) - 0.005
                piece.box(board, (middle, depth / 2 - 0.025, z), (wide - 0.015, 0.018, step - 0.012))
                piece.box(palette.metal, (middle, depth / 2 - 0.008, z + step * 0.15), (0.11, 0.018, 0.012))
        elif rng.random() < 0.5:
            piece.box(frame, (x - side * 0.015, 0, (high - 0.03) / 2), (0.03, depth - 0.04, high - 0.03))
        else:
            for y in (-depth / 2 + 0.04, depth / 2 - 0.04):
                piece.box(frame, (x - side * 0.04, y, (high - 0.03) / 2), (0.045, 0.045, high - 0.03))
            piece.box(frame, (x - side * 0.04, 0, high - 0.055), (0.03, depth - 0.1, 0.05))
    if rng.random() < 0.5:
        piece.box(board, (0, -depth / 2 + 0.03, high - 0.2), (width - 0.08, 0.02, 0.32))
    piece.top(0, 0, high, width, depth)
    return piece
