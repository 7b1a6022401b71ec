"""The options that every command has: ``--json``, ``--quiet``, ``--verbose`` and ``--module``."""

import functools
from typing import Annotated, Any

import typer

from ppkt_zoo.cli.output import JSON, tell_more
from ppkt_zoo.files.talk import be_quiet, is_quiet

_PANEL = "Options of every command"


@functools.cache
def options_of_all() -> tuple[Any, ...]:
    """Them, as the framework makes them out of a declaration; commands share them."""
    holder = typer.Typer(add_completion=False)
    holder.command()(_declared)
    names = {JSON, "--quiet", "--verbose", "--module"}
    return tuple(one for one in typer.main.get_command(holder).params if names.intersection(one.opts))


def _import_modules(given: list[str] | None) -> None:
    if given:
        from ppkt_zoo.cli.run.user_modules import import_user_module

        for one in given:
            import_user_module(one)


def _quiet(asked: bool) -> None:
    if asked:
        be_quiet(True)


def _verbose(asked: bool) -> None:
    if asked and is_quiet():
        raise typer.BadParameter("--quiet and --verbose contradict each other: give one of them")
    if asked:
        tell_more()


def _declared(
    json: Annotated[
        bool,
        typer.Option(
            JSON,
            expose_value=False,
            rich_help_panel=_PANEL,
            help="Answer with one JSON document; `ppkt-zoo schema COMMAND` prints what is in it.",
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            callback=_quiet,
            is_eager=True,  # before --verbose, wherever it stands
            expose_value=False,
            rich_help_panel=_PANEL,
            help="No progress, no remarks; warnings and errors are still told.",
        ),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            callback=_verbose,
            expose_value=False,
            rich_help_panel=_PANEL,
            help="Also tell versions, every file that is read, engine, device, time and memory.",
        ),
    ] = False,
    module: Annotated[
        list[str] | None,
        typer.Option(
            "--module",
            metavar="PATH|NAME",
            callback=_import_modules,
            expose_value=False,
            rich_help_panel=_PANEL,
            help="Import this Python module first, to register backbones of your own: its code is run.",
        ),
    ] = None,
) -> None:
    """Only its options are used."""
