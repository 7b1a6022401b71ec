"""What stands on furniture or on the floor beside it: screens, lamps, plants, bottles, clutter."""

import numpy as np

from ppkt_zoo.rooms.materials import Color, Material, Palette, Texture, pick_one, shade
from ppkt_zoo.rooms.shapes import Piece, aim, turn_x, turn_z

_BOTTLES: tuple[Color, ...] = (
    (0.08, 0.22, 0.10), (0.30, 0.16, 0.06), (0.62, 0.72, 0.74), (0.75, 0.76, 0.72), (0.12, 0.30, 0.55),
    (0.80, 0.2, 0.15),
)  # fmt: skip


def screen(rng: np.random.Generator, palette: Palette, large: bool) -> Piece:
    """A television (large) or a monitor: dark bezel, glass, stand."""
    if rng.random() < 0.3:
        return _tube(rng, palette, large)
    piece = Piece("screen")
    width = rng.uniform(0.8, 1.35) if large else rng.uniform(0.42, 0.62)
    tall = width * rng.uniform(0.56, 0.62) if large or rng.random() < 0.5 else width * 0.78
    lift = rng.uniform(0.05, 0.09) if large else rng.uniform(0.08, 0.15)
    bezel = rng.uniform(0.014, 0.038)
    case = (palette.black, palette.black, palette.metal, palette.paint((0.78, 0.77, 0.73), 0.1))[int(rng.integers(4))]
    tilt = 0.0 if large else rng.uniform(-0.02, 0.12)
    rotation = turn_x(tilt)
    middle = np.array([0, 0, lift + tall / 2])
    piece.box(case, middle, (width, 0.035, tall), rotation, 0.008)
    glass = middle + rotation @ np.array([0, 0.019, 0.0])
    piece.box(palette.screen(), glass, (width - 2 * bezel, 0.004, tall - 2 * bezel), rotation)
    if large and rng.random() < 0.5:
        for side in (-1, 1):
            piece.box(case, (side * width * 0.32, 0, lift / 2 + 0.005), (0.03, 0.03, lift + 0.01))
            piece.box(case, (side * width * 0.32, 0, 0.008), (0.04, 0.22, 0.016))
    else:
        piece.box(case, (0, -0.03, (lift + 0.1) / 2), (0.06 if not large else 0.12, 0.025, lift + 0.1))
        piece.box(case, (0, -0.01, 0.008), (width * rng.uniform(0.35, 0.5), 0.19, 0.016), rounding=0.006)
    return piece


def _tube(rng: np.random.Generator, palette: Palette, large: bool) -> Piece:
    """An old set with a picture tube: deep, with a thick frame."""
    piece = Piece("screen")
    width = rng.uniform(0.55, 0.75) if large else rng.uniform(0.38, 0.44)
    tall, deep = width * rng.uniform(0.76, 0.84), width * rng.uniform(0.6, 0.75) if not large else 0.36
    grey = float(rng.choice([0.07, 0.3, 0.55, 0.78]))
    case = palette.paint((grey, grey, grey * 0.96), 0.1)
    lift = 0.0 if large else 0.06
    if not large:
        piece.cylinder(case, (0, 0, 0.012), width * 0.32, 0.024)
        piece.cylinder(case, (0, 0, 0.04), width * 0.2, 0.05)
    middle = lift + tall / 2
    front = deep / 2 - 0.05
    piece.box(case, (0, front, middle), (width, 0.1, tall), rounding=0.02)
    piece.cone(
        case,
        (0, front - 0.05 - (deep - 0.1) / 2, middle),
        width * 0.3,
        width * 0.47,
        deep - 0.1,
        turn_x(-np.pi / 2),
        0.8,
    )
    border = width * rng.uniform(0.06, 0.09)
    drop = border * rng.uniform(0.0, 0.8)
    glass = (width - 2 * border, 0.012, tall - 2 * border - drop)
    piece.box(palette.screen(), (0, front + 0.047, middle + drop / 2), glass, rounding=0.005)
    piece.box(palette.metal, (width * 0.33, front + 0.05, lift + border * 0.55), (0.03, 0.006, 0.012))
    return piece


def laptop(rng: np.random.Generator, palette: Palette) -> Piece:
    """An open laptop."""
    piece = Piece("screen")
    case = palette.metal if rng.random() < 0.5 else palette.black
    width, depth = rng.uniform(0.30, 0.37), rng.uniform(0.21, 0.25)
    piece.box(case, (0, 0, 0.009), (width, depth, 0.018))
    piece.box(
        Material(Texture.KEYS, (0.05, 0.05, 0.055), (0.2, 0.2, 0.2), 0.019, 0.1),
        (0, -0.03, 0.0185),
        (width * 0.9, depth * 0.5, 0.003),
    )
    rotation = turn_x(rng.uniform(0.1, 0.45))
    middle = np.array([0, -depth / 2, 0.015]) + rotation @ np.array([0, 0, depth / 2])
    piece.box(case, middle, (width, 0.009, depth), rotation)
    piece.box(
        palette.screen(), middle + rotation @ np.array([0, 0.005, 0.002]), (width * 0.93, 0.003, depth * 0.88), rotation
    )
    return piece


def keyboard(rng: np.random.Generator, palette: Palette) -> Piece:
    """A keyboard with a mouse at its side."""
    piece = Piece("clutter")
    grey = 0.06 if rng.random() < 0.7 else 0.8
    keys = Material(Texture.KEYS, (grey, grey, grey), shade((grey, grey, grey), 1.4 if grey < 0.5 else 0.6), 0.02, 0.05)
    piece.box(keys, (-0.06, 0, 0.012), (0.42, 0.14, 0.022), turn_x(0.04))
    piece.ball(palette.black, (0.22, 0.0, 0.015), (0.06, 0.1, 0.035))
    return piece


def lamp(rng: np.random.Generator, palette: Palette, floor: bool) -> Piece:
    """A floor lamp or a table lamp with a shade that glows."""
    piece = Piece("lamp")
    high = rng.uniform(1.4, 1.75) if floor else rng.uniform(0.35, 0.55)
    radius = rng.uniform(0.17, 0.24) if floor else rng.uniform(0.1, 0.16)
    tall = radius * rng.uniform(1.0, 1.5)
    cloth = Material(
        Texture.FABRIC, (0.92, 0.86, 0.74), (0.88, 0.82, 0.7), 1.0, 0.0, 20, float(rng.choice([0.0, 0.6, 0.9]))
    )
    stem = palette.metal if rng.random() < 0.6 else palette.wood
    piece.cylinder(stem, (0, 0, 0.012), radius * 0.75, 0.024)
    if floor or rng.random() < 0.5:
        piece.cylinder(stem, (0, 0, (high - tall / 2) / 2), 0.013, high - tall / 2)
    else:
        piece.ball(palette.accent(0.3), (0, 0, (high - tall) / 2), (radius, radius, high - tall))
        piece.cylinder(stem, (0, 0, high - tall), 0.012, 0.1)
    piece.cone(cloth, (0, 0, high - tall / 2), radius, radius * rng.uniform(0.55, 1.0), tall)
    return piece


def desk_lamp(rng: np.random.Generator, palette: Palette) -> Piece:
    """A jointed desk lamp."""
    piece = Piece("lamp")
    stem = palette.accent(0.3) if rng.random() < 0.4 else palette.metal
    reach = rng.uniform(0.08, 0.16)
    piece.cylinder(stem, (0, 0, 0.012), 0.075, 0.024)
    piece.rod(stem, (0, 0, 0.02), (0, -reach, 0.25), 0.009)
    piece.rod(stem, (0, -reach, 0.25), (0, 0.12, 0.42), 0.009)
    piece.cone(stem, (0, 0.15, 0.4), 0.075, 0.03, 0.11, turn_x(0.4))
    return piece


def ceiling_lamp(rng: np.random.Generator, palette: Palette, height: float) -> Piece:
    """A ceiling lamp, flat or on a cord; its origin is on the floor below it."""
    piece = Piece("lamp")
    glow = Material(Texture.PLAIN, (0.96, 0.93, 0.86), (0.96, 0.93, 0.86), 1.0, 0.0, 20, 1.1)
    if rng.random() < 0.5:
        radius = rng.uniform(0.14, 0.25)
        piece.cylinder(glow, (0, 0, height - 0.05), radius, 0.09)
        piece.cylinder(palette.trim, (0, 0, height - 0.01), radius + 0.015, 0.02)
        return piece
    drop, radius = rng.uniform(0.4, 0.7), rng.uniform(0.13, 0.24)
    piece.cylinder(palette.black, (0, 0, height - drop / 2), 0.006, drop)
    if rng.random() < 0.4:
        piece.ball(glow, (0, 0, height - drop), (radius * 2, radius * 2, radius * 1.8))
    else:
        piece.cone(palette.accent(0.2), (0, 0, height - drop), radius, radius * 0.35, radius)
        piece.cylinder(glow, (0, 0, height - drop - radius / 2), radius * 0.85, 0.01)
    return piece


def plant(rng: np.random.Generator, palette: Palette, high: float) -> Piece:
    """A pot plant of about the given height: long blades, a bush, or leaves on stems."""
    piece = Piece("plant")
    pot = palette.accent(0.15) if rng.random() < 0.4 else Material(
        Texture.PLAIN, (0.62, 0.36, 0.24) if rng.random() < 0.5 else (0.82, 0.80, 0.77), (0.58, 0.36, 0.25), 0.4, 0.08
    )  # fmt: skip
    radius, tall = high * rng.uniform(0.13, 0.19), high * rng.uniform(0.22, 0.32)
    piece.cone(pot, (0, 0, tall / 2), radius * 0.72, radius, tall)
    piece.cylinder(pot, (0, 0, tall - tall * 0.06), radius * 1.06, tall * 0.12)
    piece.cylinder(palette.paint((0.16, 0.11, 0.08), 0.0), (0, 0, tall + 0.002), radius * 0.9, 0.006)
    leaf = palette.leaf()
    kind = rng.integers(3)
    crown = high - tall
    if kind == 0:
        for _ in range(int(rng.integers(18, 30))):
            angle, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.9)
            length = crown * rng.uniform(0.6, 1.05)
            way = np.array([np.sin(tilt) * np.cos(angle), np.sin(tilt) * np.sin(angle), np.cos(tilt)])
            piece.ball(
                leaf,
                np.array([0, 0, tall]) + way * length * 0.48,
                (length * 0.02 + 0.004, length * 0.11, length),
                aim(way) @ turn_z(rng.uniform(0, 3.14)),
            )
        return piece
    spread = crown * (0.42 if kind == 1 else 0.5)
    stems = int(rng.integers(4, 8))
    count = int(rng.integers(34, 60))
    ends = [
        np.array([rng.normal(0, spread * 0.45), rng.normal(0, spread * 0.45), tall + crown * rng.uniform(0.45, 0.95)])
        for _ in range(stems)
    ]
    brown = palette.paint((0.30, 0.26, 0.15), 0.0)
    for end in ends:
        piece.rod(brown, (0, 0, tall), end, high * 0.008 + 0.002, high * 0.004 + 0.001)
    for index in range(count):
        end = ends[index % stems]
        along = rng.uniform(0.35, 1.0)
        size = crown * rng.uniform(0.13, 0.24)
        centre = np.array([0, 0, tall]) * (1 - along) + end * along + rng.normal(0, size * 0.55, 3)
        way = rng.normal(0, 1, 3) + np.array([centre[0], centre[1], -0.2]) * 3 / max(spread, 0.05)
        piece.ball(leaf, centre, (size * 0.05 + 0.002, size * 0.5, size), aim(way) @ turn_z(rng.uniform(0, 3.14)))
    return piece


def bottle(rng: np.random.Generator, palette: Palette) -> Piece:
    """A bottle: body, shoulder, neck, cap, label."""
    piece = Piece("bottle")
    high, radius = rng.uniform(0.2, 0.34), rng.uniform(0.03, 0.045)
    color = pick_one(rng, _BOTTLES)
    glass = Material(Texture.PLAIN, color, shade(color, 0.85), 0.2, 0.7, 90)
    body, neck = high * rng.uniform(0.55, 0.66), radius * 0.36
    piece.cylinder(glass, (0, 0, body / 2), radius, body)
    shoulder = high * 0.16
    piece.cone(glass, (0, 0, body + shoulder / 2), radius, neck, shoulder)
    piece.cylinder(glass, (0, 0, (body + shoulder + high) / 2), neck, high - body - shoulder)
    piece.cylinder(palette.accent(0.2), (0, 0, high - 0.012), neck * 1.2, 0.026)
    paper = palette.accent(0.05)
    piece.cylinder(paper, (0, 0, body * 0.5), radius * 1.02, body * 0.45)
    return piece


def clutter(rng: np.random.Generator, palette: Palette) -> Piece:
    """A small thing: cup, bowl of fruit, book, stack of books, box, vase, tin, paper."""
    piece = Piece("clutter")
    kind = rng.integers(7)
    if kind == 0:
        cup, radius, high = palette.accent(0.3), rng.uniform(0.035, 0.045), rng.uniform(0.08, 0.11)
        piece.cone(cup, (0, 0, high / 2), radius * 0.85, radius, high)
        piece.cylinder(palette.paint((0.2, 0.12, 0.07)), (0, 0, high + 0.0005), radius * 0.86, 0.002)
        piece.box(cup, (radius + 0.012, 0, high * 0.55), (0.03, 0.01, high * 0.55), rounding=0.005)
    elif kind == 1:
        piece.cone(palette.accent(0.25), (0, 0, 0.035), 0.06, 0.12, 0.07)
        for _ in range(5):
            fruit = palette.paint(((0.8, 0.15, 0.1), (0.9, 0.6, 0.1), (0.5, 0.65, 0.15))[int(rng.integers(3))], 0.2)
            x, y = rng.uniform(-0.055, 0.055, 2)
            piece.ball(fruit, (x, y, 0.085), (0.075, 0.075, 0.072))
    elif kind in (2, 3):
        z = 0.0
        for _ in range(int(rng.integers(1, 5))):
            w, d, h = rng.uniform(0.14, 0.22), rng.uniform(0.2, 0.28), rng.uniform(0.012, 0.04)
            turn = turn_z(rng.uniform(-0.25, 0.25))
            piece.box(palette.accent(0.1), (0, 0, z + h / 2), (w, d, h), turn)
            z += h
    elif kind == 4:
        w, d, h = rng.uniform(0.08, 0.28), rng.uniform(0.06, 0.22), rng.uniform(0.06, 0.24)
        tint = palette.accent(0.05).color if rng.random() < 0.6 else (0.66, 0.50, 0.34)
        piece.box(Material(Texture.LABEL, tint, shade(tint, 0.6), 0.1, 0.05), (0, 0, h / 2), (w, d, h))
    elif kind == 5:
        vase, high = palette.accent(0.35), rng.uniform(0.16, 0.3)
        piece.ball(vase, (0, 0, high * 0.38), (high * 0.5, high * 0.5, high * 0.76))
        piece.cone(vase, (0, 0, high * 0.84), high * 0.12, high * 0.17, high * 0.32)
        piece.cylinder(vase, (0, 0, 0.008), high * 0.15, 0.016)
    else:
        piece.cylinder(palette.accent(0.3), (0, 0, 0.055), rng.uniform(0.03, 0.05), 0.11)
    return piece


def plate(rng: np.random.Generator, palette: Palette, china: Material) -> Piece:
    """A plate, empty or with food, with fork and knife beside it."""
    piece = Piece("clutter")
    radius = 0.125
    piece.cone(china, (0, 0, 0.008), radius * 0.6, radius, 0.016)
    piece.cylinder(palette.paint(shade(china.color, 0.92), 0.2), (0, 0, 0.0165), radius * 0.68, 0.001)
    if rng.random() < 0.6:
        for _ in range(3):
            food = ((0.55, 0.30, 0.12), (0.35, 0.5, 0.15), (0.85, 0.7, 0.35), (0.7, 0.2, 0.12))[int(rng.integers(4))]
            x, y = rng.uniform(-0.04, 0.04, 2)
            piece.ball(palette.paint(food, 0.05), (x, y, 0.022), (0.07, 0.06, 0.035))
    for x in (-0.155, 0.155):
        piece.box(palette.metal, (x, 0, 0.003), (0.014, 0.18, 0.004))
    return piece


def glass(rng: np.random.Generator, palette: Palette) -> Piece:
    """A drinking glass, half full."""
    piece = Piece("clutter")
    clear = Material(Texture.PLAIN, (0.72, 0.76, 0.77), (0.66, 0.7, 0.71), 0.2, 0.7, 90)
    drink = palette.paint(((0.75, 0.5, 0.12), (0.4, 0.06, 0.1), (0.68, 0.74, 0.76))[int(rng.integers(3))], 0.4)
    if rng.random() < 0.4:
        piece.cylinder(clear, (0, 0, 0.003), 0.033, 0.006)
        piece.cylinder(clear, (0, 0, 0.045), 0.005, 0.085)
        piece.cone(drink, (0, 0, 0.11), 0.018, 0.038, 0.05)
        piece.cone(clear, (0, 0, 0.16), 0.038, 0.032, 0.05)
    else:
        piece.cone(drink, (0, 0, 0.035), 0.028, 0.032, 0.07)
        piece.cone(clear, (0, 0, 0.095), 0.032, 0.036, 0.05)
    return piece
