"""Bytes from an http address or a program: never more than was promised, never slower than a least rate, no password
told, no shell, and never waited for without end.
"""

import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.text import one_line, without_secrets

# Seconds without a byte, and until an answer begins, redirections included.
_SILENCE = 60.0
_ANSWER = 120.0
# A line that stays under so many bytes a second for so many seconds is given up.
_RATE, _PATIENCE = 1000, 60.0
_PIECE = 1 << 18
# What a connection raises, by way of requests or past it: urllib3's errors are no OSErrors.
_TROUBLE = (requests.RequestException, HTTPError, OSError, ValueError)
# Seconds without a byte after which a program is ended, and that it has to end by itself after its last byte.
_QUIET, _FAREWELL = 60.0, 10.0


class LeastRate:
    """Gives a transfer up that is slower than a least rate for too long.

    Args:
        rate: bytes a second.
        patience: seconds after which the rate is measured, again and again.
    """

    def __init__(self, rate: float = _RATE, patience: float = _PATIENCE) -> None:
        self._rate, self._patience = rate, patience
        self._since, self._bytes = time.monotonic(), 0

    def add(self, count: int) -> None:
        """Count bytes that came; raises TimeoutError where they come too slowly."""
        self._bytes += count
        seconds = time.monotonic() - self._since
        if seconds < self._patience:
            return
        if self._bytes < self._rate * seconds:
            raise TimeoutError(f"{self._bytes} bytes in {seconds:.0f} s are too slow")
        self._since, self._bytes = time.monotonic(), 0


@contextmanager
def opened(
    address: str,
    headers: Mapping[str, str] | None = None,
    follow: bool = True,
    silence: float | None = None,
    within: float | None = None,
) -> Iterator[requests.Response]:
    """Context with the answer to a request, its body unread.

    Args:
        address: http or https.
        headers: sent beside our own.
        follow: redirections too.
        silence: seconds without a byte that are borne; a minute where None.
        within: seconds until an answer must have begun; two minutes where None.

    Raises:
        requests.RequestException, OSError, ValueError: as ``requests`` and urllib3 raise.
        TimeoutError: no answer begins, or the server sends its head a byte at a time.
    """
    got: list[requests.Response] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            # Compressed on the way, lengths would not be the file's, and a small body could unpack to a huge one.
            sent = {"Accept-Encoding": "identity", **(headers or {})}
            wait = _SILENCE if silence is None else silence
            got.append(requests.get(address, headers=sent, stream=True, timeout=wait, allow_redirects=follow))
        except _TROUBLE as error:  # for whoever waits
            failed.append(error)

    # requests bounds the time between two bytes of a head, not the time of the head.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    longest = _ANSWER if within is None else within
    thread.join(longest)
    if failed:
        raise failed[0]
    if not got:
        raise TimeoutError(f"no answer in {longest:.0f} s")
    with got[0] as answer:
        yield answer


def answers_within(address: str, seconds: float) -> str | None:
    """Why nothing answers at an http or https address within so many seconds; None where something does.

    Whatever it answers, the network is there.
    """
    try:
        with opened(address, follow=False, silence=seconds, within=seconds):
            return None
    except _TROUBLE as error:
        if isinstance(error, requests.Timeout | TimeoutError):
            return f"no answer in {seconds:g} s"
        return "no connection" if isinstance(error, requests.ConnectionError) else one_line(error, 100)


def fetch(address: str, error: type[PPKTZooError], most: int, slowest: Callable[[], LeastRate] = LeastRate) -> bytes:
    """The body behind an http or https address.

    Args:
        address: may hold a user name and a password; no message shows them.
        most: bytes that it may have; one more is taken, so that the caller sees that there is more.
        slowest: the least rate.

    Raises:
        error: no connection, another answer than 200, a body that is packed, cut short or too slow, or a way that
            leads on from https to http.
    """
    where = without_secrets(address)
    try:
        with opened(address) as answer, memory_named(where, error):
            _check(answer, address, where, error)
            return _body(answer, most, slowest())
    except TimeoutError as failure:
        reason = str(failure)
    except requests.Timeout:
        reason = f"no byte in {_SILENCE:.0f} s"
    except requests.exceptions.InvalidSchema:
        reason = "it leads on to an address that is neither http nor https"
    except requests.TooManyRedirects:
        reason = "it leads in circles"
    except requests.exceptions.SSLError:
        reason = "its certificate is not valid"
    except _TROUBLE as failure:
        if isinstance(failure, PPKTZooError):
            raise
        reason = f"no connection, or it was cut ({type(failure).__name__})"
    # Outside of the handlers: what requests says holds the address with its password.
    raise error(f"{where}: this cannot be fetched ({reason}): check the address and the network")


def _check(answer: requests.Response, address: str, where: str, error: type[PPKTZooError]) -> None:
    if urlsplit(address).scheme.lower() == "https" and urlsplit(answer.url).scheme.lower() != "https":
        raise error(f"{where}: this cannot be fetched (it leads on to an address that is not https)")
    if answer.status_code != HTTPStatus.OK:
        raise error(
            f"{where}: this cannot be fetched (it answered HTTP {answer.status_code}): check the address, and what may "
            "be read there"
        )
    packed = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if packed not in ("", "identity"):
        raise error(f"{where}: this cannot be fetched (it comes packed, though it was asked for as it is)")


def _body(answer: requests.Response, most: int, rate: LeastRate) -> bytes:
    content = bytearray()
    promised = answer.headers.get("Content-Length", "")
    # With read, a piece of which a byte comes each second would be waited for.
    read = getattr(answer.raw, "read1", None) or answer.raw.read
    while len(content) <= most:
        piece = read(min(_PIECE, most + 1 - len(content)), decode_content=False)
        if not piece:
            break
        content += piece
        rate.add(len(piece))
    if len(content) <= most and promised.isdecimal() and len(content) < int(promised[:20]):
        raise requests.ConnectionError("the body was cut")
    return bytes(content)


def output_of(arguments: list[str], error: type[PPKTZooError], most: int, where: str, silence: float = _QUIET) -> bytes:
    """The standard output of a program.

    Args:
        arguments: the program and its arguments; no shell reads them.
        most: bytes that it may write; one more is taken, so that the caller sees that there is more.
        where: what is fetched, for messages; without passwords.
        silence: seconds without a byte after which the program is ended.

    Raises:
        error: it cannot be started, ends with a status other than 0, or sends nothing for too long.
    """
    try:
        with memory_named(where, error):
            return _output(arguments, error, most, where, silence)
    except OSError as failure:
        raise error(f"{where}: this cannot be fetched ({failure.strerror or type(failure).__name__})") from failure


def _output(arguments: list[str], error: type[PPKTZooError], most: int, where: str, silence: float) -> bytes:
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                # A group of its own, so that what it starts ends with it.
                start_new_session=True,
            )
        except (OSError, ValueError) as failure:
            reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
            raise error(f"{where}: the program {arguments[0]!r} cannot be started ({reason})") from None
        with process:
            assert process.stdout is not None
            try:
                content = _read(process.stdout, most, silence)
                if len(content) <= most:
                    process.wait(_FAREWELL)
            except TimeoutError as failure:
                raise error(f"{where}: this cannot be fetched (the command is silent or slow: {failure})") from None
            except subprocess.TimeoutExpired:
                raise error(f"{where}: this cannot be fetched (the command does not end)") from None
            finally:
                if process.returncode is None:  # it would write on, and nobody reads
                    _end(process)
        if len(content) <= most and process.returncode:
            said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
            last = without_secrets(one_line(said.read().decode(errors="replace"), 300))
            words = f": {last}" if last else ""
            raise error(f"{where}: this cannot be fetched (the command ended with {process.returncode}{words})")
    return content


def _read(stream: IO[bytes], most: int, silence: float) -> bytes:
    """Raises TimeoutError where nothing comes, or too slowly."""
    content, rate = bytearray(), LeastRate(patience=silence)
    with selectors.DefaultSelector() as waiting:
        if os.name != "nt":  # where only sockets can be waited for
            waiting.register(stream, selectors.EVENT_READ)
        while len(content) <= most:
            if waiting.get_map() and not waiting.select(silence):
                raise TimeoutError(f"no byte in {silence:g} s")
            piece = os.read(stream.fileno(), min(_PIECE, most + 1 - len(content)))
            if not piece:
                break
            content += piece
            rate.add(len(piece))
    return bytes(content)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what it started, where something still runs."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError, PermissionError):  # no groups on Windows
        process.kill()
