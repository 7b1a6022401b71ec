"""Whether a source is still the one that an output was made of: its size and time of change, else its content."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ppkt_zoo.data.fingerprint import fingerprint_of_files
from ppkt_zoo.encoding.sources import Source
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.checksums import sha256_of_file


@dataclass(frozen=True)
class Identity:
    """One source at one time.

    Attributes:
        name: see :class:`~ppkt_zoo.encoding.sources.Source`.
        bytes: its size, of a folder that of all its files.
        mtime_ns: when it changed last, nanoseconds; 0 for a folder.
        sha256: of its content, 64 hexadecimal digits; of a folder of names and content of its files.
    """

    name: str
    bytes: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of_note(cls, note: Any) -> "Identity":
        """From what an output notes; what is missing in it fits no source."""
        known = note if isinstance(note, dict) else {}
        return cls(
            str(known.get("name", "")),
            _whole(known.get("bytes")),
            _whole(known.get("mtime_ns")),
            str(known.get("sha256", "")),
        )

    def note(self) -> dict[str, Any]:
        """What an output notes."""
        return asdict(self)

    def is_of(self, source: Source) -> bool:
        """Whether a source has this content; one that was copied or touched is compared by its content.

        Raises:
            InputError: it cannot be read.
        """
        if source.frames:
            return identity_of(source).sha256 == self.sha256
        size, changed = _status(source.path)
        if size != self.bytes:
            return False
        return changed == self.mtime_ns or _sha256(source.path) == self.sha256

    def still_is(self, source: Source) -> bool:
        """Whether a source has not changed since; quick."""
        if source.frames:
            return identity_of(source).sha256 == self.sha256
        return _status(source.path) == (self.bytes, self.mtime_ns)


def identity_of(source: Source) -> Identity:
    """What a source is now.

    Raises:
        InputError: it is missing or cannot be read.
    """
    if source.frames and source.path.is_dir():
        files = [one for one in _files(source.path) if one.is_file()]
        digits = fingerprint_of_files(source.path, files)
        return Identity(source.name, sum(one.stat().st_size for one in files), 0, digits)
    size, changed = _status(source.path)
    return Identity(source.name, size, changed, _sha256(source.path))


def _files(folder: Path) -> list[Path]:
    return sorted(Path(place) / name for place, _, names in os.walk(folder) for name in names)


def _status(path: Path) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise InputError(f"{path}: this file is missing") from None
    except OSError as failure:
        raise InputError(f"{path}: this file cannot be read ({failure.strerror})") from failure
    return found.st_size, found.st_mtime_ns


def _sha256(path: Path) -> str:
    return sha256_of_file(path, InputError)


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else -1
