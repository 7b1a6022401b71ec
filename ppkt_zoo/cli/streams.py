"""What goes where: results on standard output, messages on standard error; no closed pipe ends in a traceback."""

import codecs
import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TextIO

import typer
from rich.console import Console
from rich.text import Text

from ppkt_zoo.files.talk import is_quiet
from ppkt_zoo.files.text import SafeConsole, printable, unbroken

# Where output does not go to a terminal, a row of a table is a line, however long: `ppkt-zoo list | grep`.
_FILE_WIDTH = 10_000

# Ended by SIGTERM, as a shell counts it.
TERMINATED = 128 + signal.SIGTERM
_ERRORS = "ppkt_zoo.plain"
# How the few characters of ours beyond ASCII look where a terminal cannot write them.
_PLAIN = {"×": "x", "…": "...", "✓": "+", "–": "-", "−": "-", "·": "*", "→": "->", "\u202f": " ", "²": "2", "≤": "<="}


def new_console(stderr: bool = False, quiet: bool = False) -> Console:
    """Where output goes: as wide as the terminal, and as wide as its lines are anywhere else."""
    console = SafeConsole(stderr=stderr, quiet=quiet)
    if not on_terminal(console):
        console.width = _FILE_WIDTH
    return console


def on_terminal(console: Console) -> bool:
    """Whether a person looks on; where colours are forced (FORCE_COLOR), rich takes a pipe for a terminal too."""
    return bool(getattr(console.file, "isatty", bool)())


def talk_console() -> Console:
    """Where progress and remarks go: standard error, for standard output holds results; nowhere if ``--quiet``."""
    return new_console(stderr=True, quiet=is_quiet())


def say(word: str, style: str, message: object) -> None:
    """One remark, a line on standard error that begins with a coloured word; not if ``--quiet``."""
    _line(talk_console(), word, style, message)


def alert(word: str, style: str, message: object) -> None:
    """As :func:`say`, of what must be known: an error, a warning, something left out."""
    _line(new_console(stderr=True), word, style, message)


def _line(console: Console, word: str, style: str, message: object) -> None:
    console.print(Text.assemble((f"{word}: ", style), unbroken(message)), soft_wrap=True)


def tell_written(*paths: Path | str | None) -> None:
    """The files that were written, a line each on standard output, for scripts."""
    for path in paths:
        if path is not None:
            typer.echo(printable(str(path)).replace("\n", "\\n"))


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
