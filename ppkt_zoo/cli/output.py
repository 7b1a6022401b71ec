"""How one call of the command line answers: in words or as one JSON document, and how much it tells beside that."""

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, TextIO

from ppkt_zoo.cli.streams import new_console, say
from ppkt_zoo.files.talk import be_quiet

if TYPE_CHECKING:
    from ppkt_zoo.cli.answers.base import Answer, Failure

JSON = "--json"
# Whoever asks for one of these wants to read, whatever else was typed.
_FOR_PEOPLE = frozenset({"--help", "-h", "--version"})
_log = logging.getLogger("ppkt_zoo")


@dataclass
class Output:
    """One call.

    Attributes:
        json: whether one JSON document is the answer.
        results: where it goes. Under ``json`` all else that anyone prints goes to standard error.
        command: the words of the command, such as ``data inspect``; empty until they are known.
        warnings: that were given so far.
        began, worked: seconds of the clock and of the processor when it began.
    """

    json: bool = False
    results: TextIO | None = None
    command: str = ""
    warnings: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    worked: float = field(default_factory=time.process_time)


_current = Output()


def current() -> Output:
    """The call under way."""
    return _current


@contextmanager
def begun(words: Sequence[str]) -> Iterator[Output]:
    """A call with these words: known from the beginning is whether it answers in JSON, so that its errors do too."""
    global _current
    before, given = _current, set(takewhile(lambda word: word != "--", words))
    as_json = JSON in given and not given & _FOR_PEOPLE
    _current = Output(as_json, sys.stdout)
    be_quiet(False)
    try:
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            yield _current
    finally:
        _watch(False)
        be_quiet(False)
        _current = before


def deliver(answer: "Answer | None") -> None:
    """Show what a command found; of several processes that work together all but one found nothing."""
    if answer is None:
        return
    if _current.json:
        from ppkt_zoo.cli.answers.document import answered

        _print(answered(_current.command, answer, _current.warnings))
    else:
        answer.show(new_console())


def deliver_failure(failure: "Failure") -> None:
    """Say in JSON why there is no answer; in words it was said already."""
    if _current.json:
        from ppkt_zoo.cli.answers.document import failed

        _print(failed(_current.command, failure, _current.warnings))


def _print(document: str) -> None:
    print(document, file=_current.results, flush=True)


def tell_more() -> None:
    """Tell from now on what runs here, every file that is read, what computes, and at the end what it took."""
    _watch(True)
    _log.debug("%s", _installation())


class _Tell(logging.Handler):
    """What the library logs, a line each on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        say("verbose", "dim", record.getMessage())


_TELL = _Tell(logging.DEBUG)


def _watch(on: bool) -> None:
    if on:
        _log.addHandler(_TELL)
        _log.setLevel(logging.DEBUG)
    elif _TELL in _log.handlers:
        took, work = time.perf_counter() - _current.began, time.process_time() - _current.worked
        _log.debug("%.2f s, processor time of this process %.2f s%s", took, work, _memory())
        _log.removeHandler(_TELL)
        _log.setLevel(logging.NOTSET)


def _installation() -> str:
    import platform

    import ppkt_zoo
    from ppkt_zoo.engine.machine import versions
    from ppkt_zoo.native.library import describe

    torch = versions(["torch"]).get("torch", "none")
    python = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return f"ppkt-zoo {ppkt_zoo.__version__}, torch {torch}, {python}; engine on the CPU: {describe()}"


def _memory() -> str:
    try:
        import resource
    except ImportError:  # Windows has none
        return ""
    # Kilobytes, but for macOS, which counts bytes.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"; {most / 1e6:.0f} MB of memory at most"
