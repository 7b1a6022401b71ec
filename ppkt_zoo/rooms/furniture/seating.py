"""Chairs, office chairs, armchairs, stools and sofas."""

import numpy as np

from ppkt_zoo.rooms.materials import Material, Palette
from ppkt_zoo.rooms.shapes import CORNERS, Piece, Vector, turn_x, turn_y, turn_z


def chair(rng: np.random.Generator, palette: Palette) -> Piece:
    """A chair at a table: four legs, seat, and a back of slats, of one panel, or padded."""
    piece = Piece("chair")
    width, depth = rng.uniform(0.38, 0.47), rng.uniform(0.38, 0.46)
    seat, high = rng.uniform(0.43, 0.48), rng.uniform(0.78, 1.02)
    frame = palette.wood if rng.random() < 0.6 else palette.metal
    if rng.random() < 0.15:
        frame = palette.lacquer
    thick = rng.uniform(0.03, 0.045) if frame is not palette.metal else rng.uniform(0.02, 0.028)
    lean, splay = rng.uniform(0.04, 0.12), rng.uniform(0.0, 0.05)
    x, y = width / 2 - thick / 2, depth / 2 - thick / 2
    rounded = rng.random() < 0.4
    for side in (-1, 1):
        foot = (side * (x + splay), y + splay, 0.0)
        _leg(piece, frame, foot, (side * x, y, seat - 0.02), thick, rounded)
        _leg(piece, frame, (side * (x + splay), -y - splay, 0.0), (side * x, -y, seat), thick, rounded)
        _leg(piece, frame, (side * x, -y, seat), (side * x, -y - lean, high), thick, rounded)
        if rng.random() < 0.4:
            piece.bar(frame, (side * x, -y, 0.18), (side * x, y, 0.18), thick * 0.6, thick * 0.6)
    padded = rng.random() < 0.45
    cloth = palette.fabric2 if rng.random() < 0.7 else palette.fabric
    if padded:
        piece.box(cloth, (0, 0, seat - 0.005), (width, depth, 0.07), rounding=0.03)
    else:
        piece.box(
            frame if frame is not palette.metal else palette.wood,
            (0, 0, seat - 0.012),
            (width + 0.01, depth + 0.01, 0.026),
            rounding=0.01,
        )
    for side, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
        if axis == 0:
            piece.box(frame, (0, side * y, seat - 0.055), (width - thick, 0.02, 0.05))
        else:
            piece.box(frame, (side * x, 0, seat - 0.055), (0.02, depth - thick, 0.05))
    _back(rng, piece, palette, frame, cloth, width, thick, seat, high, -y, lean, padded)
    return piece


def _back(
    rng: np.random.Generator, piece: Piece, palette: Palette, frame: Material, cloth: Material, width: float,
    thick: float, seat: float, high: float, y: float, lean: float, padded: bool,
) -> None:  # fmt: skip
    tilt = float(np.arctan2(lean, high - seat))

    def at(z: float) -> float:
        return y - lean * (z - seat) / (high - seat)

    inner = width - 2 * thick
    panel = frame if frame is not palette.metal else palette.wood
    kind = rng.integers(4)
    if padded and kind < 2:
        middle, tall = (seat + 0.10 + high) / 2, high - seat - 0.08
        piece.box(cloth, (0, at(middle) + 0.01, middle), (width, 0.06, tall), turn_x(tilt), 0.028)
    elif kind == 0:
        low = rng.uniform(seat + 0.12, seat + 0.25)
        middle = (low + high) / 2
        piece.box(panel, (0, at(middle), middle), (inner + 0.02, 0.02, high - low), turn_x(tilt), 0.008)
    elif kind == 1:
        piece.box(panel, (0, at(high - 0.04), high - 0.03), (width, thick * 0.9, 0.075), turn_x(tilt), 0.012)
        count = int(rng.integers(3, 7))
        for slot in np.linspace(-inner / 2 + 0.03, inner / 2 - 0.03, count):
            piece.bar(panel, (slot, at(seat), seat), (slot, at(high - 0.05), high - 0.05), 0.022, 0.014)
    else:
        for height in np.linspace(seat + 0.16, high - 0.04, int(rng.integers(2, 5))):
            piece.box(panel, (0, at(height), height), (inner + 0.02, 0.018, rng.uniform(0.045, 0.075)), turn_x(tilt))


def _leg(piece: Piece, material: Material, start: Vector, end: Vector, thick: float, rounded: bool) -> None:
    if rounded:
        piece.rod(material, start, end, thick / 2 * 0.8, thick / 2)
    else:
        piece.bar(material, start, end, thick, thick)


def shell_chair(rng: np.random.Generator, palette: Palette) -> Piece:
    """A moulded chair: curved seat and back on four slanted legs or a frame."""
    piece = Piece("chair")
    plastic = palette.accent(0.2) if rng.random() < 0.6 else palette.lacquer
    legs = palette.wood if rng.random() < 0.6 else palette.metal
    seat = rng.uniform(0.43, 0.47)
    width, depth, high = rng.uniform(0.42, 0.48), rng.uniform(0.40, 0.46), rng.uniform(0.36, 0.44)
    piece.box(plastic, (0, 0.02, seat), (width, depth, 0.035), turn_x(0.05), 0.016)
    for part, (angle, up, out) in enumerate(((0.55, 0.06, 0.02), (0.25, 0.20, 0.075), (0.12, high - 0.06, 0.10))):
        wide = width * (1.0, 0.98, 0.88)[part]
        piece.box(plastic, (0, -depth / 2 - out + 0.03, seat + up), (wide, 0.03, 0.19), turn_x(angle), 0.014)
    if rng.random() < 0.5:
        for side in (-1, 1):
            piece.box(
                plastic, (side * width / 2, 0, seat + 0.06), (0.025, depth * 0.8, 0.12), turn_y(side * 0.35), 0.012
            )
    for sx, sy in CORNERS:
        piece.rod(
            legs,
            (sx * (width / 2 - 0.01), sy * (depth / 2 + 0.01), 0),
            (sx * 0.13, sy * 0.12, seat - 0.01),
            0.012,
            0.017,
        )
    return piece


def office_chair(rng: np.random.Generator, palette: Palette) -> Piece:
    """A swivel chair: star base with castors, column, padded seat and back, mostly arm rests."""
    piece = Piece("chair")
    cloth = palette.black if rng.random() < 0.6 else palette.fabric2
    frame = palette.black if rng.random() < 0.65 else palette.metal
    seat = rng.uniform(0.45, 0.54)
    reach = rng.uniform(0.28, 0.34)
    start = rng.uniform(0, 2 * np.pi)
    for arm in range(5):
        angle = start + arm * 2 * np.pi / 5
        end = (reach * np.cos(angle), reach * np.sin(angle))
        piece.bar(frame, (0, 0, 0.11), (end[0], end[1], 0.075), 0.035, 0.045)
        piece.ball(palette.black, (end[0], end[1], 0.03), (0.055, 0.055, 0.06))
    piece.cylinder(frame, (0, 0, 0.17), 0.035, 0.16)
    piece.cylinder(palette.metal, (0, 0, (seat + 0.2) / 2), 0.02, seat - 0.2)
    piece.box(frame, (0, 0, seat - 0.045), (0.2, 0.26, 0.03))
    width, depth = rng.uniform(0.46, 0.52), rng.uniform(0.44, 0.5)
    piece.box(cloth, (0, 0.02, seat), (width, depth, 0.09), rounding=0.042)
    back = rng.uniform(0.45, 0.72)
    lean = rng.uniform(0.08, 0.2)
    low = seat + 0.12
    piece.box(
        cloth,
        (0, -depth / 2 - 0.02 - lean * back * 0.4, low + back / 2),
        (width * 0.94, 0.07, back),
        turn_x(lean),
        0.033,
    )
    piece.bar(frame, (0, -0.08, seat - 0.04), (0, -depth / 2 - 0.06, seat - 0.02), 0.06, 0.025)
    piece.bar(frame, (0, -depth / 2 - 0.06, seat - 0.03), (0, -depth / 2 - 0.10 - lean * 0.15, seat + 0.3), 0.06, 0.025)
    if rng.random() < 0.7:
        for side in (-1, 1):
            x = side * (width / 2 + 0.03)
            piece.bar(frame, (side * width * 0.4, 0, seat - 0.03), (x, -0.02, seat + 0.05), 0.03, 0.03)
            piece.bar(frame, (x, -0.02, seat + 0.02), (x, -0.02, seat + 0.21), 0.03, 0.045)
            piece.box(palette.black, (x, 0, seat + 0.22), (0.065, 0.25, 0.03), rounding=0.013)
    return piece


def armchair(rng: np.random.Generator, palette: Palette) -> Piece:
    """An upholstered chair for one, with arms."""
    piece = _upholstered(rng, palette, 1)
    piece.label = "chair"
    return piece


def sofa(rng: np.random.Generator, palette: Palette) -> Piece:
    """A sofa for two, three or four."""
    return _upholstered(rng, palette, int(rng.integers(2, 5)))


def _upholstered(rng: np.random.Generator, palette: Palette, seats: int) -> Piece:
    piece = Piece("sofa")
    cloth = palette.fabric
    seat_width = rng.uniform(0.56, 0.70)
    depth, seat, high = rng.uniform(0.82, 0.98), rng.uniform(0.40, 0.46), rng.uniform(0.74, 0.94)
    arm, arm_high = rng.uniform(0.10, 0.24), rng.uniform(0.54, 0.66)
    inner = seat_width * seats
    width = inner + 2 * arm
    foot = rng.uniform(0.04, 0.16)
    back = rng.uniform(0.16, 0.22)
    soft = rng.uniform(0.04, 0.09)
    piece.box(
        cloth, (0, 0, foot + (seat - 0.14 - foot) / 2), (width - 0.03, depth - 0.03, seat - 0.14 - foot), rounding=0.02
    )
    piece.box(
        cloth,
        (0, -depth / 2 + back / 2, (foot + high - 0.05) / 2),
        (width - 0.02, back, high - 0.05 - foot),
        rounding=soft * 0.8,
    )
    round_arm = rng.random() < 0.35
    for side in (-1, 1):
        x = side * (width / 2 - arm / 2)
        piece.box(cloth, (x, 0, (foot + arm_high) / 2), (arm, depth, arm_high - foot), rounding=min(soft, arm * 0.45))
        if round_arm:
            piece.cylinder(cloth, (x, 0.0, arm_high - 0.03), arm * 0.62, depth + 0.01, turn_x(np.pi / 2))
        for y in (-depth / 2 + 0.06, depth / 2 - 0.06):
            piece.cone(palette.wood, (side * (width / 2 - 0.07), y, (foot + 0.02) / 2), 0.018, 0.028, foot + 0.02)
    seat_depth = depth - back
    for index in range(seats):
        x = (index - (seats - 1) / 2) * seat_width
        piece.box(
            cloth, (x, back / 2 + 0.015, seat - 0.07), (seat_width - 0.008, seat_depth + 0.02, 0.16), rounding=0.05
        )
        tall = high - seat + 0.05
        lean = rng.uniform(0.1, 0.24)
        piece.box(
            cloth,
            (x, -depth / 2 + back + 0.06, seat + tall / 2 - 0.01),
            (seat_width - 0.012, 0.17, tall),
            turn_x(lean),
            0.065,
        )
    for _ in range(int(rng.integers(0, seats + 2))):
        pillow = palette.any_fabric() if rng.random() < 0.5 else palette.fabric2
        size = rng.uniform(0.36, 0.46)
        x = rng.uniform(-inner / 2 + 0.2, inner / 2 - 0.2)
        rotation = turn_z(rng.uniform(-0.4, 0.4)) @ turn_x(rng.uniform(0.25, 0.5)) @ turn_y(rng.uniform(-0.3, 0.3))
        piece.box(pillow, (x, -depth / 2 + back + 0.24, seat + size / 2 - 0.02), (size, 0.13, size), rotation, 0.06)
    return piece


def stool(rng: np.random.Generator, palette: Palette) -> Piece:
    """A stool, low or bar-high, or a padded pouf."""
    piece = Piece("stool")
    if rng.random() < 0.3:
        radius, high = rng.uniform(0.2, 0.3), rng.uniform(0.32, 0.42)
        piece.cylinder(palette.fabric2, (0, 0, high / 2), radius, high)
        piece.ball(palette.fabric2, (0, 0, high), (radius * 2, radius * 2, 0.08))
        return piece
    high, radius = (rng.uniform(0.42, 0.5) if rng.random() < 0.6 else rng.uniform(0.62, 0.76)), rng.uniform(0.15, 0.19)
    legs = palette.wood if rng.random() < 0.5 else palette.metal
    piece.cylinder(palette.wood if rng.random() < 0.5 else palette.fabric2, (0, 0, high - 0.02), radius, 0.04)
    for index in range(4):
        angle = np.pi / 4 + index * np.pi / 2
        c, s = np.cos(angle), np.sin(angle)
        piece.rod(
            legs,
            (c * radius * 1.15, s * radius * 1.15, 0),
            (c * radius * 0.7, s * radius * 0.7, high - 0.03),
            0.013,
            0.016,
        )
    for index in range(4):
        a, b = np.pi / 4 + index * np.pi / 2, np.pi / 4 + (index + 1) * np.pi / 2
        r = radius * 1.0
        piece.rod(legs, (r * np.cos(a), r * np.sin(a), high * 0.35), (r * np.cos(b), r * np.sin(b), high * 0.35), 0.009)
    return piece
