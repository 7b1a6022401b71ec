"""The frames that the proof looks at, none of which the weight was trained on."""

from pathlib import Path

from _probes.clouds import KITCHEN, MOSD, open_kitchen, open_mosd
from setting import Setting

from ppkt_zoo.data.readers.plain import PlainFrames
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.pretraining.recipe import FramesData, RoomsData
from ppkt_zoo.rooms import RoomsFrames


def kitchen(setting: Setting) -> SevenScenes:
    """The real kitchen, 100 frames of one walk."""
    return open_kitchen(setting.shared)


def mosd(setting: Setting) -> PlainFrames:
    """The real table tops, without poses: gravity is estimated in each frame."""
    return open_mosd(setting.shared)


def rooms(setting: Setting, seed: int, count: int, frames_per_room: int) -> RoomsFrames:
    """Procedural rooms of a seed that no recipe uses."""
    return RoomsFrames(seed, count, frames_per_room, cache=setting.cache / "rooms")


def refuse_seen(setting: Setting) -> list[str]:
    """What the weight was trained on, by name.

    Raises:
        SystemExit: one of the held-out sets is among it.
    """
    names = []
    for entry in setting.recipe.data:
        names.append(entry.name)
        seen_rooms = isinstance(entry, RoomsData) and entry.seed >= 700_000
        if seen_rooms or (isinstance(entry, FramesData) and entry.name in (Path(KITCHEN).name, Path(MOSD).name)):
            raise SystemExit(f"the weight was trained on {entry.name}: it proves nothing there")
    return names
