"""One process at a time in a folder or at a file: locks that are gone when their holder is, even by SIGKILL."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.signals import signals_held
from ppkt_zoo.files.text import without_secrets
from ppkt_zoo.files.writing import write_json

_LOCK, _HOLDER = ".ppkt-zoo.lock", ".ppkt-zoo.lock.json"
# Workers of a run that was killed hold its lock until they see that it is gone.
_GRACE = 10.0
# Seconds between two looks at a lock that another process holds.
_LOOK_AGAIN = 0.05


class FolderLock:
    """Context in which this process alone works in a folder.

    The lock is the system's own (``flock``), so no kill leaves one behind. It stands in ``.ppkt-zoo.lock``, the
    holder's process number, machine and command beside it.

    Args:
        folder: made where it is missing.
        what: what the folder is to the user, such as "this run's folder".
        mend: what the message says to do, beside waiting.
        error: raised where another process holds it.
        wait: seconds to wait for another process, None for as long as it takes.
    """

    def __init__(
        self, folder: Path, what: str, mend: str, error: type[PPKTZooError], wait: float | None = _GRACE
    ) -> None:
        self._folder, self._what, self._mend, self._error, self._wait = folder, what, mend, error, wait
        self._lock = FileLock(str(folder / _LOCK), thread_local=False)

    def __enter__(self) -> "FolderLock":
        """Raises: the error given, where another process holds the folder or it cannot be written."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._acquire()
        except Timeout:
            raise self._error(
                f"{self._folder}: another process{self._holder()} is at work in {self._what}: wait until it has "
                f"ended, {self._mend}"
            ) from None
        except NotImplementedError:
            raise self._error(
                f"{self._folder}: the file system of {self._what} knows no locks: choose a folder on another disk"
            ) from None
        except OSError as failure:
            raise self._error(f"{self._folder}: {self._what} cannot be locked ({failure.strerror})") from failure
        command = without_secrets(" ".join(sys.argv))[:200]
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        try:
            write_json(self._folder / _HOLDER, facts | {"command": command}, self._error, sync=False)
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        (self._folder / _HOLDER).unlink(missing_ok=True)
        self._lock.release()

    def _acquire(self) -> None:
        if self._wait is None:
            self._lock.acquire()
            return
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._lock.acquire(timeout=self._wait)

    def _holder(self) -> str:
        try:
            facts = json.loads((self._folder / _HOLDER).read_text(encoding="utf-8"))
            return f" (process {int(facts['pid'])} on {facts['host']}, since {facts['since']}: {facts['command']})"
        except (OSError, ValueError, LookupError, TypeError):
            return ""


@contextmanager
def sole_writer(path: Path, error: type[PPKTZooError], wait: float | None = 0.0) -> Iterator[bool]:
    """Context in which no other process makes a file, on this machine or on another that shares the disk.

    The lock stands beside the file as ``.NAME.lock`` and is taken away with it. Whoever gets it looks first whether the
    file is there by now. It saves work and guards nothing: a file that is written whole survives two writers.

    Args:
        path: of the file, which need not exist; its folder is made where it is missing.
        error: raised where it cannot be locked.
        wait: seconds to wait for another process, None for as long as it takes.

    Yields:
        False where another process is at work on the file.

    Raises:
        error: its folder cannot be written, or the file system knows no locks.
    """
    place = path.with_name(f".{path.name}.lock")
    lock = FileLock(str(place), thread_local=False)
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            alone = _acquired(lock, wait)
        except NotImplementedError:
            raise error(f"{path}: the file system knows no locks: choose a folder on another disk") from None
        except OSError as failure:
            raise error(f"{path}: this file cannot be written ({failure.strerror})") from failure
        yield alone
    finally:
        with signals_held():
            if lock.is_locked:
                # While it is held: afterwards it may be another's. Windows removes no open file, so there it stays.
                with suppress(OSError):
                    place.unlink()
                lock.release()


def _acquired(lock: FileLock, wait: float | None) -> bool:
    """Whether a lock could be had within some seconds; each try is whole, so no signal leaves a file of nobody."""
    deadline = None if wait is None else time.monotonic() + wait
    while True:
        with signals_held(), suppress(Timeout):
            lock.acquire(timeout=0)
        if lock.is_locked:
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_AGAIN)
