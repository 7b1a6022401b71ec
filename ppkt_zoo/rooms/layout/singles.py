"""Pieces that stand by themselves, each put where one fits, or left out."""

import numpy as np

from ppkt_zoo.rooms.furniture import bath, seating, small, storage
from ppkt_zoo.rooms.layout.planner import Planner
from ppkt_zoo.rooms.materials import Material, Texture
from ppkt_zoo.rooms.shapes import Piece, turn_z


def place_sideboard(planner: Planner) -> None:
    piece = storage.cabinet(planner.rng, planner.palette, "sideboard" if planner.rng.random() < 0.6 else None)
    planner.put(piece, planner.floor.against(piece, 0.5), 8.0)


def place_chest(planner: Planner) -> None:
    piece = storage.cabinet(planner.rng, planner.palette, "chest")
    planner.put(piece, planner.floor.against(piece, 0.5), 9.0)


def place_bookshelf(planner: Planner) -> None:
    planner.put_at_wall(storage.bookshelf(planner.rng, planner.palette), 0.5)


def place_plant(planner: Planner) -> None:
    piece = small.plant(planner.rng, planner.palette, planner.rng.uniform(0.6, 1.5))
    planner.put(piece, planner.floor.against(piece, 0.0, 0.05, corner=planner.rng.random() < 0.6))


def place_floor_lamp(planner: Planner) -> None:
    piece = small.lamp(planner.rng, planner.palette, floor=True)
    planner.put(piece, planner.floor.against(piece, 0.0, 0.05, corner=True))


def place_stool(planner: Planner) -> None:
    piece = seating.stool(planner.rng, planner.palette)
    planner.put(piece, planner.floor.anywhere(piece, 0.1))


def place_armchair(planner: Planner) -> None:
    piece = seating.armchair(planner.rng, planner.palette)
    planner.put(piece, planner.floor.against(piece, 0.3, 0.1))


def place_loose_chair(planner: Planner) -> None:
    rng = planner.rng
    piece = seating.chair(rng, planner.palette) if rng.random() < 0.6 else seating.shell_chair(rng, planner.palette)
    planner.put(
        piece, planner.floor.anywhere(piece, 0.15) if rng.random() < 0.6 else planner.floor.against(piece, 0.2, 0.05)
    )


def place_boxes(planner: Planner) -> None:
    rng = planner.rng
    piece = Piece("clutter")
    size = rng.uniform(0.3, 0.5, 3)
    brown = Material(Texture.LABEL, (0.62, 0.47, 0.31), (0.48, 0.36, 0.24), 0.2, 0.02)
    piece.box(brown, (0, 0, size[2] / 2), size)
    if rng.random() < 0.5:
        piece.box(
            brown, (0.02, 0, size[2] + 0.14), size * np.array([0.8, 0.8, 0]) + np.array([0, 0, 0.28]), turn_z(0.2)
        )
    planner.put(piece, planner.floor.against(piece, 0.0))


def place_bin(planner: Planner) -> None:
    piece = bath.waste_bin(planner.rng, planner.palette)
    planner.put(piece, planner.floor.against(piece, 0.0, 0.04, corner=planner.rng.random() < 0.3))
