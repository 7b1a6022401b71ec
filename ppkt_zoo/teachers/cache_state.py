"""How far a teacher's cache is filled, with a checksum of every image, of every map, and of itself."""

import math
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.checksums import sha256_of
from ppkt_zoo.files.strict_json import read_json
from ppkt_zoo.files.writing import write_json

# Since this format maps have checksums; before it nothing could be checked.
_FORMAT = 2
_BYTES_A_NUMBER = 2
# No teacher's map is larger.
_LARGEST_MAP = 2**32


@dataclass
class CacheState:
    """What stands in a cache.

    Attributes:
        done: frames that the teacher has looked at, from the first on.
        shape: of a frame's map, (C, h, w); None before the first.
        images: crc32 of every image seen; None where the frame cannot be read.
        maps: crc32 of every map; None where there is none.
    """

    done: int = 0
    shape: tuple[int, ...] | None = None
    images: list[int | None] = field(default_factory=list)
    maps: list[int | None] = field(default_factory=list)

    @property
    def map_bytes(self) -> int:
        """Of one frame."""
        return 0 if self.shape is None else _BYTES_A_NUMBER * math.prod(self.shape)

    def set(self, index: int, image: int | None, features: bytes | None) -> None:
        """Note a frame that was looked at; the next one, or one before it again."""
        check = None if features is None else zlib.crc32(features)
        if index == self.done:
            self.images.append(image)
            self.maps.append(check)
            self.done += 1
        else:
            self.images[index], self.maps[index] = image, check


def read_state(path: Path, frames: int) -> CacheState | None:
    """The state of a cache of so many frames; None where there is no file.

    Raises:
        TrainingError: it is damaged, of an earlier format, or of another number of frames.
    """
    if not path.exists():
        return None
    content = read_json(path, TrainingError, "state of a teacher's cache")
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise TrainingError(f"{path}: this state of a teacher's cache is of an earlier format, without checksums")
    facts = {name: value for name, value in content.items() if name not in ("format", "sha256")}
    if content.get("sha256") != _digest(facts):
        raise TrainingError(f"{path}: this state of a teacher's cache has changed since it was written")
    # Beyond the checksum only a stranger's hand gets to here.
    state = _checked(facts, frames)
    if state is None:
        raise TrainingError(f"{path}: this state of a teacher's cache is of another kind")
    return state


def write_state(path: Path, state: CacheState) -> None:
    """Write a state whole; raises TrainingError where it cannot be written."""
    facts = asdict(state) | {"shape": None if state.shape is None else list(state.shape)}
    write_json(path, {"format": _FORMAT, "sha256": _digest(facts), **facts}, TrainingError, indent=None, sync=False)


def _digest(facts: dict[str, Any]) -> str:
    return sha256_of(repr(sorted(facts.items())).encode("utf-8", "surrogatepass"))


def _checked(facts: dict[str, Any], frames: int) -> CacheState | None:
    if facts.keys() != {"done", "shape", "images", "maps"}:
        return None
    done, shape = facts["done"], facts["shape"]
    if not _is_count(done, frames + 1) or not all(_are_checks(facts[name], done) for name in ("images", "maps")):
        return None
    if shape is not None:
        if not isinstance(shape, list) or len(shape) != 3 or not all(_is_count(one, _LARGEST_MAP) for one in shape):
            return None
        if not 0 < math.prod(shape) < _LARGEST_MAP:
            return None
        shape = tuple(shape)
    return CacheState(done, shape, facts["images"], facts["maps"])


def _is_count(value: Any, end: int) -> bool:
    return type(value) is int and 0 <= value < end


def _are_checks(value: Any, count: int) -> bool:
    return (
        isinstance(value, list) and len(value) == count and all(one is None or _is_count(one, 2**32) for one in value)
    )
