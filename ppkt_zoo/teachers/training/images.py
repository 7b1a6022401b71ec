"""The images that a teacher learns from, and a memory of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.statistics import check_enough, tell_left_out
from ppkt_zoo.data.subset import Subset
from ppkt_zoo.errors import FrameError, RecipeError
from ppkt_zoo.rooms import RoomsFrames, rooms_bench
from ppkt_zoo.teachers.training.recipe import FramesImages, RoomsImages, TeacherRecipe

# Bytes of images and labels that are kept in memory; frames beyond are read again each time.
_MEMORY = 1_000_000_000


class ImageStore:
    """Colour images and labels of some frames by number; read once, as long as memory is meant to last.

    Args:
        sources: where the frames come from; they are counted through.
    """

    def __init__(self, sources: Sequence[FrameSource]) -> None:
        self._places = [(source, index) for source in sources for index in range(len(source))]
        self._kept: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._room = _MEMORY

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Colour uint8 (H, W, 3), and labels int8 (H, W) with −1 for unknown, or None where the frame has none."""
        if number in self._kept:
            return self._kept[number]
        source, index = self._places[number]
        frame = source[index]
        label = None if frame.label is None else frame.label.astype(np.int8)
        size = frame.color.nbytes + (0 if label is None else label.nbytes)
        if size <= self._room:
            self._room -= size
            self._kept[number] = frame.color, label
        return frame.color, label

    def read(self, report: Callable[[int, int], None], stop: Callable[[], bool]) -> str:
        """Go through all frames in order, until ``stop()``: rooms are rendered, damage shows before training.

        In order, since in any other a room would be made anew for each of its frames. Frames that cannot be read are
        left out and counted from then on; what is given says how many, or nothing.

        Raises:
            FrameError: more than half of a source cannot be read.
        """
        places, count = self._places, len(self)
        wrong: dict[int, list[str]] = {}
        self._places = []
        for number, (source, index) in enumerate(places):
            if stop():
                break
            self._places.append((source, index))
            try:
                self[len(self) - 1]
            except FrameError as error:
                self._places.pop()
                wrong.setdefault(id(source), []).append(str(error))
            report(number + 1, count)
        for source in {id(source): source for source, _ in places}.values():
            check_enough(wrong.get(id(source), []), len(source), source.name)
        return tell_left_out([reason for reasons in wrong.values() for reason in reasons], count)


def training_sources(recipe: TeacherRecipe, data: Mapping[str, Path], cache: Path) -> list[FrameSource]:
    """Open every entry of a recipe's images, in its order.

    Args:
        data: folder of each ``kind: frames`` entry, by the entry's name.
        cache: folder for rendered rooms.

    Raises:
        RecipeError: a folder is not given, one is given that the recipe does not name, or the bench has fewer rooms.
        FrameError: a folder holds no frames of a known format.
    """
    wanted = {entry.name for entry in recipe.images if isinstance(entry, FramesImages)}
    if wanted != set(data):
        missing, unknown = sorted(wanted - set(data)), sorted(set(data) - wanted)
        problems = [f"--data {name}=PATH is missing" for name in missing]
        problems += [f"--data {name} is not among the recipe's images" for name in unknown]
        raise RecipeError("; ".join(problems))
    return [
        Subset(open_frames(data[entry.name]), slice(0, None, entry.every))
        if isinstance(entry, FramesImages)
        else _rooms(entry, cache, 0, entry.rooms)
        for entry in recipe.images
    ]


def held_out_sources(recipe: TeacherRecipe, cache: Path) -> list[FrameSource]:
    """The rooms that training never sees, of every entry that sets some aside; may be empty."""
    return [
        _rooms(entry, cache, entry.rooms, entry.rooms + entry.held_out)
        for entry in recipe.images
        if isinstance(entry, RoomsImages) and entry.held_out
    ]


def _rooms(entry: RoomsImages, cache: Path, first: int, last: int) -> FrameSource:
    """The frames of some rooms, rendered into the cache."""
    frames = rooms_bench(entry.bench).teacher_images(cache / "rooms")
    if entry.rooms + entry.held_out > frames.rooms:
        raise RecipeError(
            f"images: rooms-bench {entry.bench} sets {frames.rooms} rooms aside for teachers, "
            f"{entry.rooms} and {entry.held_out} held out are asked for"
        )
    per_room = frames.frames_per_room
    rooms = RoomsFrames(frames.seed, last, per_room, cache=cache / "rooms")
    return Subset(rooms, slice(first * per_room, last * per_room))
