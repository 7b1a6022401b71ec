"""Beds, cabinets, wardrobes, bookshelves, kitchen counters and appliances."""

import numpy as np

from ppkt_zoo.rooms.materials import Material, Palette, Texture, shade
from ppkt_zoo.rooms.shapes import CORNERS, Piece, Top, turn_x, turn_y


def bed(rng: np.random.Generator, palette: Palette) -> Piece:
    """A bed, head to the wall: frame, mattress, duvet, pillows, head board."""
    piece = Piece("bed")
    wide = rng.random() < 0.6
    width, length = (rng.uniform(1.4, 1.85) if wide else rng.uniform(0.9, 1.1)), rng.uniform(1.95, 2.1)
    frame_high, mattress = rng.uniform(0.2, 0.32), rng.uniform(0.18, 0.26)
    frame = palette.wood2 if rng.random() < 0.6 else palette.fabric
    y = length / 2
    piece.box(frame, (0, 0, frame_high - 0.09), (width, length, 0.18), rounding=0.01)
    for sx, sy in CORNERS:
        piece.box(frame, (sx * (width / 2 - 0.05), sy * (y - 0.05), frame_high / 2), (0.06, 0.06, frame_high))
    white = Material(Texture.FABRIC, (0.86, 0.85, 0.83), (0.78, 0.77, 0.75), 1.0, 0.0)
    piece.box(
        white, (0, 0.02, frame_high + mattress / 2 - 0.02), (width - 0.05, length - 0.06, mattress), rounding=0.06
    )
    high = frame_high + mattress
    cover = palette.any_fabric() if rng.random() < 0.75 else white
    cover_length = length * rng.uniform(0.6, 0.78)
    piece.box(cover, (0, y - cover_length / 2 + 0.01, high - 0.07), (width + 0.04, cover_length, 0.26), rounding=0.07)
    piece.box(white, (0, y - cover_length - 0.06, high + 0.005), (width + 0.03, 0.24, 0.13), rounding=0.05)
    for index in range(2 if wide else 1):
        x = (index - 0.5) * width * 0.48 if wide else 0.0
        pillow = white if rng.random() < 0.7 else palette.fabric2
        piece.box(
            pillow,
            (x, -y + 0.28, high + 0.06),
            (width * (0.42 if wide else 0.68), 0.42, 0.15),
            turn_x(rng.uniform(0.1, 0.5)),
            0.07,
        )
    if rng.random() < 0.4:
        piece.box(palette.any_fabric(), (0.1, -y + 0.45, high + 0.11), (0.4, 0.14, 0.36), turn_x(0.6), 0.06)
    if rng.random() < 0.85:
        head = rng.uniform(0.75, 1.15)
        piece.box(frame, (0, -y - 0.02, head / 2), (width + 0.04, 0.05, head), rounding=0.015)
    if rng.random() < 0.25:
        piece.box(frame, (0, y + 0.02, 0.25), (width + 0.02, 0.04, 0.5), rounding=0.01)
    return piece


def cabinet(rng: np.random.Generator, palette: Palette, kind: str | None = None) -> Piece:
    """A sideboard, chest of drawers, wardrobe, night stand or low TV bench, by ``kind``."""
    piece = Piece("cabinet")
    kind = kind or ("sideboard", "chest", "wardrobe", "stand")[int(rng.integers(4))]
    width, depth, high = {
        "sideboard": (rng.uniform(1.0, 1.7), rng.uniform(0.38, 0.48), rng.uniform(0.7, 0.9)),
        "chest": (rng.uniform(0.7, 1.1), rng.uniform(0.4, 0.5), rng.uniform(0.75, 1.2)),
        "wardrobe": (rng.uniform(0.9, 1.8), rng.uniform(0.52, 0.62), rng.uniform(1.8, 2.2)),
        "stand": (rng.uniform(0.38, 0.5), rng.uniform(0.34, 0.42), rng.uniform(0.42, 0.6)),
        "bench": (rng.uniform(1.2, 2.0), rng.uniform(0.38, 0.46), rng.uniform(0.4, 0.55)),
    }[kind]
    body, front = palette.front(), palette.front()
    foot = rng.uniform(0.03, 0.14)
    piece.box(body, (0, -0.01, (high + foot) / 2), (width, depth - 0.02, high - foot), rounding=0.005)
    if foot > 0.09:
        for sx, sy in CORNERS:
            piece.cone(palette.wood, (sx * (width / 2 - 0.05), sy * (depth / 2 - 0.06), foot / 2), 0.015, 0.022, foot)
    else:
        piece.box(palette.black, (0, -0.03, foot / 2), (width - 0.04, depth - 0.08, foot))
    handle = palette.metal
    knob = rng.random() < 0.4
    columns = max(1, round(width / rng.uniform(0.42, 0.6)))
    rows = {"sideboard": 1, "chest": int(rng.integers(3, 6)), "wardrobe": 1, "stand": 2, "bench": 1}[kind]
    if kind == "chest":
        columns = int(rng.integers(1, 3))
    y = depth / 2 - 0.01
    for column in range(columns):
        for row in range(rows):
            step_x, step_z = width / columns, (high - foot) / rows
            x, z = -width / 2 + step_x * (column + 0.5), foot + step_z * (row + 0.5)
            piece.box(front, (x, y, z), (step_x - 0.012, 0.02, step_z - 0.012), rounding=0.0)
            drawer = rows > 1
            offset = 0.0 if drawer else (step_x / 2 - 0.05) * (1 if column % 2 == 0 else -1)
            if knob:
                piece.ball(handle, (x + offset, y + 0.022, z), (0.03, 0.03, 0.03))
            elif drawer:
                piece.box(handle, (x, y + 0.022, z + step_z * 0.2), (min(0.16, step_x * 0.5), 0.016, 0.014))
            else:
                piece.box(handle, (x + offset, y + 0.022, z), (0.014, 0.016, 0.16))
    if high < 1.3:
        piece.top(0, 0, high, width, depth)
    return piece


def bookshelf(rng: np.random.Generator, palette: Palette) -> Piece:
    """Shelves with rows of books, gaps, boxes and vases."""
    piece = Piece("bookshelf")
    width, depth, high = rng.uniform(0.6, 1.3), rng.uniform(0.26, 0.34), rng.uniform(1.2, 2.15)
    body = palette.wood2 if rng.random() < 0.6 else palette.lacquer
    board = 0.022
    for side in (-1, 1):
        piece.box(body, (side * (width / 2 - board / 2), 0, high / 2), (board, depth, high))
    piece.box(body, (0, -depth / 2 + 0.006, high / 2), (width - board, 0.01, high - 0.01))
    count = max(3, round(high / rng.uniform(0.3, 0.4)))
    step = (high - 0.06) / count
    for index in range(count + 1):
        z = 0.05 + index * step
        piece.box(body, (0, 0, min(z, high - board / 2)), (width - 2 * board, depth - 0.01, board))
        if index < count:
            _books(rng, piece, palette, width - 2 * board - 0.01, depth, z + board / 2, step - board)
    return piece


def _books(
    rng: np.random.Generator, piece: Piece, palette: Palette, width: float, depth: float, z: float, room: float
) -> None:
    x = -width / 2 + 0.01
    limit = width / 2 - 0.03
    while x < limit:
        kind = rng.random()
        if kind < 0.10:
            x += rng.uniform(0.08, 0.3)
            continue
        if kind < 0.16 and x + 0.2 < limit:
            tall = room * rng.uniform(0.4, 0.75)
            piece.box(palette.accent(0.05), (x + 0.1, 0.0, z + tall / 2), (0.18, depth * 0.7, tall))
            x += 0.22
            continue
        # Books of one set stand together: they share cover and height, which keeps primitives few.
        books = int(rng.integers(1, 5))
        tall, deep = room * rng.uniform(0.6, 0.93), depth * rng.uniform(0.6, 0.8)
        cover = palette.accent(0.1)
        for _ in range(books):
            thick = rng.uniform(0.018, 0.045)
            if x + thick > limit:
                return
            if rng.random() < 0.5:
                cover = palette.accent(0.1)
                tall = room * rng.uniform(0.6, 0.93)
            lean = turn_y(rng.uniform(0.05, 0.2)) if rng.random() < 0.06 else None
            if lean is not None and x + thick + tall * 0.2 > limit:
                lean = None
            piece.box(
                cover, (x + thick / 2, depth / 2 - 0.03 - deep / 2, z + tall / 2), (thick - 0.003, deep, tall), lean
            )
            x += thick if lean is None else thick + tall * 0.14


def counter(rng: np.random.Generator, palette: Palette, width: float) -> tuple[Piece, Top | None]:
    """A kitchen row of the given width: base cupboards, worktop, splash-back, wall cupboards, hob.

    Also the hole in its worktop that a basin fits in, if there is one.
    """
    piece = Piece("counter")
    depth, high = 0.6, rng.uniform(0.86, 0.92)
    front = palette.front()
    stone = rng.random() < 0.5
    grey = rng.uniform(0.15, 0.8)
    top = (
        Material(Texture.STONE, (grey, grey, grey * 0.97), (grey * 0.6, grey * 0.6, grey * 0.6), 0.4, 0.4, 50)
        if stone
        else palette.wood
    )
    piece.box(palette.black, (0, -0.03, 0.05), (width - 0.02, depth - 0.1, 0.1))
    modules = max(1, round(width / 0.6))
    step = width / modules
    oven = int(rng.integers(modules))
    sink = (oven + 1 + int(rng.integers(max(1, modules - 1)))) % modules
    hole = _worktop(
        piece, front, top, width, depth, high, None if modules == 1 else (sink + 0.5) * step - width / 2, step
    )
    y = depth / 2 - 0.035
    for index in range(modules):
        x = -width / 2 + step * (index + 0.5)
        if index == oven and modules > 1:
            piece.box(palette.black, (x, y, 0.48), (step - 0.02, 0.025, 0.58))
            piece.box(palette.metal, (x, y + 0.03, 0.70), (step * 0.75, 0.02, 0.02))
            piece.box(palette.metal, (x, y + 0.004, 0.80), (step - 0.02, 0.025, 0.08))
            piece.box(palette.black, (x, 0.0, high + 0.003), (step * 0.92, depth * 0.8, 0.008))
        else:
            drawers = rng.random() < 0.35
            for row in range(3 if drawers else 1):
                tall = (high - 0.16) / (3 if drawers else 1)
                z = 0.115 + tall * (row + 0.5)
                piece.box(front, (x, y, z), (step - 0.01, 0.022, tall - 0.01))
                piece.box(palette.metal, (x, y + 0.022, z + tall / 2 - 0.05), (step * 0.4, 0.018, 0.014))
    tile = Material(Texture.TILES, (0.88, 0.87, 0.84), (0.72, 0.71, 0.68), rng.uniform(0.08, 0.2), 0.3, 40)
    piece.box(tile, (0, -depth / 2 + 0.008, high + 0.26), (width, 0.012, 0.52))
    if rng.random() < 0.75:
        for index in range(modules):
            if index == oven and modules > 2:
                continue
            x = -width / 2 + step * (index + 0.5)
            piece.box(front, (x, -depth / 2 + 0.175, high + 0.85), (step - 0.004, 0.33, 0.64))
            piece.box(front, (x, -depth / 2 + 0.35, high + 0.85), (step - 0.014, 0.02, 0.63))
            piece.box(palette.metal, (x + step * 0.4, -depth / 2 + 0.37, high + 0.62), (0.014, 0.018, 0.12))
        if modules > 2:
            x = -width / 2 + step * (oven + 0.5)
            piece.cone(palette.metal, (x, -depth / 2 + 0.2, high + 0.72), 0.28, 0.12, 0.2, squash=0.7)
            piece.box(palette.metal, (x, -depth / 2 + 0.13, high + 1.02), (0.2, 0.2, 0.45))
    for index in range(modules):
        if index not in (oven, sink):
            piece.top(-width / 2 + step * (index + 0.5), 0.02, high, step, depth - 0.1, 0.45)
    return piece, hole


def _worktop(
    piece: Piece,
    front: Material,
    top: Material,
    width: float,
    depth: float,
    high: float,
    sink: float | None,
    step: float,
) -> Top | None:
    """Cupboards and worktop, with a hole of a basin's size about x = ``sink``."""
    if sink is None:
        piece.box(front, (0, -0.02, (0.1 + high - 0.04) / 2), (width, depth - 0.04, high - 0.14))
        piece.box(top, (0, 0.0, high - 0.02), (width, depth + 0.02, 0.04))
        return None
    wide, deep, bowl = min(step - 0.06, 0.6), 0.42, 0.17
    for start, end in ((-width / 2, sink - wide / 2), (sink + wide / 2, width / 2)):
        if end - start > 0.005:
            middle = (start + end) / 2
            piece.box(front, (middle, -0.02, (0.1 + high - 0.04) / 2), (end - start, depth - 0.04, high - 0.14))
            piece.box(top, (middle, 0.0, high - 0.02), (end - start, depth + 0.02, 0.04))
    piece.box(front, (sink, -0.02, (0.1 + high - bowl) / 2), (wide, depth - 0.04, high - bowl - 0.1))
    for side in (-1, 1):
        edge = (depth + 0.02 - deep) / 2
        piece.box(top, (sink, side * (depth + 0.02 - edge) / 2, high - 0.02), (wide, edge, 0.04))
        piece.box(front, (sink, side * (depth - 0.06) / 2 - 0.02, high - bowl / 2 - 0.02), (wide, 0.02, bowl - 0.04))
    return Top(sink, 0.0, high - bowl, wide, deep)


def fridge(rng: np.random.Generator, palette: Palette) -> Piece:
    """A refrigerator of two doors."""
    piece = Piece("refrigerator")
    width, depth, high = rng.uniform(0.58, 0.75), rng.uniform(0.6, 0.68), rng.uniform(1.5, 1.95)
    grey = rng.uniform(0.55, 0.92)
    body = palette.paint((grey, grey, grey * 0.99), 0.3)
    split = high * rng.uniform(0.32, 0.68)
    piece.box(body, (0, -0.03, high / 2), (width, depth - 0.06, high - 0.02), rounding=0.01)
    for low, up in ((0.04, split), (split, high)):
        piece.box(body, (0, depth / 2 - 0.035, (low + up) / 2), (width, 0.05, up - low - 0.012), rounding=0.015)
        piece.box(
            palette.metal, (-width / 2 + 0.06, depth / 2 + 0.005, (low + up) / 2), (0.022, 0.03, (up - low) * 0.45)
        )
    return piece


def microwave(rng: np.random.Generator, palette: Palette) -> Piece:
    """A microwave oven, for a counter's top."""
    piece = Piece("appliance")
    grey = rng.uniform(0.1, 0.85)
    body = palette.paint((grey, grey, grey), 0.2)
    piece.box(body, (0, 0, 0.14), (0.48, 0.34, 0.28), rounding=0.01)
    piece.box(palette.black, (-0.06, 0.172, 0.14), (0.30, 0.006, 0.2))
    piece.box(palette.paint(shade((grey, grey, grey), 0.6)), (0.175, 0.172, 0.14), (0.1, 0.006, 0.22))
    return piece
