"""make_room: a seed becomes a living room, bedroom, office, kitchen or bathroom, with all that stands in it."""

from collections.abc import Callable

import numpy as np
import torch

from ppkt_zoo.rooms.furniture import bath, seating, small, storage
from ppkt_zoo.rooms.layout.groups import SINGLES, place_dining_group, place_sofa, place_television, place_workplace
from ppkt_zoo.rooms.layout.planner import Planner, add_door, add_pictures, add_skirting, add_windows
from ppkt_zoo.rooms.materials import Material, Palette
from ppkt_zoo.rooms.room import Light, Room
from ppkt_zoo.rooms.shapes import Piece, turn_z

_SIZES = {"living": (4.2, 6.5), "kitchen": (3.4, 5.2), "office": (3.4, 5.8), "bedroom": (3.4, 4.8), "bath": (2.3, 3.6)}
KINDS = tuple(_SIZES)


def make_room(seed: int, device: torch.device | str = "cpu") -> Room:
    """Make a furnished room.

    Args:
        seed: the same seed gives the same room.
        device: where its tensors lie and its frames are rendered.
    """
    rng = np.random.default_rng([seed, 20261123])
    kind = KINDS[int(rng.choice(len(KINDS), p=[0.34, 0.2, 0.21, 0.13, 0.12]))]
    low, high = _SIZES[kind]
    extent = (float(rng.uniform(low, high)), float(rng.uniform(low, high) * 0.92), float(rng.uniform(2.4, 2.9)))
    palette = Palette(rng)
    if kind == "bath":
        palette.tile()
    planner = Planner(extent, palette, rng)
    furnish(planner, kind)
    lights, ambient = _lights(rng, planner)
    solids = planner.assembly.solids(rng).to(device)
    return Room(seed, kind, extent, solids, planner.assembly.objects, lights, ambient)


def _lights(rng: np.random.Generator, planner: Planner) -> tuple[list[Light], np.ndarray]:
    warm = np.array([1.0, rng.uniform(0.82, 0.97), rng.uniform(0.62, 0.92)])
    cool = np.array([rng.uniform(0.86, 1.0), 0.96, 1.0])
    daylight = sum(power for _, _, power in planner.windows)
    lamp = rng.uniform(0.25, 0.9) if daylight > 1.0 else rng.uniform(0.8, 1.4)
    place = np.array([0, 0, planner.extent[2] - 0.12])
    lights = [Light(place, warm * lamp * 2.6, np.array([0.0, 0.0, -1.0]), False)]
    strongest = max(planner.windows, key=lambda item: item[2], default=None)
    if strongest is not None and strongest[2] > 0.3:
        middle, inward, _ = strongest
        power = min(daylight, 4.0)
        lights.append(Light(middle - inward * 0.1, cool * power * 1.5, inward, True))
    ambient = warm * lamp * 0.22 + cool * min(daylight, 4.0) * 0.07 + 0.05
    return lights, ambient


def furnish(planner: Planner, kind: str) -> None:
    """Put in everything: first what is fixed to walls, then large pieces, then small things."""
    add_door(planner)
    add_windows(planner, high_up=kind == "bath")
    plan: dict[str, Callable[[Planner], None]] = {
        "living": _living, "kitchen": _kitchen, "office": _office, "bedroom": _bedroom,
        "bath": furnish_bathroom,
    }  # fmt: skip
    plan[kind](planner)
    add_pictures(planner)
    add_skirting(planner)
    lamp = small.ceiling_lamp(planner.rng, planner.palette, planner.extent[2])
    planner.assembly.add(lamp, np.zeros(3), 0.0)


def _living(planner: Planner) -> None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    group = place_television(planner)
    if group is None:
        place_sofa(planner)
    if rng.random() < 0.8:
        planner.put_at_wall(storage.bookshelf(rng, palette), 0.5)
    if rng.random() < 0.75:
        place_dining_group(planner)
    for _ in range(int(rng.integers(0, 3))):
        chair = seating.armchair(rng, palette)
        if not planner.put(chair, floor.against(chair, 0.4, 0.1, corner=True)):
            planner.put(chair, floor.anywhere(chair, 0.2))
    _fill(planner, "sideboard", "plant", "floor lamp", "plant", "stool", "bookshelf", "bin")


def _kitchen(planner: Planner) -> None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    wall = int(rng.integers(4))
    length = floor.wall_length(wall)
    row, sink = storage.counter(rng, palette, float(np.clip(length * rng.uniform(0.45, 0.7), 1.2, 3.6)))
    spot = floor.against(row, 0.8, walls=(wall,), corner=True) or floor.against(row, 0.8)
    planner.put(row, spot, 5.0)
    if spot is not None and sink is not None:
        basin = bath.basin(rng, palette, palette.metal, sink.width, sink.depth)
        planner.on_top(basin, spot.position, spot.heading, (sink.x, sink.y, sink.z))
    if spot is not None and row.tops and rng.random() < 0.5:
        top = row.tops[-1]
        planner.on_top(storage.microwave(rng, palette), spot.position, spot.heading, (top.x, -0.05, top.z))
    planner.put_at_wall(storage.fridge(rng, palette), 0.6)
    place_dining_group(planner)
    if rng.random() < 0.4:
        place_dining_group(planner)
    _fill(planner, "sideboard", "stool", "plant", "stool", "bookshelf", "loose chair", "bin")


def _office(planner: Planner) -> None:
    rng = planner.rng
    for _ in range(int(rng.integers(1, 4))):
        place_workplace(planner)
    if rng.random() < 0.4:
        place_dining_group(planner)
    if rng.random() < 0.35:
        place_sofa(planner)
    _fill(planner, "bookshelf", "sideboard", "plant", "bookshelf", "loose chair", "plant", "boxes", "bin")


def _bedroom(planner: Planner) -> None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    bed = storage.bed(rng, palette)
    spot = floor.against(bed, 0.5, 0.06)
    if planner.put(bed, spot) and spot is not None:
        for side in (-1, 1):
            stand = storage.cabinet(rng, palette, "stand")
            width, depth = bed.footprint()
            away = turn_z(spot.heading) @ np.array([side * (width / 2 + 0.32), -depth / 2 + 0.24, 0.0])
            near = floor.near(stand, spot.position + away, spot.heading)
            if near is not None and planner.put(stand, near):
                lamp = small.lamp(rng, palette, floor=False)
                planner.on_top(lamp, near.position, near.heading, (0, 0, stand.tops[0].z))
    wardrobe = storage.cabinet(rng, palette, "wardrobe")
    planner.put(wardrobe, floor.against(wardrobe, 0.6))
    if rng.random() < 0.7:
        place_workplace(planner)
    if rng.random() < 0.4:
        place_television(planner, sofa=False)
    _fill(planner, "chest", "armchair", "bookshelf", "plant", "loose chair", "stool", "bin")


def _fill(planner: Planner, *names: str) -> None:
    for name in names:
        if planner.rng.random() < 0.65:
            SINGLES[name](planner)


def furnish_bathroom(planner: Planner) -> None:
    """Tub, toilet and wash place against the walls, then small things."""
    rng = planner.rng
    white = bath.ceramic(rng, planner.palette)
    if rng.random() < 0.8:
        _place_tub(planner, white)
    if rng.random() < 0.92:
        _place_toilet(planner, white)
    for _ in range(1 + int(rng.random() < 0.2)):
        _place_wash_place(planner, white)
    if rng.random() < 0.7:
        _hang(planner, bath.towels(rng, planner.palette), rng.uniform(1.1, 1.4))
    for name, chance in (("bin", 0.7), ("chest", 0.35), ("stool", 0.4), ("plant", 0.3)):
        if rng.random() < chance:
            SINGLES[name](planner)


def _place_tub(planner: Planner, white: Material) -> None:
    rng, floor = planner.rng, planner.floor
    tub = bath.bathtub(rng, planner.palette, white)
    spot = floor.against(tub, 0.35, 0.01, corner=rng.random() < 0.8) or floor.against(tub, 0.25, 0.01)
    if not planner.put(tub, spot) or spot is None:
        return
    width, depth = tub.footprint()
    if rng.random() < 0.6:
        front = np.array([0.0, depth / 2 - 0.02, 0.0])
        planner.on_top(bath.shower_curtain(rng, planner.palette, width - 0.04), spot.position, spot.heading, front)
    if rng.random() < 0.6:
        rim = Piece("clutter")
        rim.box(planner.palette.accent(0.3), (0, 0, 0.08), (0.06, 0.045, 0.16), rounding=0.015)
        corner = (width / 2 - 0.1, -depth / 2 + 0.06, tub.bounds()[1][2] - 0.09)
        planner.on_top(rim, spot.position, spot.heading, (corner[0] * (1 if rng.random() < 0.5 else -1), *corner[1:]))


def _place_toilet(planner: Planner, white: Material) -> None:
    rng, floor = planner.rng, planner.floor
    piece = bath.toilet(rng, planner.palette, white)
    spot = floor.against(piece, 0.45, 0.0) or floor.against(piece, 0.2, 0.0)
    if not planner.put(piece, spot) or spot is None:
        return
    if rng.random() < 0.6:
        side = 0.42 if rng.random() < 0.5 else -0.42
        aside = spot.position + turn_z(spot.heading) @ np.array([side, -piece.footprint()[1] / 2 + 0.01, 0.66])
        if (np.abs(aside[:2]) < np.array(planner.extent[:2]) / 2 + 0.05).all():
            planner.assembly.add(bath.paper_roll(rng, planner.palette), aside, spot.heading)


def _place_wash_place(planner: Planner, white: Material) -> None:
    rng, palette, floor = planner.rng, planner.palette, planner.floor
    width, depth, high = rng.uniform(0.45, 0.75), rng.uniform(0.38, 0.48), rng.uniform(0.66, 0.74)
    stand = rng.random() < 0.6
    if stand:
        body = bath.wash_stand(rng, palette, width, depth, high)
    else:
        body = bath.basin(rng, palette, white, width, depth)
        body.lift(high)
        body.cone(white, (0, -0.02, high / 2), rng.uniform(0.08, 0.1), rng.uniform(0.09, 0.13), high, squash=0.85)
    spot = floor.against(body, 0.45, 0.0) or floor.against(body, 0.25, 0.0)
    if not planner.put(body, spot) or spot is None:
        return
    if stand:
        basin = bath.basin(rng, palette, white, width * rng.uniform(0.75, 1.0), depth * rng.uniform(0.85, 1.0))
        planner.on_top(basin, spot.position, spot.heading, (0, 0, high))
    if rng.random() < 0.75:
        glass = bath.mirror(rng, palette)
        reach = glass.footprint()[0] / 2
        place, middle = float(spot.position[1 if spot.wall < 2 else 0]), min(planner.extent[2] - 0.6, high + 0.85)
        if abs(place) < floor.wall_length(spot.wall) / 2 - reach:
            planner.hang(glass, spot.wall, place, middle, 2 * reach, middle - 0.45, middle + 0.45)


def _hang(planner: Planner, piece: Piece, high: float) -> None:
    width = piece.footprint()[0]
    for _ in range(12):
        wall = int(planner.rng.integers(4))
        room = planner.floor.wall_length(wall) / 2 - width / 2 - 0.1
        if planner.hang(piece, wall, planner.rng.uniform(-room, room), high, width + 0.06, high - 0.7, high + 0.1):
            return
