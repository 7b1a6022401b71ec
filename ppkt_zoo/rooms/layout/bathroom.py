"""How a bathroom is laid out."""

import numpy as np

from ppkt_zoo.rooms.furniture import bath
from ppkt_zoo.rooms.layout.planner import Planner
from ppkt_zoo.rooms.layout.singles import place_bin, place_chest, place_plant, place_stool
from ppkt_zoo.rooms.materials import Material
from ppkt_zoo.rooms.shapes import Piece, turn_z


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
    for option, chance in ((place_bin, 0.7), (place_chest, 0.35), (place_stool, 0.4), (place_plant, 0.3)):
        if rng.random() < chance:
            option(planner)


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
        back = floor.on_wall(spot.wall, 0.0)[0]
        along = spot.position.copy()
        axis = 0 if spot.wall < 2 else 1
        along[axis] = back[axis]
        glass = bath.mirror(rng, palette)
        reach = glass.footprint()[0] / 2
        limit = floor.wall_length(spot.wall) / 2 - reach
        place, middle = float(along[1 - axis]), min(planner.extent[2] - 0.6, high + 0.85)
        if abs(place) < limit and floor.wall_free(spot.wall, place, 2 * reach, middle - 0.45, middle + 0.45):
            planner.assembly.add(glass, along + np.array([0, 0, middle]), spot.heading)
            floor.take_wall(spot.wall, place, 2 * reach, middle - 0.45, middle + 0.45)


def _hang(planner: Planner, piece: Piece, high: float) -> None:
    floor = planner.floor
    width = piece.footprint()[0]
    for _ in range(12):
        wall = int(planner.rng.integers(4))
        room = floor.wall_length(wall) / 2 - width / 2 - 0.1
        along = planner.rng.uniform(-room, room)
        if floor.wall_free(wall, along, width + 0.06, high - 0.7, high + 0.1):
            position, heading = floor.on_wall(wall, along)
            planner.assembly.add(piece, position + np.array([0, 0, high]), heading)
            floor.take_wall(wall, along, width + 0.06, high - 0.7, high + 0.1)
            return
