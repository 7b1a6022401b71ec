"""What decides the frames of a source, as a few digits: a run that goes on sees whether its data is still the same."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, runtime_checkable

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.reading import is_hidden_twin, open_regular

# What readers of frames read; anything else in a folder (a note, a picture of the results) decides no frame.
_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".txt", ".json", ".yaml", ".yml", ".log", ".traj", ".pincam", ".mat", ".sens")
)
# What stands in the folder of a run, and of shards.
_RUN = (".ppkt-zoo.lock", "metrics.jsonl", "shards.json")
# A file up to this size is read whole, of a larger one as many slices as it has MiB, three at least.
_WHOLE = 65_536
_SLICE = 16_384
_MOST_SLICES = 64
_THREADS = 4
# Frames of a source without files that are looked at.
_FRAMES = 16


@runtime_checkable
class Fingerprinted(Protocol):
    """A source that knows by itself what decides its frames."""

    def fingerprint(self) -> str:
        """Digits that change when any of its frames does."""


def fingerprint_of(source: FrameSource) -> str:
    """64 hexadecimal digits that change when a frame of a source is added, removed, renamed or edited.

    Neither the folder's place nor times of change count, so a copied data set is the same. Of large files only
    slices are read (the beginning, the end, and some between): a few milliseconds for a hundred frames.

    Args:
        source: one with a method ``fingerprint`` says it by itself; of one with a ``folder`` or a ``path`` the files
            are looked at, of any other one frames that lie evenly.

    Raises:
        FrameError: a file of it cannot be read.
    """
    if isinstance(source, Fingerprinted):
        return source.fingerprint()
    root = getattr(source, "folder", None) or getattr(source, "path", None)
    if isinstance(root, Path):
        return fingerprint_of_parts(type(source).__name__, len(source), *_files(root))
    return fingerprint_of_parts(type(source).__name__, len(source), *_frames(source))


def fingerprint_of_files(root: Path, files: Iterable[Path]) -> str:
    """64 hexadecimal digits that change when one of these files below a folder is renamed or edited, see above.

    Raises:
        FrameError: a file cannot be read.
    """
    return fingerprint_of_parts(*(_line(path, path.relative_to(root).as_posix()) for path in files))


def fingerprint_of_parts(*parts: object) -> str:
    """64 hexadecimal digits over the text of each part."""
    digest = hashlib.sha256()
    for part in parts:
        text = str(part).encode("utf-8", "surrogateescape")
        digest.update(b"%d:" % len(text) + text)
    return digest.hexdigest()


def _files(root: Path) -> Iterator[str]:
    """A line for each file: its path below the root, its size, and a checksum of what was read of it."""
    if root.is_file():
        yield _line(root, root.name)
        return
    paths = sorted(_walk(root))
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(lambda path: _line(path, path.relative_to(root).as_posix()), paths)


def _walk(root: Path) -> Iterator[Path]:
    """Files that decide frames; folders that are linked to are looked into, each once."""
    seen: set[tuple[int, int]] = set()
    try:
        for place, folders, names in os.walk(root, onerror=_raise, followlinks=True):
            here = Path(place)
            state = here.stat()
            if (state.st_dev, state.st_ino) in seen:
                folders.clear()
                continue
            seen.add((state.st_dev, state.st_ino))
            # A run that writes below its own data, or shards of it, change no frame.
            folders[:] = sorted(
                name for name in folders if name[0] != "." and not any((here / name / sign).exists() for sign in _RUN)
            )
            for name in names:
                path = here / name
                # A link that leads nowhere and a pipe are no frames; readers name them where they are wanted.
                known = path.suffix.lower() in _SUFFIXES and name[0] != "." and not is_hidden_twin(path)
                if known and path.is_file():
                    yield path
    except OSError as error:
        raise FrameError(f"{error.filename or root}: this folder cannot be read ({error.strerror})") from error


def _raise(error: OSError) -> None:
    raise error


def _line(path: Path, name: str) -> str:
    with open_regular(path, FrameError) as file:
        try:
            size = os.fstat(file.fileno()).st_size
            check = 0
            for start, length in _slices(size):
                file.seek(start)
                check = zlib.crc32(file.read(length), check)
        except OSError as error:
            raise FrameError(f"{path}: this file cannot be read ({error.strerror})") from error
    return f"{name}\0{size}\0{check}"


def _slices(size: int) -> list[tuple[int, int]]:
    """Where to read in a file of this size, as (start, length)."""
    if size <= _WHOLE:
        return [(0, size)]
    count = min(_MOST_SLICES, max(3, size // 2**20))
    return [(number * (size - _SLICE) // (count - 1), _SLICE) for number in range(count)]


def _frames(source: FrameSource) -> Iterator[str]:
    """A line for each of some frames that lie evenly in the source."""
    size = len(source)
    for index in sorted({number * (size - 1) // max(1, _FRAMES - 1) for number in range(_FRAMES)} if size else ()):
        try:
            frame = source[index]
        except FrameError:
            yield f"{index}: cannot be read"
            continue
        pose = b"" if frame.pose is None else frame.pose.tobytes()
        arrays = (frame.color.tobytes(), frame.depth.tobytes(), frame.intrinsics.tobytes(), pose)
        yield f"{frame.name}: {[zlib.crc32(content) for content in arrays]}"


def data_fingerprint(sources: Sequence[FrameSource]) -> dict[str, str]:
    """What decides the frames of each source: its name → 64 hexadecimal digits.

    They change when a frame is added, removed, renamed or edited, and stay when the folder moves or is copied. The
    second source of one name is called ``NAME (2)``.

    Raises:
        FrameError: a file cannot be read.
    """
    digits: dict[str, str] = {}
    for source in sources:
        name, number = source.name, 2
        while name in digits:
            name, number = f"{source.name} ({number})", number + 1
        digits[name] = fingerprint_of(source)
    return digits
