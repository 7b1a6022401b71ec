"""What every file of the command line shares: consoles, messages, error handling, options' values."""

import os
import re
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.text import Text

from ppkt_zoo.errors import InputError, PPKTZooError, printable
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.terminal import SafeConsole
from ppkt_zoo.files.text import unbroken

# Exit codes; `ppkt-zoo --help` lists them.
FAILED = 2
STOPPED = 3
INTERRUPTED = 130
# Where output does not go to a terminal, a row of a table is a line, however long: `ppkt-zoo list | grep`.
_FILE_WIDTH = 10_000
_MODULE = "--module"

SourceArgument = Annotated[Path, typer.Argument(help="A point file (ply, pcd, npz, …), or a folder of RGB-D frames.")]
EveryOption = Annotated[
    int | None, typer.Option(help="Of a folder: every n-th frame; by default about 40 of them.", min=1)
]
FrameOption = Annotated[int | None, typer.Option(help="Of a folder: this frame alone, from 0.", min=0)]
UpOption = Annotated[
    str | None,
    typer.Option(
        help="Of a file: the axis that points up (z, y, -y, …; z by default), or gravity to find it by its surfaces. "
        "Of frames: gravity (default), camera-y, world-z."
    ),
]
TileOption = Annotated[float | None, typer.Option(help="Go in square columns of so many metres, for huge clouds.")]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
EngineOption = Annotated[str, typer.Option(help="Who does the sparse convolutions: auto, torch, spconv, …")]
IntrinsicsOption = Annotated[
    str | None,
    typer.Option(
        metavar="FX,FY,CX,CY|FILE",
        help="Of a folder of frames without its own: four numbers in pixels, nine of a 3×3 matrix, or a file of them.",
    ),
]
DepthScaleOption = Annotated[
    float | None,
    typer.Option(
        help="Of a folder of frames: stored units of depth in a metre, such as 1000 for millimetres, 5000 for TUM, "
        "4000 or 10000 for some RealSense cameras; the format's own by default."
    ),
]

DataOption = Annotated[
    list[str] | None, typer.Option("--data", "-d", metavar="NAME=PATH", help="Folder of a data entry.")
]


def new_console(stderr: bool = False) -> Console:
    """Where output goes: as wide as the terminal, and as wide as its lines are anywhere else."""
    console = SafeConsole(stderr=stderr)
    if not getattr(console.file, "isatty", bool)():
        console.width = _FILE_WIDTH
    return console


def talk_console() -> Console:
    """Where progress and remarks go: standard error, so that standard output holds results alone."""
    return new_console(stderr=True)


def say(word: str, style: str, message: object) -> None:
    """One line on stderr that begins with a coloured word."""
    talk_console().print(Text.assemble((f"{word}: ", style), unbroken(message)), soft_wrap=True)


def tell_written(*paths: Path | str | None) -> None:
    """The files that were written, a line each on standard output, for scripts."""
    for path in paths:
        if path is not None:
            typer.echo(printable(str(path)).replace("\n", "\\n"))


def _show_warning(message: Warning | str, *_: Any) -> None:
    say("warning", "bold yellow", message)


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
                say("error", "bold red", "what was read is nested too deeply: a file is damaged, or made to do harm")
                raise typer.Exit(FAILED) from None
            except KeyboardInterrupt:
                say("stopped", "bold yellow", "interrupted; what was not finished was not written")
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
        from ppkt_zoo.user_modules import import_user_module

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
            help="Import this Python module first, which registers backbones of your own: its code runs.",
        ),
    ] = None,
) -> None:
    """Only its option is used."""


def _words(error: PPKTZooError | OSError) -> str:
    """An error in words; the system's own errors with the file first and without their number."""
    if isinstance(error, PPKTZooError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror


def name_and_path(entry: str) -> tuple[str, Path]:
    """``NAME=PATH`` of ``--data``; InputError where it is something else."""
    name, equals, path = entry.partition("=")
    if not equals or not name or not path:
        raise InputError(f"--data {entry!r} must be NAME=PATH, e.g. --data icl_livingroom=frames/icl_livingroom")
    return name, Path(path).expanduser()


def names_and_paths(entries: list[str] | None) -> dict[str, Path]:
    """All of ``--data``; InputError where one is something else, or a name comes twice."""
    folders: dict[str, Path] = {}
    for name, path in map(name_and_path, entries or []):
        if name in folders:
            raise InputError(f"--data gives {name!r} twice, as {folders[name]} and as {path}: leave one out")
        folders[name] = path
    return folders


def numbers(option: str, text: str, example: str = "525,525,319.5,239.5") -> tuple[float, ...]:
    """Numbers with commas between; InputError where it is something else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} must be numbers with commas between, e.g. {example}") from None


def camera(text: str | None) -> Any:
    """The value of ``--intrinsics``: (fx, fy, cx, cy), a 3×3 matrix, or what a file says; None where not given.

    Raises:
        InputError: neither numbers nor a file.
        FrameError: the file holds no intrinsics.
    """
    if text is None:
        return None
    if Path(text).expanduser().is_file():
        from ppkt_zoo.data.cameras import read_intrinsics

        return read_intrinsics(Path(text).expanduser())
    try:
        found = numbers("--intrinsics", ",".join(re.split(r"[,;\s]+", text.strip(" \t[]()"))))
    except InputError:
        raise InputError(
            f"--intrinsics {text!r} must be numbers with commas between, e.g. 525,525,319.5,239.5, or a file of them, "
            "and no such file is there"
        ) from None
    if len(found) == 9:
        return [found[0:3], found[3:6], found[6:9]]
    if len(found) != 4:
        raise InputError(f"--intrinsics {text!r} holds {len(found)} numbers: give fx,fy,cx,cy or the nine of a matrix")
    return found
