"""What a program writes, without a shell: bounded, and never waited for without end."""

import os
import selectors
import signal
import subprocess
import tempfile
from typing import IO

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.fetching import LeastRate
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.text import one_line, without_secrets

__all__ = ["output_of"]

_PIECE = 1 << 18
# Seconds without a byte after which a program is ended, and that it has to end by itself after its last byte.
_SILENCE, _FAREWELL = 60.0, 10.0


def output_of(
    arguments: list[str], error: type[PPKTZooError], most: int, where: str, silence: float = _SILENCE
) -> bytes:
    """The standard output of a program.

    Args:
        arguments: the program and its arguments; no shell reads them.
        error: what is raised.
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
