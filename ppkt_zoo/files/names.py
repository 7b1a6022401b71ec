"""Names that stand in files, before they become paths."""

import hashlib
from pathlib import Path, PureWindowsPath

from ppkt_zoo.errors import PPKTZooError, printable

__all__ = ["below", "safe_name"]

# Beside letters and digits of any script.
_PLAIN = frozenset(" ._-+,=@()")
_LONGEST = 100
# Names that stand for devices on Windows, with any ending.
_DEVICES = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in "123456789"))
)


def safe_name(text: str) -> str:
    """A name as one part of a path, on every system: what is safe stays as it is.

    Of any other name the unsafe letters become ``_`` and a checksum follows, so that two names stay two.
    """
    usable = "".join(letter if letter.isalnum() or letter in _PLAIN else "_" for letter in text[:_LONGEST])
    device = usable.split(".")[0].strip().casefold() in _DEVICES
    strayed = usable[:1] in (".", "-", " ", "") or usable[-1:] in (".", " ")
    if usable == text and not device and not strayed and len(text.encode()) <= _LONGEST:
        return text
    digits = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    short = usable.encode()[: _LONGEST - 12].decode(errors="ignore").strip(" .-")
    return f"{'_' if device else ''}{short or 'name'}_{digits}"


def below(folder: Path, name: str, error: type[PPKTZooError], where: str) -> Path:
    """The path of a file that a list names, which must lie in the folder or below it.

    Args:
        folder: where the file must lie.
        name: as the list has it, with ``/``.
        error: what is raised.
        where: what names it, as the message should begin.

    Raises:
        error: the name is empty, absolute, holds a NUL, or climbs out by ``..``.
    """
    parts = PureWindowsPath(name).parts
    if not parts or "\0" in name or ".." in parts or PureWindowsPath(name).anchor:
        shown = printable(name if len(name) <= 80 else f"{name[:60]}… ({len(name)} letters)")
        raise error(f"{where}: {shown!r} is no file below {folder}: write its path from there, without ..")
    return folder / name
