"""The one way in which bytes come from a path: only regular files, never more than a named limit."""

import errno
import logging
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.limits import MAX_BYTES, MAX_TEXT, Limit, memory_named

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
_MISSING = "this {what} is missing"
_log = logging.getLogger(__name__)


def open_regular(path: Path | str, error: type[PPKTZooError], what: str = "file", missing: str = _MISSING) -> BinaryIO:
    """Open a regular file for reading; a pipe, a device, a socket or a folder is refused without waiting for it.

    Args:
        error: what is raised where it cannot be opened.
        what: how the message calls the file.
        missing: what the message says where it is not there.

    Raises:
        error: it is missing, unreadable, or no regular file; the message begins with the path.
    """
    try:
        # Opening a pipe for reading waits for a writer, unless told not to.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise error(f"{path}: {missing.format(what=what)}") from None
    except (OSError, ValueError) as failure:
        raise error(f"{path}: this {what} cannot be read ({_reason(failure)})") from failure
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for fits, name in _KINDS if fits(mode)), "something else")
            raise error(f"{path}: this {what} must be a regular file, it is {kind}: save it as a file first")
        _log.debug("reading %s", path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_file(
    path: Path | str, error: type[PPKTZooError], what: str = "file", missing: str = _MISSING, limit: Limit = MAX_BYTES
) -> bytes:
    """The bytes of a regular file, its size held against the limit before anything is read.

    Args:
        path, error, what, missing: as for :func:`open_regular`.
        limit: the most that may be read.

    Raises:
        error: as :func:`open_regular`; or it is too large, or memory ran out.
    """
    with open_regular(path, error, what, missing) as file:
        found = os.fstat(file.fileno()).st_size
        limit.check(found, f"{path}: this {what}", error)
        try:
            with memory_named(str(path), error):
                # A file of /proc says 0 and holds more; one that grows while it is read is cut at the limit.
                content = file.read(found or limit.value() + 1)
        except OSError as failure:
            raise error(f"{path}: this {what} cannot be read ({_reason(failure)})") from failure
    limit.check(len(content), f"{path}: this {what}", error)
    return content


def read_text(path: Path | str, error: type[PPKTZooError], what: str = "file", limit: Limit = MAX_TEXT) -> str:
    """The text of a regular file in UTF-8, with or without a byte-order mark.

    Raises:
        error: as :func:`read_file`; or it is no text in UTF-8.
    """
    content = read_file(path, error, what, limit=limit)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        raise error(f"{path}: this {what} is not a text file in UTF-8 ({failure.reason})") from failure


def usable_path(text: str | os.PathLike[str], error: type[PPKTZooError], what: str = "path") -> Path:
    """A path of a user with ``~`` expanded, checked to be one that the system can take.

    Raises:
        error: it holds a NUL, names an unknown user, is too long, or is empty.
    """
    given = os.fspath(text)
    try:
        if not given or "\0" in given:
            raise ValueError("it is empty" if not given else "it holds a NUL character")
        path = Path(given).expanduser()
        os.stat(path)
    except FileNotFoundError:
        pass
    except (OSError, RuntimeError, ValueError) as failure:
        if isinstance(failure, OSError) and failure.errno not in (errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL):
            return path
        shown = given if len(given) <= 80 else f"{given[:60]}… ({len(given)} letters)"
        raise error(f"{shown!r} is no usable {what}: {_reason(failure)}") from None
    return path


def is_hidden_twin(path: Path) -> bool:
    """Whether a file is one that macOS lays beside another (``._name``) or into folders (``.DS_Store``)."""
    return path.name.startswith("._") or path.name in (".DS_Store", "__MACOSX")


def _reason(failure: BaseException) -> str:
    words = failure.strerror if isinstance(failure, OSError) else None
    return words or str(failure) or type(failure).__name__


def default_cache() -> Path:
    """Where rendered rooms and teacher features are kept: ``PPKT_ZOO_CACHE``, else ``~/.cache/ppkt-zoo``.

    Raises:
        InputError: the variable names no path that the system can take, or nobody's home is known.
    """
    return usable_path(os.environ.get("PPKT_ZOO_CACHE") or "~/.cache/ppkt-zoo", InputError, "folder (PPKT_ZOO_CACHE)")
