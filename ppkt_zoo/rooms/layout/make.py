"""make_room: a seed becomes a furnished room."""

import numpy as np
import torch

from ppkt_zoo.rooms.layout.planner import Planner
from ppkt_zoo.rooms.layout.plans import KINDS, furnish
from ppkt_zoo.rooms.materials import Palette
from ppkt_zoo.rooms.room import Light, Room

_SIZES = {"living": (4.2, 6.5), "kitchen": (3.4, 5.2), "office": (3.4, 5.8), "bedroom": (3.4, 4.8), "bath": (2.3, 3.6)}


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
    place = planner.lamp_place + np.array([0, 0, planner.extent[2] - 0.12])
    lights = [Light(place, warm * lamp * 2.6, np.array([0.0, 0.0, -1.0]), False)]
    strongest = max(planner.windows, key=lambda item: item[2], default=None)
    if strongest is not None and strongest[2] > 0.3:
        middle, inward, _ = strongest
        power = min(daylight, 4.0)
        lights.append(Light(middle - inward * 0.1, cool * power * 1.5, inward, True))
    ambient = warm * lamp * 0.22 + cool * min(daylight, 4.0) * 0.07 + 0.05
    return lights, ambient
