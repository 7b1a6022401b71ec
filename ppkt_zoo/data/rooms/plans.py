"""What stands in a living room, a bedroom, an office and a kitchen, and where."""

from collections.abc import Callable

import numpy as np

from ppkt_zoo.data.rooms.furniture import openings, seating, small, storage, tables
from ppkt_zoo.data.rooms.layout import Floor, Spot
from ppkt_zoo.data.rooms.materials import Material, Palette, Texture
from ppkt_zoo.data.rooms.room import Assembly
from ppkt_zoo.data.rooms.shapes import Piece, turn_z

KINDS: tuple[str, ...] = ("living", "kitchen", "office", "bedroom")


class Planner:
    """Furnishes one room."""

    def __init__(self, extent: tuple[float, float, float], palette: Palette, rng: np.random.Generator) -> None:
        self.extent, self.palette, self.rng = extent, palette, rng
        self.floor = Floor(extent[0], extent[1], rng)
        self.assembly = Assembly(extent, palette)
        self.windows: list[tuple[np.ndarray, np.ndarray, float]] = []

    def furnish(self, kind: str) -> None:
        """Put in everything: first what is fixed to walls, then large pieces, then small things."""
        self._door()
        self._windows()
        plan: dict[str, Callable[[], None]] = {
            "living": self._living, "kitchen": self._kitchen, "office": self._office, "bedroom": self._bedroom,
        }  # fmt: skip
        plan[kind]()
        self._pictures()
        self._skirting()
        lamp = small.ceiling_lamp(self.rng, self.palette, self.extent[2])
        self.assembly.add(lamp, self.lamp_place, 0.0)

    @property
    def lamp_place(self) -> np.ndarray:
        """Where the ceiling lamp hangs, on the floor."""
        return np.zeros(3)

    # Pieces and what they carry.

    def put(self, piece: Piece, spot: Spot | None, things: float = 0.0, lift: float = 0.0) -> bool:
        """Add a piece where a spot was found; ``things`` is how many small things a square metre of it carries."""
        if spot is None:
            return False
        position = spot.position + np.array([0.0, 0.0, lift])
        self.assembly.add(piece, position, spot.heading)
        if things > 0:
            self.dress(piece, position, spot.heading, things)
        return True

    def dress(self, piece: Piece, position: np.ndarray, heading: float, density: float, taken=()) -> None:
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

    def on_top(self, thing: Piece, position: np.ndarray, heading: float, local, turn: float = 0.0) -> None:
        """Add a thing at a place in another piece's frame."""
        self.assembly.add(thing, position + turn_z(heading) @ np.asarray(local, float), heading + turn)

    # Room types.

    def _living(self) -> None:
        rng, palette, floor = self.rng, self.palette, self.floor
        group = self._television()
        if group is None:
            self._couch()
        if rng.random() < 0.8:
            self.put(*self._wall_piece(storage.bookshelf(rng, palette), 0.5))
        if rng.random() < 0.75:
            self._dining()
        for _ in range(int(rng.integers(0, 3))):
            chair = seating.armchair(rng, palette)
            if not self.put(chair, floor.against(chair, 0.4, 0.1, corner=True)):
                self.put(chair, floor.anywhere(chair, 0.2))
        self._fill((self._sideboard, self._plant, self._floor_lamp, self._plant, self._stool, self._bookshelf))

    def _kitchen(self) -> None:
        rng, palette, floor = self.rng, self.palette, self.floor
        wall = int(rng.integers(4))
        length = floor.wall_length(wall)
        row = storage.counter(rng, palette, float(np.clip(length * rng.uniform(0.45, 0.7), 1.2, 3.6)))
        spot = floor.against(row, 0.8, walls=(wall,), corner=True) or floor.against(row, 0.8)
        self.put(row, spot, 5.0)
        if spot is not None and row.tops and rng.random() < 0.5:
            top = row.tops[-1]
            self.on_top(storage.microwave(rng, palette), spot.position, spot.heading, (top.x, -0.05, top.z))
        self.put(*self._wall_piece(storage.fridge(rng, palette), 0.6))
        self._dining()
        if rng.random() < 0.4:
            self._dining()
        self._fill((self._sideboard, self._stool, self._plant, self._stool, self._bookshelf, self._loose_chair))

    def _office(self) -> None:
        rng = self.rng
        for _ in range(int(rng.integers(1, 4))):
            self._workplace()
        if rng.random() < 0.4:
            self._dining()
        if rng.random() < 0.35:
            self._couch()
        self._fill((self._bookshelf, self._sideboard, self._plant, self._bookshelf, self._loose_chair, self._plant, self._boxes))

    def _bedroom(self) -> None:
        rng, palette, floor = self.rng, self.palette, self.floor
        bed = storage.bed(rng, palette)
        spot = floor.against(bed, 0.5, 0.06)
        if self.put(bed, spot) and spot is not None:
            for side in (-1, 1):
                stand = storage.cabinet(rng, palette, "stand")
                width, depth = bed.footprint()
                away = turn_z(spot.heading) @ np.array([side * (width / 2 + 0.32), -depth / 2 + 0.24, 0.0])
                near = floor.near(stand, spot.position + away, spot.heading)
                if near is not None and self.put(stand, near):
                    lamp = small.lamp(rng, palette, floor=False)
                    self.on_top(lamp, near.position, near.heading, (0, 0, stand.tops[0].z))
        wardrobe = storage.cabinet(rng, palette, "wardrobe")
        self.put(wardrobe, floor.against(wardrobe, 0.6))
        if rng.random() < 0.7:
            self._workplace()
        if rng.random() < 0.4:
            self._television(sofa=False)
        self._fill((self._chest, self._armchair, self._bookshelf, self._plant, self._loose_chair, self._stool))

    # Groups.

    def _wall_piece(self, piece: Piece, front: float) -> tuple[Piece, Spot | None]:
        return piece, self.floor.against(piece, front)

    def _television(self, sofa: bool = True) -> Spot | None:
        rng, palette, floor = self.rng, self.palette, self.floor
        bench = storage.cabinet(rng, palette, "bench")
        spot = floor.against(bench, 0.6)
        if spot is None or not self.put(bench, spot):
            return None
        television = small.screen(rng, palette, large=True)
        self.on_top(television, spot.position, spot.heading, (rng.uniform(-0.15, 0.15), 0, bench.tops[0].z))
        if not sofa:
            return spot
        forward = turn_z(spot.heading) @ np.array([0.0, 1.0, 0.0])
        couch = seating.sofa(rng, palette)
        room = self.extent[0] if spot.wall < 2 else self.extent[1]
        depth = couch.footprint()[1]
        for distance in (room - bench.footprint()[1] / 2 - depth / 2 - 0.08, rng.uniform(2.5, 3.2), 2.3, 2.05):
            if distance < 1.9:
                continue
            for shift in (0.0, 0.4, -0.4, 0.8, -0.8):
                aside = turn_z(spot.heading) @ np.array([shift, 0.0, 0.0])
                seat = floor.near(couch, spot.position + forward * distance + aside, spot.heading + np.pi)
                if seat is None:
                    continue
                self.put(couch, seat)
                table = tables.coffee_table(rng, palette)
                front = seat.position - forward * (depth / 2 + table.footprint()[1] / 2 + rng.uniform(0.32, 0.5))
                self.put(table, floor.near(table, front, seat.heading), 7.0)
                if rng.random() < 0.6:
                    self._carpet(front, seat.heading, rng.uniform(1.8, 2.6), rng.uniform(1.3, 1.8))
                return spot
        self._couch()
        return spot

    def _couch(self) -> None:
        """A sofa wherever one fits; a narrow room gets a short one."""
        for front in (0.7, 0.5, 0.4, 0.3):
            couch = seating.sofa(self.rng, self.palette)
            if self.put(couch, self.floor.against(couch, front)):
                return

    def _carpet(self, position: np.ndarray, heading: float, width: float, depth: float) -> None:
        rug = self.palette.any_fabric()
        texture = (Texture.CARPET, Texture.STRIPES, Texture.CHECKS)[int(self.rng.integers(3))]
        rug = Material(texture, rug.color, rug.second, 0.25, 0.0)
        limit = np.array([self.extent[0] / 2, self.extent[1] / 2])
        # A box turned by a multiple of 90°: cut it so that it does not reach through a wall.
        turned = abs(np.sin(heading)) > 0.7
        half = np.array([depth, width] if turned else [width, depth]) / 2
        half = np.minimum(half, limit - np.abs(position[:2]) - 0.02)
        if half.min() > 0.3:
            self.assembly.flat(rug, "floor", (position[0], position[1], 0.004), (half[0] * 2, half[1] * 2, 0.012))

    def _dining(self) -> None:
        rng, palette, floor = self.rng, self.palette, self.floor
        table = tables.dining_table(rng, palette)
        spot = floor.anywhere(table, 0.45) or floor.anywhere(table, 0.15)
        if not self.put(table, spot) or spot is None:
            return
        if rng.random() < 0.3:
            self._carpet(spot.position, spot.heading, rng.uniform(2.0, 2.8), rng.uniform(1.6, 2.2))
        width, depth = table.footprint()
        kind = rng.random()
        build = seating.shell_chair if kind < 0.3 else seating.chair
        state = int(rng.integers(2**31))
        seats = [(x, side) for side in (-1, 1) for x in ((-0.25, 0.25) if width > 1.2 else (0.0,))]
        places = [(x * width, side * (depth / 2 + rng.uniform(-0.04, 0.28)), 0.0 if side < 0 else np.pi) for x, side in seats]
        places += [(side * (width / 2 + rng.uniform(0.0, 0.28)), 0.0, side * np.pi / 2) for side in (-1, 1)]
        self._set_table(table, spot, [] if rng.random() < 0.4 else places)
        for x, y, turn in places:
            if rng.random() < 0.2:
                continue
            seat = build(np.random.default_rng(state), palette)  # one set: all chairs alike
            own = rng.normal(0, 0.15)
            position = spot.position + turn_z(spot.heading) @ np.array([x, y, 0.0])
            heading = spot.heading + turn + own
            self.put(seat, self.floor.beside(seat, position, heading, spot))

    def _set_table(self, table: Piece, spot: Spot, places: list[tuple[float, float, float]]) -> None:
        """Plates and glasses before the given seats, things in the middle."""
        rng, palette, top = self.rng, self.palette, table.tops[0]
        china = palette.paint((0.92, 0.91, 0.88), 0.3) if rng.random() < 0.75 else palette.accent(0.3)
        taken: list[tuple[float, float, float]] = []
        for x, y, turn in places:
            # From the seat's place to 22 cm inside the edge before it.
            px = float(np.clip(x, -top.width / 2 + 0.22, top.width / 2 - 0.22))
            py = float(np.clip(y, -top.depth / 2 + 0.19, top.depth / 2 - 0.19))
            if rng.random() < 0.25 or any(np.hypot(px - a, py - b) < 0.3 for a, b, _ in taken):
                continue
            self.on_top(small.plate(rng, palette, china), spot.position, spot.heading, (px, py, top.z), turn)
            taken.append((px, py, 0.17))
            ahead = turn_z(turn) @ np.array([0.1, 0.2, 0.0])
            gx, gy = px + ahead[0], py + ahead[1]
            if abs(gx) < top.width / 2 - 0.05 and abs(gy) < top.depth / 2 - 0.05 and all(np.hypot(gx - a, gy - b) > c for a, b, c in taken):
                self.on_top(small.glass(rng, palette), spot.position, spot.heading, (gx, gy, top.z))
                taken.append((gx, gy, 0.05))
        self.dress(table, spot.position, spot.heading, 4.0, taken)

    def _workplace(self) -> None:
        rng, palette, floor = self.rng, self.palette, self.floor
        desk = tables.desk(rng, palette)
        spot = floor.against(desk, 0.75)
        if spot is None and rng.random() < 0.5:
            spot = floor.anywhere(desk, 0.4)
        if not self.put(desk, spot) or spot is None:
            return
        top = desk.tops[0]
        taken = []

        def lay(thing: Piece, x: float, y: float, turn: float) -> None:
            self.on_top(thing, spot.position, spot.heading, (x, y, top.z), turn)
            taken.append((x, y, max(thing.footprint()) / 2 + 0.02))

        if rng.random() < 0.75:
            count = 2 if top.width > 1.45 and rng.random() < 0.5 else 1
            for index in range(count):
                x = (index - (count - 1) / 2) * 0.66 + (rng.uniform(-0.2, 0.2) if count == 1 else 0.0)
                lay(small.screen(rng, palette, large=False), x, -top.depth / 2 + 0.17, rng.normal(0, 0.1) - (index - (count - 1) / 2) * 0.3)
            lay(small.keyboard(rng, palette), 0.0, top.depth / 2 - 0.17, rng.normal(0, 0.06))
        else:
            lay(small.laptop(rng, palette), rng.uniform(-0.15, 0.15), top.depth / 2 - 0.3, rng.normal(0, 0.15))
        if rng.random() < 0.45:
            lay(small.desk_lamp(rng, palette), (top.width / 2 - 0.14) * (1 if rng.random() < 0.5 else -1), -top.depth / 2 + 0.22, rng.normal(0, 0.5))
        self.dress(desk, spot.position, spot.heading, 6.0, taken)
        chair = seating.office_chair(rng, palette) if rng.random() < 0.75 else seating.chair(rng, palette)
        ahead = turn_z(spot.heading) @ np.array([rng.uniform(-0.15, 0.15), desk.footprint()[1] / 2 + rng.uniform(0.1, 0.45), 0.0])
        position, heading = spot.position + ahead, spot.heading + np.pi + rng.normal(0, 0.45)
        self.put(chair, floor.beside(chair, position, heading, spot))

    # Single pieces.

    def _fill(self, options) -> None:
        for option in options:
            if self.rng.random() < 0.65:
                option()

    def _sideboard(self) -> None:
        piece = storage.cabinet(self.rng, self.palette, "sideboard" if self.rng.random() < 0.6 else None)
        self.put(piece, self.floor.against(piece, 0.5), 8.0)

    def _chest(self) -> None:
        piece = storage.cabinet(self.rng, self.palette, "chest")
        self.put(piece, self.floor.against(piece, 0.5), 9.0)

    def _bookshelf(self) -> None:
        self.put(*self._wall_piece(storage.bookshelf(self.rng, self.palette), 0.5))

    def _plant(self) -> None:
        piece = small.plant(self.rng, self.palette, self.rng.uniform(0.6, 1.5))
        self.put(piece, self.floor.against(piece, 0.0, 0.05, corner=self.rng.random() < 0.6))

    def _floor_lamp(self) -> None:
        piece = small.lamp(self.rng, self.palette, floor=True)
        self.put(piece, self.floor.against(piece, 0.0, 0.05, corner=True))

    def _stool(self) -> None:
        piece = seating.stool(self.rng, self.palette)
        self.put(piece, self.floor.anywhere(piece, 0.1))

    def _armchair(self) -> None:
        piece = seating.armchair(self.rng, self.palette)
        self.put(piece, self.floor.against(piece, 0.3, 0.1))

    def _loose_chair(self) -> None:
        rng = self.rng
        piece = seating.chair(rng, self.palette) if rng.random() < 0.6 else seating.shell_chair(rng, self.palette)
        self.put(piece, self.floor.anywhere(piece, 0.15) if rng.random() < 0.6 else self.floor.against(piece, 0.2, 0.05))

    def _boxes(self) -> None:
        rng = self.rng
        piece = Piece("clutter")
        size = rng.uniform(0.3, 0.5, 3)
        brown = Material(Texture.LABEL, (0.62, 0.47, 0.31), (0.48, 0.36, 0.24), 0.2, 0.02)
        piece.box(brown, (0, 0, size[2] / 2), size)
        if rng.random() < 0.5:
            piece.box(brown, (0.02, 0, size[2] + 0.14), size * np.array([0.8, 0.8, 0]) + np.array([0, 0, 0.28]), turn_z(0.2))
        self.put(piece, self.floor.against(piece, 0.0))

    # Walls.

    def _door(self) -> None:
        rng = self.rng
        piece = openings.door(rng, self.palette)
        wall = int(rng.integers(4))
        room = self.floor.wall_length(wall) / 2 - 0.65
        along = rng.uniform(-room, room)
        position, heading = self.floor.on_wall(wall, along)
        self.assembly.add(piece, position, heading)
        self.floor.take_wall(wall, along, piece.footprint()[0], 0.0, 2.2)
        # Room to open it.
        self.floor.take(position, heading, 0.95, 1.5)

    def _windows(self) -> None:
        rng, floor, palette = self.rng, self.floor, self.palette
        day = float(rng.choice([0.03, 0.9, 1.3, 1.7], p=[0.15, 0.3, 0.35, 0.2]))
        main = int(rng.integers(4))
        for wall in (main, main, (main + int(rng.integers(1, 4))) % 4)[: int(rng.integers(1, 4))]:
            width, sill = rng.uniform(0.8, 1.9), rng.uniform(0.7, 1.0)
            high = min(self.extent[2] - sill - 0.25, rng.uniform(1.0, 1.5))
            room = floor.wall_length(wall) / 2 - width / 2 - 0.35
            if room <= 0:
                continue
            along = rng.uniform(-room, room)
            if not floor.wall_free(wall, along, width + 0.8, sill, sill + high):
                continue
            position, heading = floor.on_wall(wall, along)
            self.assembly.add(openings.window(rng, palette, width, sill, high, day), position, heading)
            floor.take_wall(wall, along, width + 0.15, sill - 0.05, sill + high)
            inward = turn_z(heading) @ np.array([0.0, 1.0, 0.0])
            self.windows.append((position + np.array([0, 0, sill + high / 2]), inward, day * width * high))
            if rng.random() < 0.5:
                low = 0.06 if rng.random() < 0.6 else sill - 0.15
                state = int(rng.integers(2**31))
                for side in (-1, 1):
                    wide = 0.3
                    cloth = openings.curtain(np.random.default_rng(state), palette, wide, low, min(sill + high + 0.15, self.extent[2] - 0.05))
                    place, _ = floor.on_wall(wall, along)
                    place = place + turn_z(heading) @ np.array([side * (width / 2 + 0.1), 0.0, 0.0])
                    if abs(place @ (turn_z(heading) @ np.array([1.0, 0, 0]))) + wide / 2 < floor.wall_length(wall) / 2:
                        self.assembly.add(cloth, place, heading)
                        middle = along + side * (width / 2 + 0.1) * (1 if wall in (1, 2) else -1)
                        floor.take_wall(wall, middle, wide, low, sill + high)
                        if low < 0.1:
                            floor.take(place, heading, wide, 0.4)

    def _pictures(self) -> None:
        rng, floor = self.rng, self.floor
        for _ in range(int(rng.integers(2, 8))):
            piece = openings.picture(rng, self.palette)
            width, tall = piece.footprint()[0], float(piece.bounds()[1][2]) * 2
            wall, z = int(rng.integers(4)), rng.uniform(1.45, 1.75)
            room = floor.wall_length(wall) / 2 - width / 2 - 0.1
            if room <= 0:
                continue
            along = rng.uniform(-room, room)
            if floor.wall_free(wall, along, width + 0.06, z - tall / 2, z + tall / 2):
                position, heading = floor.on_wall(wall, along)
                self.assembly.add(piece, position + np.array([0, 0, z]), heading)
                floor.take_wall(wall, along, width + 0.06, z - tall / 2, z + tall / 2)

    def _skirting(self) -> None:
        width, depth, _ = self.extent
        high = self.rng.uniform(0.05, 0.1)
        for x, y, w, d in (
            (-width / 2, 0, 0.024, depth), (width / 2, 0, 0.024, depth), (0, -depth / 2, width, 0.024), (0, depth / 2, width, 0.024),
        ):  # fmt: skip
            self.assembly.flat(self.palette.trim, "wall", (x, y, high / 2), (w, d, high))
