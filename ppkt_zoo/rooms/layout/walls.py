"""What is fixed to a room's walls: door, windows with curtains, pictures, skirting boards."""

import numpy as np

from ppkt_zoo.rooms.furniture import openings
from ppkt_zoo.rooms.layout.planner import Planner
from ppkt_zoo.rooms.shapes import turn_z


def add_door(planner: Planner) -> None:
    rng = planner.rng
    piece = openings.door(rng, planner.palette)
    wall = int(rng.integers(4))
    room = planner.floor.wall_length(wall) / 2 - 0.65
    along = rng.uniform(-room, room)
    position, heading = planner.floor.on_wall(wall, along)
    planner.assembly.add(piece, position, heading)
    planner.floor.take_wall(wall, along, piece.footprint()[0], 0.0, 2.2)
    # Room to open it.
    planner.floor.take(position, heading, 0.95, 1.5)


def add_windows(planner: Planner, high_up: bool = False) -> None:
    """Windows of a room; small ones high up where nobody should look in."""
    rng, floor, palette = planner.rng, planner.floor, planner.palette
    day = float(rng.choice([0.03, 0.9, 1.3, 1.7], p=[0.15, 0.3, 0.35, 0.2]))
    main = int(rng.integers(4))
    for wall in (main, main, (main + int(rng.integers(1, 4))) % 4)[: int(rng.integers(1, 4))]:
        width, sill = rng.uniform(0.8, 1.9), rng.uniform(0.7, 1.0)
        if high_up:
            width, sill = width * 0.55, sill + 0.45
        high = min(planner.extent[2] - sill - 0.25, rng.uniform(1.0, 1.5) * (0.6 if high_up else 1.0))
        room = floor.wall_length(wall) / 2 - width / 2 - 0.35
        if room <= 0:
            continue
        along = rng.uniform(-room, room)
        if not floor.wall_free(wall, along, width + 0.8, sill, sill + high):
            continue
        position, heading = floor.on_wall(wall, along)
        planner.assembly.add(openings.window(rng, palette, width, sill, high, day), position, heading)
        floor.take_wall(wall, along, width + 0.15, sill - 0.05, sill + high)
        inward = turn_z(heading) @ np.array([0.0, 1.0, 0.0])
        planner.windows.append((position + np.array([0, 0, sill + high / 2]), inward, day * width * high))
        if rng.random() < 0.5:
            low = 0.06 if rng.random() < 0.6 else sill - 0.15
            state = int(rng.integers(2**31))
            for side in (-1, 1):
                wide = 0.3
                cloth = openings.curtain(
                    np.random.default_rng(state), palette, wide, low, min(sill + high + 0.15, planner.extent[2] - 0.05)
                )
                place, _ = floor.on_wall(wall, along)
                place = place + turn_z(heading) @ np.array([side * (width / 2 + 0.1), 0.0, 0.0])
                if abs(place @ (turn_z(heading) @ np.array([1.0, 0, 0]))) + wide / 2 < floor.wall_length(wall) / 2:
                    planner.assembly.add(cloth, place, heading)
                    middle = along + side * (width / 2 + 0.1) * (1 if wall in (1, 2) else -1)
                    floor.take_wall(wall, middle, wide, low, sill + high)
                    if low < 0.1:
                        floor.take(place, heading, wide, 0.4)


def add_pictures(planner: Planner) -> None:
    rng, floor = planner.rng, planner.floor
    for _ in range(int(rng.integers(2, 8))):
        piece = openings.picture(rng, planner.palette)
        width, tall = piece.footprint()[0], float(piece.bounds()[1][2]) * 2
        wall, z = int(rng.integers(4)), rng.uniform(1.45, 1.75)
        room = floor.wall_length(wall) / 2 - width / 2 - 0.1
        if room <= 0:
            continue
        along = rng.uniform(-room, room)
        if floor.wall_free(wall, along, width + 0.06, z - tall / 2, z + tall / 2):
            position, heading = floor.on_wall(wall, along)
            planner.assembly.add(piece, position + np.array([0, 0, z]), heading)
            floor.take_wall(wall, along, width + 0.06, z - tall / 2, z + tall / 2)


def add_skirting(planner: Planner) -> None:
    width, depth, _ = planner.extent
    high = planner.rng.uniform(0.05, 0.1)
    for x, y, w, d in (
        (-width / 2, 0, 0.024, depth), (width / 2, 0, 0.024, depth),
        (0, -depth / 2, width, 0.024), (0, depth / 2, width, 0.024),
    ):  # fmt: skip
        planner.assembly.flat(planner.palette.trim, "wall", (x, y, high / 2), (w, d, high))
