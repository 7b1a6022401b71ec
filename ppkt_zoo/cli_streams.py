"""Standard streams that a closed pipe, a plain terminal or a missing descriptor cannot turn into a traceback."""

import codecs
import io
import os
import signal
import sys
from types import FrameType
from typing import TextIO

__all__ = ["finish", "prepare_streams", "stop_on_terminate"]

# Ended by SIGTERM, as a shell counts it.
TERMINATED = 128 + signal.SIGTERM
_ERRORS = "ppkt_zoo.plain"
# How the few characters of ours beyond ASCII look where a terminal cannot write them.
_PLAIN = {"×": "x", "…": "...", "✓": "+", "–": "-", "−": "-", "·": "*", "→": "->", "\u202f": " ", "²": "2", "≤": "<="}


class _Steady(io.FileIO):
    """A descriptor whose reader may leave, or whose disk be full: what is written after that goes nowhere.

    The work goes on, and its files are written. ``lost`` is why results did not reach their place, for :func:`finish`;
    a reader that has left wanted no more.
    """

    lost: OSError | None = None

    def write(self, data: object, /) -> int:
        try:
            return super().write(data)  # type: ignore[arg-type]
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = error
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.fileno())
            return memoryview(data).nbytes  # type: ignore[arg-type]


def prepare_streams() -> None:
    """Make standard output and error outlive their reader, write any text, and exist at all."""
    codecs.register_error(_ERRORS, _plain)
    # In this order: a new descriptor takes the lowest number that is free, which is the missing one's.
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115 — for the rest of the process
    sys.stdout = _prepared(sys.stdout, sys.__stdout__)
    sys.stderr = _prepared(sys.stderr, sys.__stderr__)


def finish(code: int | str | None) -> int | str | None:
    """The exit code of a command that ended with ``code``: results that could not be written are a failure."""
    try:
        sys.stdout.flush()
        raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
        lost: Exception | None = raw.lost if isinstance(raw, _Steady) else None
    except (OSError, ValueError) as error:
        lost = error
        # What is left in the buffer cannot be written when the process ends either.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if lost is None:
        return code
    reason = lost.strerror if isinstance(lost, OSError) else str(lost)
    print(f"error: standard output cannot be written ({reason})", file=sys.stderr)
    return code or 2


def stop_on_terminate() -> None:
    """End on SIGTERM as on an exception, so that files that are half written are removed; exit code 143."""
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def _prepared(stream: TextIO | None, own: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w")
    if stream is not own:  # a host program's, or a test's
        return stream
    try:
        stream.flush()
        raw = _Steady(stream.fileno(), "wb", closefd=False)
    except (OSError, ValueError):
        return stream
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=_ERRORS,
        line_buffering=stream.isatty() or raw.name == 2,
    )


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(letter, "?") for letter in error.object[error.start : error.end]), error.end
