"""A group of commands: what every command has, and how a failure becomes one line and an exit code."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import typer
import typer.core

from ppkt_zoo.cli.contract import examples_of
from ppkt_zoo.cli.options_of_all import options_of_all
from ppkt_zoo.cli.output import begun, current, deliver, deliver_failure
from ppkt_zoo.cli.streams import TERMINATED, alert
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.limits import memory_named

# Exit codes; `ppkt-zoo --help` and docs/cli.md list them.
FAULT = 1
FAILED = 2
STOPPED = 3
INTERRUPTED = 130
# What is raised for words that are no command; typer brings click along in some versions and not in others.
_ClickException: Any = typer.BadParameter.__mro__[2]


class Group(typer.core.TyperGroup):
    """Delivers what a command found, turns errors into one line and an exit code, adds the options of every command.

    ``PPKT_ZOO_DEBUG=1`` lets errors through.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """As of any group; a command gets the options of every command, and its examples."""
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            command.epilog = examples_of(_words(ctx, cmd_name)) or command.epilog
            add_common_options(command)
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As of any group; what is called is noted for its answer."""
        name, command, rest = super().resolve_command(ctx, args)
        current().command = _words(ctx, name or "")
        return name, command, rest

    def main(self, args: Any = None, *rest: Any, **extra: Any) -> Any:
        """As of any command line."""
        with begun(sys.argv[1:] if args is None else list(args)):
            return super().main(args, *rest, **extra)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """As of any command."""
        if parent is not None:
            return super().make_context(info_name, args, parent, **extra)
        add_common_options(self)
        with _told_usage():
            return super().make_context(info_name, args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Call the command, and deliver what it found; its exit code is that of the process."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        with warnings.catch_warnings(), _told_failures(f"ppkt-zoo {ctx.invoked_subcommand or ''}".strip()):
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            answer = super().invoke(ctx)
            deliver(answer)
            if code := getattr(answer, "exit_code", 0):
                raise typer.Exit(code)
            return answer


def add_common_options(command: Any) -> None:
    """Give a command the options of every command that it has not yet."""
    known = {name for parameter in command.params for name in parameter.opts}
    command.params += [one for one in options_of_all() if not known.intersection(one.opts)]


def _words(ctx: Any, name: str) -> str:
    """``data inspect``: a command as one calls it, without the program's own name."""
    above: list[str] = []
    while ctx is not None and ctx.parent is not None:
        above.insert(0, ctx.info_name)
        ctx = ctx.parent
    return " ".join([*above, name])


def _show_warning(message: Warning | str, *_: Any) -> None:
    current().warnings.append(str(message))
    alert("warning", "bold yellow", message)


@contextmanager
def _told_usage() -> Iterator[None]:
    try:
        yield
    except _ClickException as error:
        # The framework says it in words, and ends with this code.
        _deliver_failure("UsageError", error.format_message(), error.exit_code)
        raise


@contextmanager
def _told_failures(command: str) -> Iterator[None]:
    debug = os.environ.get("PPKT_ZOO_DEBUG") == "1"
    try:
        with ExitStack() as guards:
            if not debug:
                guards.enter_context(memory_named(command, InputError))
            guards.enter_context(_told_usage())
            yield
    except Stopped as error:
        _end("stopped", "bold yellow", error, type(error).__name__, STOPPED)
    except (PPKTZooError, OSError) as error:
        if debug or isinstance(error, BrokenPipeError):
            raise
        _end("error", "bold red", _in_words(error), type(error).__name__, FAILED)
    except RecursionError:
        if debug:
            raise
        nested = "the input is nested too deeply: a file is damaged, or made to do harm"
        _end("error", "bold red", nested, InputError.__name__, FAILED)
    except (KeyboardInterrupt, typer.Abort):
        _end("stopped", "bold yellow", "interrupted; unfinished files were not written", "Interrupted", INTERRUPTED)
    except (_ClickException, typer.Exit):
        raise
    except SystemExit as end:
        if end.code == TERMINATED:
            _deliver_failure("Terminated", "ended by SIGTERM; unfinished files were not written", TERMINATED)
        raise
    except Exception as error:
        _deliver_failure(type(error).__name__, f"a bug in ppkt-zoo: {error}", FAULT)
        raise


def _end(word: str, style: str, message: object, kind: str, code: int) -> NoReturn:
    alert(word, style, message)
    _deliver_failure(kind, str(message), code)
    raise typer.Exit(code) from None


def _deliver_failure(kind: str, message: str, code: int) -> None:
    if current().json:
        from ppkt_zoo.cli.answers.base import Failure

        deliver_failure(Failure(kind=kind, message=message, exit_code=code))


def _in_words(error: PPKTZooError | OSError) -> str:
    """An error in words; the system's own errors with the file first and without their number."""
    if isinstance(error, PPKTZooError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
