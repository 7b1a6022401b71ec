"""Where results shall go, looked at before any work: a place that cannot be written is told at once."""

import os
from pathlib import Path

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.reading import usable_path

__all__ = ["check_file_target", "check_folder_target"]


def check_file_target(path: Path, error: type[PPKTZooError], what: str = "file") -> None:
    """Refuse a file's path that :func:`ppkt_zoo.files.writing.write_whole` could not write.

    Args:
        path: of the file; it and its folders may be missing.
        error: what is raised.
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
