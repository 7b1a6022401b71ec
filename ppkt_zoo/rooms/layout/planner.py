"""Where pieces may stand, the planner that puts them there, and what is fixed to the walls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppkt_zoo.rooms.furniture import openings, small
from ppkt_zoo.rooms.materials import Palette
from ppkt_zoo.rooms.room import Assembly
from ppkt_zoo.rooms.shapes import Piece, Vector, turn_z

Circle = tuple[float, float, float]
"""Middle (x, y) and radius of what stands on a top, metres."""


@dataclass(frozen=True)
class Spot:
    """A place for a piece.

    Attributes:
        position: (3,) of the piece's origin, metres.
        heading: radians.
        footprint: number of its footprint on the floor.
        wall: 0 to 3 where it leans on one, else −1.
    """

    position: np.ndarray
    heading: float
    footprint: int
    wall: int = -1


# Wall w: the heading that turns a piece's back (−y) to it.
_HEADINGS = (-np.pi / 2, np.pi / 2, 0.0, np.pi)


class Floor:
    """Keeps pieces from standing in each other."""

    def __init__(self, width: float, depth: float, rng: np.random.Generator) -> None:
        self.width, self.depth, self.rng = width, depth, rng
        self._taken: list[np.ndarray] = []  # corners (4, 2) of each footprint
        self._wall_taken: list[tuple[int, float, float, float, float]] = []

    def wall_length(self, wall: int) -> float:
        """Length of wall 0 (−x), 1 (+x), 2 (−y) or 3 (+y)."""
        return self.depth if wall < 2 else self.width

    def on_wall(self, wall: int, along: float, off: float = 0.0) -> tuple[np.ndarray, float]:
        """Position and heading at a place along a wall, ``off`` metres into the room."""
        x, y = self.width / 2 - off, self.depth / 2 - off
        places = ((-x, along), (x, along), (along, -y), (along, y))
        return np.array([*places[wall], 0.0]), _HEADINGS[wall]

    def against(
        self,
        piece: Piece,
        front: float = 0.5,
        gap: float = 0.02,
        walls: tuple[int, ...] = (0, 1, 2, 3),
        corner: bool = False,
    ) -> Spot | None:
        """Stand a piece with its back to a wall, ``front`` metres free before it; None where there is no room."""
        width, depth = piece.footprint()
        # A low piece may stand under a window and hide a little of it.
        tall = float(piece.bounds()[1][2])
        tall = tall - 0.25 if tall < 1.25 else tall
        for _ in range(40):
            wall = int(self.rng.choice(walls))
            room = self.wall_length(wall) / 2 - width / 2 - 0.04
            if room <= 0:
                continue
            along = self.rng.uniform(-room, room)
            if corner:
                along = room * (1 if self.rng.random() < 0.5 else -1)
            if not self.wall_free(wall, along, width, 0.0, tall):
                continue
            position, heading = self.on_wall(wall, along, depth / 2 + gap)
            if self.free(position, heading, width + 0.04, depth, front):
                footprint = self.take(position, heading, width, depth)
                self.take_wall(wall, along, width, 0.0, tall)
                return Spot(position, heading, footprint, wall)
        return None

    def near(
        self, piece: Piece, position: np.ndarray, heading: float, margin: float = 0.03, host: Spot | None = None
    ) -> Spot | None:
        """Stand a piece exactly there if that is free; it may be pushed under a host, as a chair under a table."""
        width, depth = piece.footprint()
        ignored = -1 if host is None else host.footprint
        if not self.free(position, heading, width + margin, depth + margin, ignore=ignored):
            return None
        return Spot(position, heading, self.take(position, heading, width, depth))

    def anywhere(self, piece: Piece, margin: float = 0.3) -> Spot | None:
        """Stand a piece freely in the room."""
        width, depth = piece.footprint()
        for _ in range(30):
            turn = float(self.rng.choice(_HEADINGS) + self.rng.normal(0, 0.1))
            x = self.rng.uniform(-0.5, 0.5) * max(self.width - width - 0.6, 0.1)
            y = self.rng.uniform(-0.5, 0.5) * max(self.depth - depth - 0.6, 0.1)
            position = np.array([x, y, 0.0])
            if self.free(position, turn, width + 2 * margin, depth + 2 * margin):
                return Spot(position, turn, self.take(position, turn, width, depth))
        return None

    def free(
        self, position: np.ndarray, heading: float, width: float, depth: float, front: float = 0.0, ignore: int = -1
    ) -> bool:
        """Whether a footprint (with free space before it) is inside the room and touches no other but ``ignore``."""
        corners = _corners(position, heading, width, depth, front)
        body = _corners(position, heading, width - 0.03, depth - 0.03, 0.0)
        if (np.abs(body[:, 0]) > self.width / 2).any() or (np.abs(body[:, 1]) > self.depth / 2).any():
            return False
        return not any(_overlap(corners, other) for number, other in enumerate(self._taken) if number != ignore)

    def take(self, position: np.ndarray, heading: float, width: float, depth: float) -> int:
        """Mark a footprint as taken; its number."""
        self._taken.append(_corners(position, heading, width, depth, 0.0))
        return len(self._taken) - 1

    def wall_free(self, wall: int, along: float, width: float, low: float, high: float) -> bool:
        """Whether nothing hangs or leans there yet."""
        for other, middle, wide, bottom, up in self._wall_taken:
            if other == wall and abs(middle - along) < (wide + width) / 2 and low < up and high > bottom:
                return False
        return True

    def take_wall(self, wall: int, along: float, width: float, low: float, high: float) -> None:
        """Mark a stretch of a wall, between two heights, as taken."""
        self._wall_taken.append((wall, along, width, low, high))


def _corners(position: np.ndarray, heading: float, width: float, depth: float, front: float) -> np.ndarray:
    c, s = np.cos(heading), np.sin(heading)
    x, y, ahead = width / 2, depth / 2, depth / 2 + front
    own = np.array([[-x, -y], [x, -y], [x, ahead], [-x, ahead]])
    return own @ np.array([[c, s], [-s, c]]) + position[:2]


def _overlap(first: np.ndarray, second: np.ndarray) -> bool:
    """Separating axes of two rectangles."""
    for shape in (first, second):
        for edge in (shape[1] - shape[0], shape[3] - shape[0]):
            one, two = first @ edge, second @ edge
            if one.max() <= two.min() + 1e-9 or two.max() <= one.min() + 1e-9:
                return False
    return True


class Planner:
    """Furnishes one room."""

    def __init__(self, extent: tuple[float, float, float], palette: Palette, rng: np.random.Generator) -> None:
        self.extent, self.palette, self.rng = extent, palette, rng
        self.floor = Floor(extent[0], extent[1], rng)
        self.assembly = Assembly(extent, palette)
        self.windows: list[tuple[np.ndarray, np.ndarray, float]] = []

    def put(self, piece: Piece, spot: Spot | None, things: float = 0.0) -> bool:
        """Add a piece where a spot was found; ``things`` is how many small things a square metre of it carries."""
        if spot is None:
            return False
        self.assembly.add(piece, spot.position, spot.heading)
        if things > 0:
            self.dress(piece, spot.position, spot.heading, things)
        return True

    def put_at_wall(self, piece: Piece, front: float) -> bool:
        """Put a piece against some wall with ``front`` metres free before it, if there is room."""
        return self.put(piece, self.floor.against(piece, front))

    def hang(self, piece: Piece, wall: int, along: float, high: float, width: float, low: float, up: float) -> bool:
        """Hang a piece at a height on a wall and take so wide a stretch from ``low`` to ``up``, where that is free."""
        if not self.floor.wall_free(wall, along, width, low, up):
            return False
        position, heading = self.floor.on_wall(wall, along)
        self.assembly.add(piece, position + np.array([0, 0, high]), heading)
        self.floor.take_wall(wall, along, width, low, up)
        return True

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
        planner.hang(piece, wall, rng.uniform(-room, room), z, width + 0.06, z - tall / 2, z + tall / 2)


def add_skirting(planner: Planner) -> None:
    width, depth, _ = planner.extent
    high = planner.rng.uniform(0.05, 0.1)
    for x, y, w, d in (
        (-width / 2, 0, 0.024, depth), (width / 2, 0, 0.024, depth),
        (0, -depth / 2, width, 0.024), (0, depth / 2, width, 0.024),
    ):  # fmt: skip
        planner.assembly.flat(planner.palette.trim, "wall", (x, y, high / 2), (w, d, high))
