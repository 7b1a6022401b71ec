"""RoomsFrames, an endless supply of frames by number, and the cached files of frames and scenes."""

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from ppkt_zoo.data.fingerprint import fingerprint_of_parts
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.readers.images import decode_color, decode_ids, decode_stored
from ppkt_zoo.errors import FrameError, InputError, LostFrameError, TrainingError
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.writing import npz_bytes, write_whole
from ppkt_zoo.points.files.numpy_files import named_arrays
from ppkt_zoo.rooms.camera import make_intrinsics, sample_camera, sample_close_up
from ppkt_zoo.rooms.layout.plans import make_room
from ppkt_zoo.rooms.rendering.frame import render
from ppkt_zoo.rooms.room import VERSION, Room
from ppkt_zoo.rooms.walk import sample_walk

Cached = TypeVar("Cached")
_JPEG_QUALITY = 93
_FIELDS = ("color", "depth", "label", "instance", "intrinsics", "pose")


class RoomsFrames:
    """Frames of many rooms; frame i is a pure function of (seed, i) and the size.

    Attributes:
        identity: all that decides what a frame is, version of the world included: the name of the cache's folder.

    Colour always goes through JPEG and depth through whole millimetres, as with a real camera's files, so a
    frame is the same whether it was rendered now or read from the cache.

    Args:
        seed: which world.
        rooms: how many rooms.
        frames_per_room: how many cameras in each; frame i is in room i // frames_per_room.
        height, width: size in pixels.
        sensor_noise: noise of the camera and of the depth sensor.
        cache: folder for rendered frames, or None.
        device: where frames are rendered.
        close_ups: share of the frames, 0 to 1, that look down on a table from near.
        walk: the frames of a room follow each other on a walk, each seeing part of what the last one saw, instead
            of views that have nothing to do with each other; not together with close_ups.
    """

    def __init__(
        self,
        seed: int,
        rooms: int,
        frames_per_room: int,
        height: int = 240,
        width: int = 320,
        sensor_noise: bool = True,
        cache: Path | str | None = None,
        device: str = "cpu",
        close_ups: float = 0.0,
        walk: bool = False,
    ) -> None:
        if rooms < 1 or frames_per_room < 1:
            raise InputError(f"rooms and frames_per_room must be at least 1, got {rooms} and {frames_per_room}")
        if height < 16 or width < 16:
            raise InputError(f"frames must be at least 16×16 pixels, got {width}×{height}")
        if not 0 <= close_ups <= 1:
            raise InputError(f"close_ups is a share of the frames, 0 to 1, got {close_ups:g}")
        if walk and close_ups:
            raise InputError("a walk has no close-ups: give RoomsFrames either walk or close_ups")
        self.close_ups, self.walk = close_ups, walk
        self._walk: tuple[int, float, list[np.ndarray]] | None = None
        self.seed, self.rooms, self.frames_per_room = seed, rooms, frames_per_room
        self.height, self.width, self.sensor_noise, self.device = height, width, sensor_noise, device
        self._room: tuple[int, Room] | None = None
        noisy = "noisy" if sensor_noise else "clean"
        # frames_per_room decides which room frame i is in, so it is part of the folder's name; rooms is not.
        folder = f"rooms-v{VERSION}-seed{seed}-per{frames_per_room}-{width}x{height}-{noisy}"
        if close_ups:
            folder += f"-close{close_ups:g}"
        if walk:
            folder += "-walk"
        self.name, self.identity = f"rooms-{seed}-walk" if walk else f"rooms-{seed}", folder
        self.folder = None if cache is None else Path(cache) / folder

    def __len__(self) -> int:
        return self.rooms * self.frames_per_room

    def __getitem__(self, index: int) -> RGBDFrame:
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        index %= len(self)
        path = None if self.folder is None else self._path(self.folder, index)
        return cached(path, _FIELDS, "frame", lambda: self._encoded(index), lambda parts: self._decoded(parts, index))

    def __getstate__(self) -> dict[str, object]:
        # What travels to another process holds no room.
        return {**self.__dict__, "_room": None, "_walk": None}

    def fingerprint(self) -> str:
        """Digits over all that decides the frames: the version of the world, seed, size, and how many."""
        return fingerprint_of_parts("rooms", self.identity, len(self))

    def room(self, number: int) -> Room:
        """Room ``number``; the last one is kept, so frames in order make each room once."""
        kept = self._room
        if kept is None or kept[0] != number:
            # Read once and kept in a local name: another thread may put its own room in the same place.
            kept = self._room = (number, make_room(self.room_seed(number), self.device))
        return kept[1]

    def cached_file(self, index: int) -> Path | None:
        """The file of frame ``index`` in the cache; None where it was not rendered yet, or there is no cache."""
        path = None if self.folder is None else self._path(self.folder, index)
        return path if path is not None and path.exists() else None

    def room_seed(self, number: int) -> int:
        """The seed of room ``number``, to make it again with make_room."""
        return room_seed(self.seed, number)

    def fill(self, workers: int = 2) -> None:
        """Render every frame that the cache does not hold yet, in ``workers`` processes; none is read back.

        Raises:
            InputError: there is no cache.
            TrainingError: a process was killed, or the cache cannot be written.
        """
        folder = self.folder
        if folder is None:
            raise InputError("RoomsFrames.fill renders into the cache: give RoomsFrames a cache folder")
        rooms = [
            number
            for number in range(self.rooms)
            if not all(self._path(folder, view).exists() for view in self._views(number))
        ]
        if workers < 2 or len(rooms) < 2:
            for number in rooms:
                self._fill_room(number)
            return
        # Not forked: torch's threads do not survive it.
        try:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                for _ in pool.map(self._fill_room, rooms):
                    pass
        except BrokenProcessPool as error:
            raise TrainingError(
                "a process that renders rooms was ended from outside, as when memory runs out: give fewer workers; the "
                "frames that are rendered stay"
            ) from error

    def _decoded(self, parts: dict[str, np.ndarray], index: int) -> RGBDFrame:
        frame = _decode(parts, self._frame_name(index))
        if frame.depth.shape != (self.height, self.width):
            raise FrameError(f"frame {frame.name}: its size is not {self.width}×{self.height}")
        return frame

    def _fill_room(self, number: int) -> None:
        for index in self._views(number):
            if self.folder is not None and not self._path(self.folder, index).exists():
                write_arrays(self._path(self.folder, index), self._encoded(index))

    def _views(self, number: int) -> range:
        return range(number * self.frames_per_room, (number + 1) * self.frames_per_room)

    def _path(self, folder: Path, index: int) -> Path:
        return folder / f"frame-{index:06d}.npz"

    def _frame_name(self, index: int) -> str:
        number, view = divmod(index, self.frames_per_room)
        return f"rooms-{self.room_seed(number)}-{view}"

    def _encoded(self, index: int) -> dict[str, np.ndarray]:
        number, view = divmod(index, self.frames_per_room)
        room = self.room(number)
        angle, pose = self._camera(room, number, view)
        intrinsics = make_intrinsics(self.height, self.width, angle)
        return _encode(render(room, intrinsics, pose, self.height, self.width, self.sensor_noise, view))

    def _camera(self, room: Room, number: int, view: int) -> tuple[float, np.ndarray]:
        """Field of view in degrees and pose of one frame."""
        if self.walk:
            kept = self._walk
            if kept is None or kept[0] != number:
                rng = np.random.default_rng([self.seed, number])
                angle = float(rng.uniform(50, 70))
                kept = self._walk = (number, angle, sample_walk(room, rng, self.frames_per_room, angle))
            return kept[1], kept[2][view]
        rng = np.random.default_rng([self.seed, number, view])
        angle = float(rng.uniform(50, 70))
        near = self.close_ups > 0 and rng.random() < self.close_ups
        return angle, (sample_close_up if near else sample_camera)(room, rng, angle)


def _encode(frame: RGBDFrame) -> dict[str, np.ndarray]:
    assert frame.label is not None
    assert frame.instance is not None
    assert frame.pose is not None
    millimetres = np.clip(np.round(frame.depth * 1000), 0, 65535).astype(np.uint16)
    return {
        "color": _pack(frame.color, "JPEG", quality=_JPEG_QUALITY),
        "depth": _pack(millimetres, "PNG", compress_level=3),
        "label": _pack((frame.label + 1).astype(np.uint8), "PNG", compress_level=3),
        "instance": _pack(frame.instance.astype(np.uint16), "PNG", compress_level=3),
        "intrinsics": frame.intrinsics,
        "pose": frame.pose,
    }


def _decode(parts: dict[str, np.ndarray], name: str) -> RGBDFrame:
    images = {part: parts[part].tobytes() for part in ("color", "depth", "label", "instance")}
    return RGBDFrame(
        color=decode_color(images["color"], f"{name}, colour"),
        depth=decode_stored(images["depth"], f"{name}, depth").astype(np.float32) / np.float32(1000),
        intrinsics=parts["intrinsics"],
        pose=parts["pose"],
        name=name,
        label=decode_ids(images["label"], f"{name}, label").astype(np.int16) - np.int16(1),
        instance=decode_ids(images["instance"], f"{name}, instance"),
    )


def _pack(image: np.ndarray, form: str, **options: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, form, **options)
    return np.frombuffer(stream.getvalue(), np.uint8)


def room_seed(world: int, number: int) -> int:
    """The seed of room ``number`` of a world, for make_room."""
    return int(np.random.default_rng([world, number]).integers(2**31))


def write_arrays(path: Path, arrays: dict[str, np.ndarray], compressed: bool = False) -> None:
    """Write so that a reader, in this process or another, finds the whole file or none.

    Raises:
        TrainingError: it cannot be written. No FrameError: nothing is wrong with the frame, and none may be skipped
            because a disk is full.
    """
    write_whole(path, npz_bytes(arrays, compressed), TrainingError, sync=False)


def read_arrays(path: Path, fields: Sequence[str], what: str) -> dict[str, np.ndarray]:
    """The arrays of a cached file by name; the archive keeps a checksum of each, which is compared.

    Raises:
        FrameError: the file is damaged; ``what`` names it.
    """
    where = f"cached {what} {path}"
    try:
        return named_arrays(read_file(path, FrameError, f"cached {what}"), fields, where)
    except InputError as error:
        raise FrameError(f"{where} is damaged ({error}): delete it, it will be made again") from error


def cached(
    path: Path | None,
    fields: Sequence[str],
    what: str,
    make: Callable[[], dict[str, np.ndarray]],
    decode: Callable[[dict[str, np.ndarray]], Cached],
    compressed: bool = False,
) -> Cached:
    """What a cached file holds; where there is none, or a damaged one (which is told), it is made and written."""
    if path is not None and path.exists():
        try:
            return decode(read_arrays(path, fields, what))
        except LostFrameError:
            raise  # the file is as it was rendered
        except FrameError as error:
            warnings.warn(f"{path} is damaged, it is made again ({error})", RuntimeWarning, stacklevel=3)
    arrays = make()
    if path is not None:
        write_arrays(path, arrays, compressed)
    return decode(arrays)
