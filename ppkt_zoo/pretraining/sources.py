"""From a recipe's data entries to frame sources, and to the data part of a weight's record."""

from collections.abc import Mapping
from pathlib import Path

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.subset import EveryNth
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.pretraining.recipe import DataEntry, FramesData, Recipe, RoomsData
from ppkt_zoo.rooms import RoomsFrames
from ppkt_zoo.zoo.names import did_you_mean


def open_sources(recipe: Recipe, data: Mapping[str, Path], cache: Path) -> list[FrameSource]:
    """Open every data entry of a recipe, in its order.

    Args:
        recipe: the recipe.
        data: folder of each ``kind: frames`` entry, by the entry's name.
        cache: folder for rendered rooms.

    Raises:
        RecipeError: a folder is not given, or one is given that the recipe does not name.
        FrameError: a folder holds no frames of a known format.
    """
    wanted = {entry.name for entry in recipe.data if isinstance(entry, FramesData)}
    missing, unknown = sorted(wanted - set(data)), sorted(set(data) - wanted)
    if unknown:
        meant = f"{did_you_mean(unknown[0], wanted)} " if wanted else ""
        raise RecipeError(
            f"the recipe names no data {', '.join(unknown)}: {meant}it names: {', '.join(sorted(wanted)) or 'none'}"
        )
    if missing:
        options = " ".join(f"--data {name}=PATH" for name in missing)
        raise RecipeError(f"the recipe needs folders that were not given: {options}")
    return [open_entry(entry, data, cache) for entry in recipe.data]


def open_entry(entry: DataEntry, data: Mapping[str, Path], cache: Path) -> FrameSource:
    """Open one data entry of a recipe."""
    if isinstance(entry, RoomsData):
        return RoomsFrames(
            entry.seed,
            entry.rooms,
            entry.frames_per_room,
            height=entry.height,
            width=entry.width,
            sensor_noise=entry.sensor_noise,
            cache=cache / "rooms",
            close_ups=entry.close_ups,
            walk=entry.walk,
        )
    source = open_frames(data[entry.name])
    return EveryNth(source, entry.every) if entry.every > 1 else source


def scene_length(entry: DataEntry, source: FrameSource) -> int:
    """How many frames in a row of a source show one scene."""
    return entry.frames_per_room if isinstance(entry, RoomsData) else len(source)
