"""Pieces that belong together, such as chairs around a table, and pieces that stand by themselves."""

from collections.abc import Callable

import numpy as np

from ppkt_zoo.rooms.furniture import bath, seating, small, storage, tables
from ppkt_zoo.rooms.layout.planner import Planner, Spot
from ppkt_zoo.rooms.materials import Material, Palette, Texture
from ppkt_zoo.rooms.shapes import Piece, turn_z

Build = Callable[[np.random.Generator, Palette], Piece]


def place_television(planner: Planner, sofa: bool = True) -> Spot | None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    bench = storage.cabinet(rng, palette, "bench")
    spot = floor.against(bench, 0.6)
    if spot is None or not planner.put(bench, spot):
        return None
    television = small.screen(rng, palette, large=True)
    planner.on_top(television, spot.position, spot.heading, (rng.uniform(-0.15, 0.15), 0, bench.tops[0].z))
    if not sofa:
        return spot
    forward = turn_z(spot.heading) @ np.array([0.0, 1.0, 0.0])
    couch = seating.sofa(rng, palette)
    room = planner.extent[0] if spot.wall < 2 else planner.extent[1]
    depth = couch.footprint()[1]
    for distance in (room - bench.footprint()[1] / 2 - depth / 2 - 0.08, rng.uniform(2.5, 3.2), 2.3, 2.05):
        if distance < 1.9:
            continue
        for shift in (0.0, 0.4, -0.4, 0.8, -0.8):
            aside = turn_z(spot.heading) @ np.array([shift, 0.0, 0.0])
            seat = floor.near(couch, spot.position + forward * distance + aside, spot.heading + np.pi)
            if seat is None:
                continue
            planner.put(couch, seat)
            table = tables.coffee_table(rng, palette)
            front = seat.position - forward * (depth / 2 + table.footprint()[1] / 2 + rng.uniform(0.32, 0.5))
            planner.put(table, floor.near(table, front, seat.heading), 7.0)
            if rng.random() < 0.6:
                lay_carpet(planner, front, seat.heading, rng.uniform(1.8, 2.6), rng.uniform(1.3, 1.8))
            return spot
    place_sofa(planner)
    return spot


def place_sofa(planner: Planner) -> None:
    """A sofa wherever one fits; a narrow room gets a short one."""
    for front in (0.7, 0.5, 0.4, 0.3):
        couch = seating.sofa(planner.rng, planner.palette)
        if planner.put(couch, planner.floor.against(couch, front)):
            return


def lay_carpet(planner: Planner, position: np.ndarray, heading: float, width: float, depth: float) -> None:
    rug = planner.palette.any_fabric()
    texture = (Texture.CARPET, Texture.STRIPES, Texture.CHECKS)[int(planner.rng.integers(3))]
    rug = Material(texture, rug.color, rug.second, 0.25, 0.0)
    limit = np.array([planner.extent[0] / 2, planner.extent[1] / 2])
    # A box turned by a multiple of 90°: cut it so that it does not reach through a wall.
    turned = abs(np.sin(heading)) > 0.7
    half = np.array([depth, width] if turned else [width, depth]) / 2
    half = np.minimum(half, limit - np.abs(position[:2]) - 0.02)
    if half.min() > 0.3:
        planner.assembly.flat(rug, "floor", (position[0], position[1], 0.004), (half[0] * 2, half[1] * 2, 0.012))


def place_dining_group(planner: Planner) -> None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    table = tables.dining_table(rng, palette)
    spot = floor.anywhere(table, 0.45) or floor.anywhere(table, 0.15)
    if not planner.put(table, spot) or spot is None:
        return
    if rng.random() < 0.3:
        lay_carpet(planner, spot.position, spot.heading, rng.uniform(2.0, 2.8), rng.uniform(1.6, 2.2))
    width, depth = table.footprint()
    kind = rng.random()
    build = seating.shell_chair if kind < 0.3 else seating.chair
    state = int(rng.integers(2**31))
    seats = [(x, side) for side in (-1, 1) for x in ((-0.25, 0.25) if width > 1.2 else (0.0,))]
    places = [
        (x * width, side * (depth / 2 + rng.uniform(-0.04, 0.28)), 0.0 if side < 0 else np.pi) for x, side in seats
    ]
    places += [(side * (width / 2 + rng.uniform(0.0, 0.28)), 0.0, side * np.pi / 2) for side in (-1, 1)]
    _set_table(planner, table, spot, [] if rng.random() < 0.4 else places)
    for x, y, turn in places:
        if rng.random() < 0.2:
            continue
        seat = build(np.random.default_rng(state), palette)  # one set: all chairs alike
        own = rng.normal(0, 0.15)
        position = spot.position + turn_z(spot.heading) @ np.array([x, y, 0.0])
        heading = spot.heading + turn + own
        planner.put(seat, planner.floor.near(seat, position, heading, 0.02, spot))


def _set_table(planner: Planner, table: Piece, spot: Spot, places: list[tuple[float, float, float]]) -> None:
    """Plates and glasses before the given seats, things in the middle."""
    rng, palette, top = planner.rng, planner.palette, table.tops[0]
    china = palette.paint((0.92, 0.91, 0.88), 0.3) if rng.random() < 0.75 else palette.accent(0.3)
    taken: list[tuple[float, float, float]] = []
    for x, y, turn in places:
        # From the seat's place to 22 cm inside the edge before it.
        px = float(np.clip(x, -top.width / 2 + 0.22, top.width / 2 - 0.22))
        py = float(np.clip(y, -top.depth / 2 + 0.19, top.depth / 2 - 0.19))
        if rng.random() < 0.25 or any(np.hypot(px - a, py - b) < 0.3 for a, b, _ in taken):
            continue
        planner.on_top(small.plate(rng, palette, china), spot.position, spot.heading, (px, py, top.z), turn)
        taken.append((px, py, 0.17))
        ahead = turn_z(turn) @ np.array([0.1, 0.2, 0.0])
        gx, gy = px + ahead[0], py + ahead[1]
        if (
            abs(gx) < top.width / 2 - 0.05
            and abs(gy) < top.depth / 2 - 0.05
            and all(np.hypot(gx - a, gy - b) > c for a, b, c in taken)
        ):
            planner.on_top(small.glass(rng, palette), spot.position, spot.heading, (gx, gy, top.z))
            taken.append((gx, gy, 0.05))
    planner.dress(table, spot.position, spot.heading, 4.0, taken)


def place_workplace(planner: Planner) -> None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    desk = tables.desk(rng, palette)
    spot = floor.against(desk, 0.75)
    if spot is None and rng.random() < 0.5:
        spot = floor.anywhere(desk, 0.4)
    if not planner.put(desk, spot) or spot is None:
        return
    top = desk.tops[0]
    taken = []

    def lay(thing: Piece, x: float, y: float, turn: float) -> None:
        planner.on_top(thing, spot.position, spot.heading, (x, y, top.z), turn)
        taken.append((x, y, max(thing.footprint()) / 2 + 0.02))

    if rng.random() < 0.75:
        count = 2 if top.width > 1.45 and rng.random() < 0.5 else 1
        for index in range(count):
            x = (index - (count - 1) / 2) * 0.66 + (rng.uniform(-0.2, 0.2) if count == 1 else 0.0)
            lay(
                small.screen(rng, palette, large=False),
                x,
                -top.depth / 2 + 0.17,
                rng.normal(0, 0.1) - (index - (count - 1) / 2) * 0.3,
            )
        lay(small.keyboard(rng, palette), 0.0, top.depth / 2 - 0.17, rng.normal(0, 0.06))
    else:
        lay(small.laptop(rng, palette), rng.uniform(-0.15, 0.15), top.depth / 2 - 0.3, rng.normal(0, 0.15))
    if rng.random() < 0.45:
        lay(
            small.desk_lamp(rng, palette),
            (top.width / 2 - 0.14) * (1 if rng.random() < 0.5 else -1),
            -top.depth / 2 + 0.22,
            rng.normal(0, 0.5),
        )
    planner.dress(desk, spot.position, spot.heading, 6.0, taken)
    chair = seating.office_chair(rng, palette) if rng.random() < 0.75 else seating.chair(rng, palette)
    ahead = turn_z(spot.heading) @ np.array(
        [rng.uniform(-0.15, 0.15), desk.footprint()[1] / 2 + rng.uniform(0.1, 0.45), 0.0]
    )
    position, heading = spot.position + ahead, spot.heading + np.pi + rng.normal(0, 0.45)
    planner.put(chair, floor.near(chair, position, heading, 0.02, spot))


def _at_wall(
    build: Build, front: float, gap: float = 0.02, corner: float = 0.0, things: float = 0.0
) -> Callable[[Planner], None]:
    """What puts a piece against a wall, a share ``corner`` of them into a corner, or leaves it out where none fits."""

    def place(planner: Planner) -> None:
        piece = build(planner.rng, planner.palette)
        cornered = corner == 1 or (corner > 0 and planner.rng.random() < corner)
        planner.put(piece, planner.floor.against(piece, front, gap, corner=cornered), things)

    return place


def _stool(planner: Planner) -> None:
    piece = seating.stool(planner.rng, planner.palette)
    planner.put(piece, planner.floor.anywhere(piece, 0.1))


def _loose_chair(planner: Planner) -> None:
    rng = planner.rng
    piece = seating.chair(rng, planner.palette) if rng.random() < 0.6 else seating.shell_chair(rng, planner.palette)
    planner.put(
        piece, planner.floor.anywhere(piece, 0.15) if rng.random() < 0.6 else planner.floor.against(piece, 0.2, 0.05)
    )


def _boxes(rng: np.random.Generator, palette: Palette) -> Piece:
    piece = Piece("clutter")
    size = rng.uniform(0.3, 0.5, 3)
    brown = Material(Texture.LABEL, (0.62, 0.47, 0.31), (0.48, 0.36, 0.24), 0.2, 0.02)
    piece.box(brown, (0, 0, size[2] / 2), size)
    if rng.random() < 0.5:
        piece.box(
            brown, (0.02, 0, size[2] + 0.14), size * np.array([0.8, 0.8, 0]) + np.array([0, 0, 0.28]), turn_z(0.2)
        )
    return piece


def _sideboard(rng: np.random.Generator, palette: Palette) -> Piece:
    return storage.cabinet(rng, palette, "sideboard" if rng.random() < 0.6 else None)


SINGLES: dict[str, Callable[[Planner], None]] = {
    "armchair": _at_wall(seating.armchair, 0.3, 0.1),
    "bin": _at_wall(bath.waste_bin, 0.0, 0.04, corner=0.3),
    "bookshelf": _at_wall(storage.bookshelf, 0.5),
    "boxes": _at_wall(_boxes, 0.0),
    "chest": _at_wall(lambda rng, palette: storage.cabinet(rng, palette, "chest"), 0.5, things=9.0),
    "floor lamp": _at_wall(lambda rng, palette: small.lamp(rng, palette, floor=True), 0.0, 0.05, corner=1),
    "loose chair": _loose_chair,
    "plant": _at_wall(lambda rng, palette: small.plant(rng, palette, rng.uniform(0.6, 1.5)), 0.0, 0.05, corner=0.6),
    "sideboard": _at_wall(_sideboard, 0.5, things=8.0),
    "stool": _stool,
}
"""Pieces that stand by themselves: each is put where one fits, or left out."""
