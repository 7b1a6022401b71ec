"""What stands in a bathroom: toilet, bathtub, basins, shower curtain, mirror, and bins for every room."""

import numpy as np

from ppkt_zoo.rooms.materials import Color, Material, Palette, Texture, pick_one, shade
from ppkt_zoo.rooms.shapes import CORNERS, Piece, turn_x


def ceramic(rng: np.random.Generator, palette: Palette) -> Material:
    """Glazed white, now and then cream or a faded colour."""
    tints: tuple[Color, ...] = ((0.93, 0.93, 0.92), (0.93, 0.93, 0.92), (0.90, 0.87, 0.80), (0.74, 0.80, 0.78))
    return palette.paint(pick_one(rng, tints), 0.5)


def toilet(rng: np.random.Generator, palette: Palette, white: Material) -> Piece:
    """A toilet with a cistern, or hung on a box of the wall; its lid closed, open, or away."""
    piece = Piece("toilet")
    width, length, high = rng.uniform(0.34, 0.39), rng.uniform(0.46, 0.54), rng.uniform(0.38, 0.44)
    hung = rng.random() < 0.35
    back = -0.34
    middle = back + (0.12 if hung else 0.2) + length / 2
    if hung:
        piece.box(palette.wall, (0, back - 0.05, 0.56), (rng.uniform(0.5, 0.9), 0.14, 1.12))
        piece.box(palette.metal, (0, back + 0.024, 0.96), (0.24, 0.012, 0.15), rounding=0.006)
        piece.cone(white, (0, middle, high - 0.13), width * 0.3, width * 0.5, 0.24, squash=length / width)
        piece.box(white, (0, back + 0.16, high - 0.12), (width * 0.8, 0.3, 0.22), rounding=0.04)
    else:
        cistern = rng.uniform(0.32, 0.4)
        piece.box(white, (0, back + 0.09, high + cistern / 2), (width + 0.04, 0.18, cistern), rounding=0.03)
        piece.box(white, (0, back + 0.09, high + cistern + 0.012), (width + 0.06, 0.2, 0.03), rounding=0.012)
        piece.cylinder(palette.metal, (0, back + 0.09, high + cistern + 0.03), 0.022, 0.014)
        piece.cone(white, (0, middle, 0.1), width * 0.36, width * 0.3, 0.2, squash=length / width * 0.95)
        piece.cone(white, (0, middle, high / 2 + 0.1), width * 0.3, width * 0.5, high - 0.2, squash=length / width)
        piece.box(white, (0, back + 0.18, high / 2), (width * 0.7, 0.24, high), rounding=0.04)
    piece.cylinder(white, (0, middle, high + 0.012), width / 2, 0.026, squash=length / width)
    lid = palette.wood2 if rng.random() < 0.15 else white
    state = rng.random()
    if state < 0.55:
        piece.cylinder(lid, (0, middle, high + 0.038), width / 2 - 0.005, 0.024, squash=length / width)
    else:
        # Seen from above an open bowl is a dark oval with water in it.
        piece.cylinder(palette.paint((0.55, 0.57, 0.57), 0.5), (0, middle + 0.02, high + 0.0262), width * 0.33, 0.002,
                       squash=length / width * 1.05)  # fmt: skip
        if state < 0.85:
            hinge = middle - length / 2 + 0.03
            piece.box(lid, (0, hinge, high + 0.03 + length * 0.46), (width - 0.02, 0.022, length * 0.92), turn_x(-0.12),
                      rounding=0.01)  # fmt: skip
    return piece


def bathtub(rng: np.random.Generator, palette: Palette, white: Material) -> Piece:
    """A tub built in behind panels or standing free; sometimes with water; taps at one end."""
    piece = Piece("bathtub")
    length, width, high = rng.uniform(1.45, 1.8), rng.uniform(0.68, 0.82), rng.uniform(0.5, 0.62)
    rim, floor = rng.uniform(0.06, 0.1), 0.14
    outside = white
    if rng.random() < 0.6:
        outside = palette.wall if rng.random() < 0.5 else white
    else:
        rim = 0.05
    x, y = length / 2, width / 2
    lift = 0.0 if rim > 0.055 else rng.uniform(0.03, 0.1)
    for side in (-1, 1):
        piece.box(outside, (0, side * (y - rim / 2), (high + lift) / 2), (length, rim, high - lift), rounding=0.01)
        piece.box(outside, (side * (x - rim / 2), 0, (high + lift) / 2), (rim, width, high - lift), rounding=0.01)
        piece.box(white, (0, side * (y - rim / 2), high + 0.012), (length + 0.02, rim + 0.02, 0.03), rounding=0.012)
        piece.box(white, (side * (x - rim / 2), 0, high + 0.012), (rim + 0.02, width + 0.02, 0.03), rounding=0.012)
        # Slanting ends and sides make it a tub rather than a box.
        piece.box(white, (side * (x - rim - 0.09), 0, floor + 0.16), (0.2, width - 2 * rim, 0.3), rounding=0.09)
    piece.box(white, (0, 0, lift + floor / 2), (length - 0.02, width - 0.02, floor))
    if lift:
        for sx, sy in CORNERS:
            piece.cone(palette.metal, (sx * (x - 0.15), sy * (y - 0.1), lift / 2), 0.03, 0.045, lift)
    if rng.random() < 0.25:
        water = Material(Texture.PLAIN, (0.62, 0.76, 0.78), (0.56, 0.72, 0.75), 0.5, 0.8, 90)
        piece.box(water, (0, 0, high * 0.66), (length - 2 * rim, width - 2 * rim, 0.02))
    end = 1 if rng.random() < 0.5 else -1
    tap = end * (x - rim / 2)
    piece.rod(palette.metal, (tap, 0, high), (tap, 0, high + 0.12), 0.016)
    piece.rod(palette.metal, (tap, 0, high + 0.11), (tap - end * 0.14, 0, high + 0.09), 0.014)
    for sy in (-1, 1):
        piece.ball(palette.metal, (tap, sy * 0.1, high + 0.05), (0.05, 0.05, 0.05))
    return piece


def basin(rng: np.random.Generator, palette: Palette, material: Material, width: float, depth: float) -> Piece:
    """A hollow basin with its tap, z = 0 at its bottom: for a wash stand, a pedestal or a kitchen's worktop."""
    piece = Piece("sink")
    deep, wall = rng.uniform(0.13, 0.17), rng.uniform(0.018, 0.04)
    piece.box(material, (0, 0, 0.012), (width - 0.01, depth - 0.01, 0.024))
    for side in (-1, 1):
        piece.box(material, (side * (width - wall) / 2, 0, deep / 2), (wall, depth, deep), rounding=wall * 0.4)
        piece.box(material, (0, side * (depth - wall) / 2, deep / 2), (width, wall, deep), rounding=wall * 0.4)
    drain = palette.paint((0.25, 0.25, 0.26), 0.6)
    piece.cylinder(drain, (0, 0, 0.026), 0.024, 0.004)
    back = -depth / 2 + wall / 2
    arm = rng.uniform(0.1, 0.16)
    high = deep + rng.uniform(0.08, 0.26)
    piece.rod(palette.metal, (0, back, deep), (0, back, high), 0.014)
    piece.rod(palette.metal, (0, back, high - 0.01), (0, back + arm, high - rng.uniform(0.02, 0.06)), 0.011)
    if rng.random() < 0.5:
        piece.box(palette.metal, (0, back, high + 0.012), (0.022, 0.08, 0.012))
    else:
        for side in (-1, 1):
            piece.cylinder(palette.metal, (side * 0.08, back, deep + 0.03), 0.02, 0.05)
    return piece


def wash_stand(rng: np.random.Generator, palette: Palette, width: float, depth: float, high: float) -> Piece:
    """The cupboard under a basin."""
    piece = Piece("cabinet")
    front = palette.front()
    foot = 0.0 if rng.random() < 0.4 else 0.08
    low = 0.28 if foot == 0.0 else foot  # hung on the wall, or standing
    piece.box(front, (0, -0.01, (low + high) / 2), (width, depth - 0.02, high - low), rounding=0.004)
    if foot:
        piece.box(palette.black, (0, -0.03, foot / 2), (width - 0.04, depth - 0.08, foot))
    doors = 2 if width > 0.55 else 1
    for index in range(doors):
        x = width / doors * (index + 0.5 - doors / 2)
        piece.box(front, (x, depth / 2 - 0.012, (low + high) / 2), (width / doors - 0.012, 0.02, high - low - 0.02))
        piece.box(palette.metal, (x, depth / 2 + 0.008, high - 0.08), (0.1, 0.016, 0.012))
    return piece


def mirror(rng: np.random.Generator, palette: Palette) -> Piece:
    """A mirror as a camera sees it when it shows a pale wall; z = 0 is its middle."""
    piece = Piece("mirror")
    width, high = rng.uniform(0.4, 0.9), rng.uniform(0.5, 0.9)
    silver = Material(Texture.PLAIN, (0.66, 0.71, 0.73), (0.74, 0.78, 0.79), 1.2, 0.9, 120)
    frame = palette.metal if rng.random() < 0.5 else palette.wood
    if rng.random() < 0.25:
        upright = turn_x(np.pi / 2)
        piece.cylinder(frame, (0, 0.01, 0), width / 2 + 0.015, 0.016, upright)
        piece.cylinder(silver, (0, 0.016, 0), width / 2, 0.016, upright)
    else:
        piece.box(frame, (0, 0.008, 0), (width + 0.04, 0.014, high + 0.04))
        piece.box(silver, (0, 0.014, 0), (width, 0.016, high))
    return piece


def shower_curtain(rng: np.random.Generator, palette: Palette, width: float) -> Piece:
    """A curtain of thin folds on a rod, drawn over part of a tub's length."""
    piece = Piece("shower_curtain")
    kind = rng.random()
    if kind < 0.45:
        tint = float(rng.uniform(0.82, 0.94))
        cloth = palette.paint((tint, tint, tint * 0.99), 0.1)
    else:
        color = palette.accent(0.05).color
        pale = shade(color, 1.6)
        texture = Texture.STRIPES if kind < 0.75 else Texture.CHECKS
        cloth = Material(texture, (0.90, 0.90, 0.88), pale, float(rng.uniform(0.05, 0.16)), 0.05)
    low, high = rng.uniform(0.2, 0.35), rng.uniform(1.9, 2.05)
    drawn = width * rng.uniform(0.35, 0.9)
    start = -width / 2 if rng.random() < 0.5 else width / 2 - drawn
    folds = max(4, round(drawn / 0.09))
    for index in range(folds):
        x = start + drawn * (index + 0.5) / folds
        y = 0.016 if index % 2 else -0.016
        piece.cylinder(cloth, (x, y, (low + high) / 2), drawn / folds * 0.7, high - low, squash=0.5)
    piece.rod(palette.metal, (-width / 2, 0, high + 0.02), (width / 2, 0, high + 0.02), 0.012)
    return piece


def towels(rng: np.random.Generator, palette: Palette) -> Piece:
    """One or two towels over a rail; z = 0 is the rail."""
    piece = Piece("clutter")
    width = rng.uniform(0.45, 0.7)
    piece.rod(palette.metal, (-width / 2, 0.07, 0), (width / 2, 0.07, 0), 0.01)
    for side in (-1, 1):
        piece.rod(palette.metal, (side * width / 2, 0.0, 0), (side * width / 2, 0.07, 0), 0.01)
    for index in range(int(rng.integers(1, 3))):
        cloth = palette.any_fabric()
        long, wide = rng.uniform(0.35, 0.7), width * rng.uniform(0.35, 0.48)
        x = (index - 0.5) * width * 0.5
        piece.box(cloth, (x, 0.092, 0.02 - long / 2), (wide, 0.018, long), rounding=0.008)
        piece.box(cloth, (x, 0.05, 0.02 - long * 0.3), (wide, 0.018, long * 0.6), rounding=0.008)
        piece.box(cloth, (x, 0.071, 0.018), (wide, 0.06, 0.018), rounding=0.008)
    return piece


def waste_bin(rng: np.random.Generator, palette: Palette) -> Piece:
    """A bin: round or square, open with something in it, or with a lid."""
    piece = Piece("bin")
    radius, high = rng.uniform(0.1, 0.17), rng.uniform(0.24, 0.5)
    skin = palette.metal if rng.random() < 0.35 else palette.accent(0.15)
    dark = palette.paint(shade(skin.color, 0.35), 0.02)
    lid = rng.random() < 0.4
    if rng.random() < 0.65:
        piece.cone(skin, (0, 0, high / 2), radius * rng.uniform(0.75, 1.0), radius, high)
        piece.cylinder(skin if lid else dark, (0, 0, high + 0.006), radius * (1.02 if lid else 0.93), 0.014)
    else:
        piece.box(skin, (0, 0, high / 2), (radius * 1.7, radius * 2.2, high), rounding=0.02)
        piece.box(skin if lid else dark, (0, 0, high + 0.006), (radius * 1.62, radius * 2.1, 0.014), rounding=0.006)
    if lid:
        piece.box(palette.black, (0, radius * 1.02, 0.025), (0.07, 0.05, 0.02))
    else:
        paper = palette.paint((0.9, 0.9, 0.87), 0.02)
        for _ in range(int(rng.integers(0, 4))):
            x, y = rng.uniform(-0.5, 0.5, 2) * radius
            piece.ball(paper, (x, y, high + 0.015), (0.09, 0.08, 0.06))
    return piece


def paper_roll(rng: np.random.Generator, palette: Palette) -> Piece:
    """A roll of paper on its holder; z = 0 is its axis."""
    piece = Piece("clutter")
    piece.cylinder(
        palette.paint((0.93, 0.93, 0.92), 0.02), (0, 0.07, 0), 0.055, 0.1, np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    )
    piece.box(palette.metal, (0, 0.035, 0.03), (0.12, 0.07, 0.01))
    return piece
