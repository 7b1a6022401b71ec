"""The planner: puts pieces where they fit and small things on top of them."""

from collections.abc import Sequence

import numpy as np

from ppkt_zoo.rooms.furniture import small
from ppkt_zoo.rooms.layout.floor import Floor, Spot
from ppkt_zoo.rooms.materials import Palette
from ppkt_zoo.rooms.room import Assembly
from ppkt_zoo.rooms.shapes import Piece, Vector, turn_z

Circle = tuple[float, float, float]
"""Middle (x, y) and radius of what stands on a top, metres."""


class Planner:
    """Furnishes one room."""

    def __init__(self, extent: tuple[float, float, float], palette: Palette, rng: np.random.Generator) -> None:
        self.extent, self.palette, self.rng = extent, palette, rng
        self.floor = Floor(extent[0], extent[1], rng)
        self.assembly = Assembly(extent, palette)
        self.windows: list[tuple[np.ndarray, np.ndarray, float]] = []

    @property
    def lamp_place(self) -> np.ndarray:
        """Where the ceiling lamp hangs, on the floor."""
        return np.zeros(3)

    def put(self, piece: Piece, spot: Spot | None, things: float = 0.0, lift: float = 0.0) -> bool:
        """Add a piece where a spot was found; ``things`` is how many small things a square metre of it carries."""
        if spot is None:
            return False
        position = spot.position + np.array([0.0, 0.0, lift])
        self.assembly.add(piece, position, spot.heading)
        if things > 0:
            self.dress(piece, position, spot.heading, things)
        return True

    def put_at_wall(self, piece: Piece, front: float) -> bool:
        """Put a piece against some wall with ``front`` metres free before it, if there is room."""
        return self.put(piece, self.floor.against(piece, front))

    def dress(
        self, piece: Piece, position: np.ndarray, heading: float, density: float, taken: Sequence[Circle] = ()
    ) -> None:
        """Put small things on a piece's tops; ``taken`` lists circles (x, y, radius) that are not free."""
        rng = self.rng
        for top in piece.tops:
            circles = list(taken)
            count = rng.poisson(density * top.width * top.depth)
            for _ in range(min(int(count), 9)):
                kind = rng.random()
                if kind < 0.25:
                    thing = small.bottle(rng, self.palette)
                elif kind < 0.32:
                    thing = small.plant(rng, self.palette, rng.uniform(0.18, 0.4))
                else:
                    thing = small.clutter(rng, self.palette)
                width, depth = thing.footprint()
                radius = float(np.hypot(width, depth)) / 2
                if thing.bounds()[1][2] > top.headroom or radius > min(top.width, top.depth) / 2:
                    continue
                for _ in range(6):
                    x = rng.uniform(-0.5, 0.5) * (top.width - 2 * radius)
                    y = rng.uniform(-0.5, 0.5) * (top.depth - 2 * radius)
                    if all(np.hypot(x - a, y - b) > radius + c for a, b, c in circles):
                        circles.append((x, y, radius))
                        self.on_top(thing, position, heading, (top.x + x, top.y + y, top.z), rng.uniform(0, 2 * np.pi))
                        break

    def on_top(self, thing: Piece, position: np.ndarray, heading: float, local: Vector, turn: float = 0.0) -> None:
        """Add a thing at a place in another piece's frame."""
        self.assembly.add(thing, position + turn_z(heading) @ np.asarray(local, float), heading + turn)
