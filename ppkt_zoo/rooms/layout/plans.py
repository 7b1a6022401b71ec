"""What stands in a living room, a bedroom, an office, a kitchen and a bathroom."""

from collections.abc import Callable, Sequence

import numpy as np

from ppkt_zoo.rooms.furniture import bath, seating, small, storage
from ppkt_zoo.rooms.layout.bathroom import furnish_bathroom
from ppkt_zoo.rooms.layout.groups import place_dining_group, place_sofa, place_television, place_workplace
from ppkt_zoo.rooms.layout.planner import Planner
from ppkt_zoo.rooms.layout.singles import (
    place_armchair,
    place_bin,
    place_bookshelf,
    place_boxes,
    place_chest,
    place_floor_lamp,
    place_loose_chair,
    place_plant,
    place_sideboard,
    place_stool,
)
from ppkt_zoo.rooms.layout.walls import add_door, add_pictures, add_skirting, add_windows
from ppkt_zoo.rooms.shapes import turn_z

KINDS: tuple[str, ...] = ("living", "kitchen", "office", "bedroom", "bath")


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
    planner.assembly.add(lamp, planner.lamp_place, 0.0)


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
    _fill(
        planner, (place_sideboard, place_plant, place_floor_lamp, place_plant, place_stool, place_bookshelf, place_bin)
    )


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
    _fill(
        planner, (place_sideboard, place_stool, place_plant, place_stool, place_bookshelf, place_loose_chair, place_bin)
    )


def _office(planner: Planner) -> None:
    rng = planner.rng
    for _ in range(int(rng.integers(1, 4))):
        place_workplace(planner)
    if rng.random() < 0.4:
        place_dining_group(planner)
    if rng.random() < 0.35:
        place_sofa(planner)
    _fill(
        planner,
        (
            place_bookshelf,
            place_sideboard,
            place_plant,
            place_bookshelf,
            place_loose_chair,
            place_plant,
            place_boxes,
            place_bin,
        ),
    )


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
    _fill(
        planner, (place_chest, place_armchair, place_bookshelf, place_plant, place_loose_chair, place_stool, place_bin)
    )


def _fill(planner: Planner, options: Sequence[Callable[[Planner], None]]) -> None:
    for option in options:
        if planner.rng.random() < 0.65:
            option(planner)
