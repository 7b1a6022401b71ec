"""A group of commands: how a failure becomes one line and an exit code, and which options every command has."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
import typer.core

from ppkt_zoo.cli.streams import say
from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.limits import memory_named

# Exit codes; `ppkt-zoo --help` lists them.
FAILED = 2
STOPPED = 3
INTERRUPTED = 130
_MODULE = "--module"


def _show_warning(message: Warning | str, *_: Any) -> None:
    say("warning", "bold yellow", message)


@contextmanager
def may_stop() -> Iterator[None]:
    """Where a run was stopped with a checkpoint, say so and end with exit code 3."""
    from ppkt_zoo.engine.interrupt import Stopped

    try:
        yield
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None


class Group(typer.core.TyperGroup):
    """Turns our errors into one line and an exit code, and gives every command the option ``--module``.

    ``PPKT_ZOO_DEBUG=1`` lets errors through.
    """

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None and not isinstance(command, Group):
            _add_module_option(command)
        return command

    def invoke(self, ctx: Any) -> Any:
        debug = os.environ.get("PPKT_ZOO_DEBUG") == "1"
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            try:
                if debug:
                    return super().invoke(ctx)
                with memory_named(f"ppkt-zoo {ctx.invoked_subcommand or ''}".strip(), InputError):
                    return super().invoke(ctx)
            except (PPKTZooError, OSError) as error:
                if debug or isinstance(error, BrokenPipeError):
                    raise
                say("error", "bold red", _words(error))
                raise typer.Exit(FAILED) from None
            except RecursionError:
                if debug:
                    raise
                say("error", "bold red", "the input is nested too deeply: a file is damaged, or made to do harm")
                raise typer.Exit(FAILED) from None
            except KeyboardInterrupt:
                say("stopped", "bold yellow", "interrupted; unfinished files were not written")
                raise typer.Exit(INTERRUPTED) from None


def _add_module_option(command: Any) -> None:
    if any(_MODULE in parameter.opts for parameter in command.params):
        return
    # The framework makes the option out of a declaration, as it does for those of every other command.
    holder = typer.Typer(add_completion=False)
    holder.command()(_declare_module)
    command.params += [one for one in typer.main.get_command(holder).params if _MODULE in one.opts]


def _import_modules(given: list[str] | None) -> None:
    if given:
        from ppkt_zoo.cli.run.user_modules import import_user_module

        for one in given:
            import_user_module(one)


def _declare_module(
    module: Annotated[
        list[str] | None,
        typer.Option(
            _MODULE,
            metavar="PATH|NAME",
            callback=_import_modules,
            expose_value=False,
            help="Import this Python module first, to register backbones of your own: its code is run.",
        ),
    ] = None,
) -> None:
    """Only its option is used."""


def _words(error: PPKTZooError | OSError) -> str:
    """An error in words; the system's own errors with the file first and without their number."""
    if isinstance(error, PPKTZooError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
