"""Where ``PPKT_ZOO_MIRROR`` leads: the files of Hub repositories from a folder or an https address of your own.

Below it they lie as ``owner/name/revision/file``; ``ppkt-zoo fetch --all --to FOLDER`` lays them out so.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import requests
from filelock import FileLock, Timeout
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from urllib3.exceptions import HTTPError

from ppkt_zoo.errors import InputError, PPKTZooError, WeightError
from ppkt_zoo.files.fetching import LeastRate, opened
from ppkt_zoo.files.reading import default_cache, usable_path
from ppkt_zoo.files.talk import talk_console
from ppkt_zoo.zoo.names import HubName, StrPath

MIRROR = "PPKT_ZOO_MIRROR"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CHUNK = 1 << 14  # what a cut loses at most
_TRIES, _LONGEST_WAIT = 5, 30.0
# Seconds: without a byte, until an answer begins, and over which the least rate (bytes a second) must be kept.
_SILENCE, _ANSWER, _PATIENCE, _LEAST_RATE = 20.0, 25.0, 20.0, 1000
_REDIRECTIONS = 5
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
        raise InputError(
            f"{MIRROR} must be a folder or an https address such as https://example.org/weights: http is only for this "
            "machine"
        )
    return given


def mirrored_file(
    mirror: str,
    name: HubName,
    file: str,
    most: int,
    cache_dir: StrPath | None,
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
        path = usable_path(f"{mirror}/{place}", InputError, f"path ({MIRROR})")
        try:
            found = path.is_file()
        except OSError as error:
            raise WeightError(
                f"{name}: the mirror {mirror} cannot be read ({error.strerror}): check {MIRROR}"
            ) from None
        if not found:
            raise WeightError(f"{name}: the mirror {mirror} has no {place}: put it there, or unset {MIRROR}")
        return path
    root = (default_cache() if cache_dir is None else Path(cache_dir)) / "mirror"
    target = root / place
    trouble = f"{name}: {file} cannot be fetched from the mirror"
    try:
        if target.is_file() and not force:
            return target
        if offline:
            raise WeightError(f"{name}: {file} is not in the cache and HF_HUB_OFFLINE is set: load it with a network")
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f"{target.name}.lock")
        only_regular(lock)
        with FileLock(lock, timeout=_LONGEST_LOCK):
            # Whoever held the lock before may have fetched it.
            if force or not target.is_file():
                only_regular(target)
                _fetch(f"{mirror.rstrip('/')}/{quote(place)}", target, most, force, trouble)
    except Timeout:
        raise WeightError(f"{trouble}: another process holds {target.name}.lock for an hour: end it") from None
    except TimeoutError as error:
        problem = f"it is too slow ({error}): check the network and {MIRROR}, or unset it"
    except NotImplementedError:
        problem = f"{root} lies on a disk without file locks: set PPKT_ZOO_CACHE to another folder"
    except (requests.RequestException, HTTPError) as error:
        problem = f"no connection, or it was cut ({type(error).__name__}): check the network and {MIRROR}"
    except OSError as error:
        at = "" if error.filename is None else f"{error.filename}: "
        problem = (
            f"the cache cannot be used ({at}{error.strerror}): remove what is in the way, free some space, or set "
            "PPKT_ZOO_CACHE to another folder"
        )
    except ValueError as error:
        if isinstance(error, PPKTZooError):
            raise
        problem = f"its address is not valid ({type(error).__name__}): check {MIRROR}"
    else:
        return target
    # Outside of the handlers: an address may hold a password.
    raise WeightError(f"{trouble}: {problem}")


def _fetch(url: str, target: Path, most: int, anew: bool, trouble: str) -> None:
    """Bytes into a file beside the target, from where an earlier try was cut; renamed when it is whole."""
    part = target.with_name(f"{target.name}.part")
    only_regular(part)
    if anew:
        part.unlink(missing_ok=True)
    with _bar(target.name, most) as told:
        for left in reversed(range(_TRIES)):
            before = _size(part)
            try:
                wait = _fetch_some(url, part, most, trouble, told)
            except requests.Timeout:
                if left == 0 or _size(part) == before:
                    raise TimeoutError(f"no byte in {_SILENCE:.0f} s") from None
                wait = 0.0
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, HTTPError):
                if left == 0:
                    raise
                wait = 0.5 * (_TRIES - left)
            if wait is None:
                part.replace(target)
                return
            if left:
                time.sleep(wait)
    raise WeightError(f"{trouble}: it is overloaded or out of order: wait some minutes")


@contextmanager
def _bar(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """Told how many bytes are there; shows it where a person looks on."""
    console = talk_console()
    if size < _WORTH_A_BAR or not console.is_terminal or console.quiet:
        yield lambda done: None
        return
    columns = (TextColumn(name, markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=size)
        yield lambda done: progress.update(task, completed=done)


def _fetch_some(url: str, part: Path, most: int, trouble: str, told: Callable[[int], None]) -> float | None:
    """One request; None when the file is whole, else seconds to wait before the next."""
    there = _size(part)
    with _answer(url, {"Range": f"bytes={there}-"} if there else {}, trouble) as answer:
        if answer.status_code == 416:  # nothing lies behind what is there: it was another file
            part.unlink()
            return 0.0
        if answer.status_code in _PASSING:
            asked = answer.headers.get("Retry-After", "")
            return min(float(asked) if asked.isdecimal() and len(asked) < 10 else 1.0, _LONGEST_WAIT)
        if answer.status_code not in (200, 206):
            raise WeightError(f"{trouble}: it answered HTTP {answer.status_code}: check {MIRROR}, or unset it")
        if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise WeightError(f"{trouble}: it comes compressed, though it was asked for uncompressed: check {MIRROR}")
        there = there if answer.status_code == 206 else 0
        promised = answer.headers.get("Content-Length", "")
        wanted = int(promised) if promised.isdecimal() and len(promised) < 20 else None
        size = there if wanted is not None and there + wanted > most else _body(answer, part, there, most, told)
    if size > most or (wanted is not None and there + wanted > most):
        part.unlink(missing_ok=True)
        raise WeightError(f"{trouble}: it is larger than the {most} bytes that were recorded")
    if wanted is not None and size - there < wanted:
        raise requests.ConnectionError("the body was cut")
    return None


def _body(answer: requests.Response, part: Path, there: int, most: int, told: Callable[[int], None]) -> int:
    """The body behind what is there already; the whole size, which may be beyond ``most`` by a piece."""
    rate = LeastRate(_LEAST_RATE, _PATIENCE)
    # With read, a piece of which a byte comes each second would be waited for.
    read = getattr(answer.raw, "read1", None) or answer.raw.read
    size = there
    with part.open("ab" if there else "wb") as stream:
        while size <= most and (piece := read(_CHUNK, decode_content=False)):
            size += len(piece)
            stream.write(piece)
            told(size)
            rate.add(len(piece))
    return size


@contextmanager
def _answer(url: str, headers: dict[str, str], trouble: str) -> Iterator[requests.Response]:
    """The answer at the end of all redirections, none of which may lead off https, nor onto this machine."""
    with contextlib.ExitStack() as stack:
        for _ in range(_REDIRECTIONS + 1):
            answer = stack.enter_context(opened(url, headers, follow=False, silence=_SILENCE, within=_ANSWER))
            if not answer.is_redirect:
                yield answer
                return
            onward = _joined(url, answer.headers["Location"])
            if not _is_safe(onward, local=_is_local(url)):
                raise WeightError(f"{trouble}: it redirects to an address that is not https")
            url = onward
    raise WeightError(f"{trouble}: it redirects in circles: check {MIRROR}")


def _is_safe(address: str, local: bool = True) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (local and parts.scheme == "http" and host in _LOOPBACK))


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _is_local(address: str) -> bool:
    return urlsplit(address).hostname in _LOOPBACK


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def make_way(path: Path) -> None:
    """Remove the file, the link (never what it leads to), the pipe or the empty folder that stands there.

    Raises:
        WeightError: it is a folder that holds something, or it cannot be removed.
    """
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            path.rmdir()
        else:
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WeightError(f"{path}: this stands where a file belongs ({error.strerror}): remove it") from None


def only_regular(path: Path) -> None:
    """Remove what stands there and is no regular file: a pipe would be waited for, a link written through.

    Raises:
        WeightError: as :func:`make_way` does.
    """
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return
    if not regular:
        make_way(path)
