"""Names and paths before anything is written: safe parts of a path, files below a folder, usable places."""

import hashlib
import os
from pathlib import Path, PureWindowsPath

from ppkt_zoo.errors import PPKTZooError, printable
from ppkt_zoo.files.reading import usable_path

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
        where: what names it, as the message should begin.

    Raises:
        error: the name is empty, absolute, holds a NUL, or climbs out by ``..``.
    """
    parts = PureWindowsPath(name).parts
    if not parts or "\0" in name or ".." in parts or PureWindowsPath(name).anchor:
        shown = printable(name if len(name) <= 80 else f"{name[:60]}… ({len(name)} letters)")
        raise error(f"{where}: {shown!r} is no file below {folder}: write its path from there, without ..")
    return folder / name


def check_file_target(path: Path, error: type[PPKTZooError], what: str = "file") -> None:
    """Refuse a file's path that :func:`ppkt_zoo.files.writing.write_whole` could not write.

    Args:
        path: of the file; it and its folders may be missing.
        what: how the message calls it, such as ``--out``.

    Raises:
        error: it is a folder or no name in UTF-8, or its folder is no folder or cannot be written.
    """
    target = _named(path, error, what)
    if target.is_dir():
        raise error(f"{what} {target} is a folder: give the path of a file in it")
    if target.exists() and not target.is_file():
        raise error(f"{what} {target} is no regular file: give another path")
    _check_can_hold(target.parent, target, error, what)


def check_folder_target(path: Path, error: type[PPKTZooError], what: str = "folder") -> None:
    """Refuse a folder's path in which no file could be made.

    Args:
        path: of the folder; it and those above it may be missing.
        error, what: as for :func:`check_file_target`.

    Raises:
        error: it is a file or no name in UTF-8, or it cannot be written.
    """
    target = _named(path, error, what)
    _check_can_hold(target, target, error, what)


def _named(path: Path, error: type[PPKTZooError], what: str) -> Path:
    target = usable_path(path, error, what)
    try:
        os.fspath(target).encode("utf-8")
    except UnicodeEncodeError:
        raise error(f"{what} {os.fspath(target)!r} is no name in UTF-8: give a name of other letters") from None
    return target


def _check_can_hold(folder: Path, target: Path, error: type[PPKTZooError], what: str) -> None:
    """The nearest folder that exists must be one, and one that files can be made in."""
    nearest = folder.absolute()
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise error(f"{what} {target} cannot be written: {nearest} is no folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise error(f"{what} {target} cannot be written: no right to write into {nearest}")
