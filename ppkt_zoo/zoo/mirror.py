"""Where ``PPKT_ZOO_MIRROR`` leads: the files of Hub repositories from a folder or an https address of your own.

Below it they lie as ``owner/name/revision/file``; ``ppkt-zoo fetch --all --to FOLDER`` lays them out so.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import requests
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.running.cache import default_cache
from ppkt_zoo.zoo.names import HubName

__all__ = ["MIRROR", "mirror_address", "mirrored_file"]

MIRROR = "PPKT_ZOO_MIRROR"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CHUNK, _TIMEOUT = 1 << 14, 30.0  # what a cut loses at most
_TRIES, _LONGEST_WAIT = 5, 30.0
# Another process may fetch a large weight over a slow line.
_LONGEST_LOCK = 3600.0
# Smaller files come before a bar could be seen.
_WORTH_A_BAR = 1 << 20
# Statuses after which the same request may succeed.
_PASSING = (429, 500, 502, 503, 504)


def mirror_address() -> str | None:
    """What ``PPKT_ZOO_MIRROR`` says; None where it is not set.

    Raises:
        InputError: an address that is not https (http is for this machine alone).
    """
    given = os.environ.get(MIRROR, "").strip()
    if not given:
        return None
    if "://" in given and not _is_safe(given):
        raise InputError(f"{MIRROR} must be a folder or an https address: http is only for this machine")
    return given


def mirrored_file(
    mirror: str,
    name: HubName,
    file: str,
    most: int,
    cache_dir: str | os.PathLike[str] | None,
    offline: bool,
    force: bool,
) -> Path:
    """A file of a repository's commit by way of a mirror.

    Args:
        mirror: a folder, or an address, whose files are kept in ``cache_dir``.
        name, file: what is wanted.
        most: bytes that it may have at most.
        cache_dir: the package's own cache where None.
        offline: take it from the cache or not at all.
        force: fetch it again.

    Raises:
        WeightError: it is not there, cannot be fetched, or is larger.
    """
    place = f"{name.repo}/{name.revision}/{file}"
    if "://" not in mirror:
        path = Path(mirror).expanduser() / place
        if not path.is_file():
            raise WeightError(f"{name}: the mirror {mirror} has no {place}: lay it there, or unset {MIRROR}")
        return path
    root = (default_cache() if cache_dir is None else Path(cache_dir)) / "mirror"
    target = root / place
    if target.is_file() and not force:
        return target
    if offline:
        raise WeightError(f"{name}: {file} is not in the cache and HF_HUB_OFFLINE is set: load it once with a network")
    trouble = f"{name}: {file} cannot be fetched from the mirror"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=_LONGEST_LOCK):
            # Whoever held the lock before may have fetched it.
            if force or not target.is_file():
                _fetch(f"{mirror.rstrip('/')}/{quote(place)}", target, most, force, trouble)
    except Timeout:
        raise WeightError(f"{trouble}: another process holds {target.name}.lock for an hour: remove it") from None
    except requests.RequestException as error:
        problem = f"no connection, or it was cut ({type(error).__name__}): check the network and {MIRROR}"
    except OSError as error:
        problem = f"the cache cannot be written ({error.strerror}): free some space or set PPKT_ZOO_CACHE"
    else:
        return target
    # Outside of the handlers: an address may hold a password.
    raise WeightError(f"{trouble}: {problem}")


def _fetch(url: str, target: Path, most: int, anew: bool, trouble: str) -> None:
    """Bytes into a file beside the target, from where an earlier try was cut; renamed when it is whole."""
    part = target.with_name(f"{target.name}.part")
    if anew:
        part.unlink(missing_ok=True)
    with _bar(target.name, most) as told:
        for left in reversed(range(_TRIES)):
            try:
                wait = _fetch_some(url, part, most, trouble, told)
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if left == 0:
                    raise
                wait = 0.5 * (_TRIES - left)
            if wait is None:
                part.replace(target)
                return
            if left:
                time.sleep(wait)
    raise WeightError(f"{trouble}: it asks for patience, or is out of order: wait some minutes")


@contextmanager
def _bar(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """Told how many bytes are there; shows it where a person looks on."""
    console = Console(stderr=True)
    if size < _WORTH_A_BAR or not console.is_terminal:
        yield lambda done: None
        return
    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=size)
        yield lambda done: progress.update(task, completed=done)


def _fetch_some(url: str, part: Path, most: int, trouble: str, told: Callable[[int], None]) -> float | None:
    """One request; None when the file is whole, else seconds to wait before the next."""
    there = part.stat().st_size if part.exists() else 0
    # Compressed on the way, lengths would not be those of the file.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={there}-"} if there else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if not _is_safe(answer.url):
            raise WeightError(f"{trouble}: it leads on to an address that is not https")
        if answer.status_code == 416:  # nothing lies behind what is there: it was another file
            part.unlink()
            return 0.0
        if answer.status_code in _PASSING:
            asked = answer.headers.get("Retry-After", "")
            return min(float(asked) if asked.isdecimal() else 1.0, _LONGEST_WAIT)
        if answer.status_code not in (200, 206):
            raise WeightError(f"{trouble}: it answered HTTP {answer.status_code}: check {MIRROR}, or unset it")
        size = there = there if answer.status_code == 206 else 0
        with part.open("ab" if there else "wb") as stream:
            for chunk in answer.iter_content(_CHUNK):
                size += len(chunk)
                if size > most:
                    break
                stream.write(chunk)
                told(size)
        promised = answer.headers.get("Content-Length", "")
    if size > most:
        part.unlink()
        raise WeightError(f"{trouble}: it is larger than the {most} bytes that were recorded")
    if promised.isdecimal() and size - there < int(promised):
        raise requests.ConnectionError("the body was cut")
    return None


def _is_safe(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
