"""What every file of the command line shares: console, messages, error handling, options' values."""

import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.text import Text

from ppkt_zoo.errors import InputError, PPKTZooError

FAILED = 2
STOPPED = 3
# Where output goes to a file, tables may be wider than the 80 columns that are assumed there.
_FILE_WIDTH = 160

SourceArgument = Annotated[Path, typer.Argument(help="A point file (ply, pcd, npz, …), or a folder of RGB-D frames.")]
EveryOption = Annotated[
    int | None, typer.Option(help="Of a folder: every n-th frame; by default about 40 of them.", min=1)
]
FrameOption = Annotated[int | None, typer.Option(help="Of a folder: this frame alone, from 0.", min=0)]
UpOption = Annotated[
    str | None,
    typer.Option(help="Of a file: the axis that points up, z, y, -y, …  Of frames: gravity, camera-y, world-z."),
]
TileOption = Annotated[float | None, typer.Option(help="Go in square columns of so many metres, for huge clouds.")]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
EngineOption = Annotated[str, typer.Option(help="Who does the sparse convolutions: auto, torch, spconv, …")]
IntrinsicsOption = Annotated[
    str | None, typer.Option(metavar="FX,FY,CX,CY", help="Of a folder of frames without its own.")
]

DataOption = Annotated[
    list[str] | None, typer.Option("--data", "-d", metavar="NAME=PATH", help="Folder of a data entry.")
]


def new_console(stderr: bool = False) -> Console:
    """Where output goes: as wide as the terminal, wider in a file."""
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    return console


def say(word: str, style: str, message: object) -> None:
    """One line on stderr that begins with a coloured word."""
    new_console(stderr=True).print(Text.assemble((f"{word}: ", style), str(message)), soft_wrap=True)


def _show_warning(message: Warning | str, *_: Any) -> None:
    say("warning", "bold yellow", message)


class Group(typer.core.TyperGroup):
    """Turns our errors into one line and exit code 2; ``PPKT_ZOO_DEBUG=1`` lets them through."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            try:
                return super().invoke(ctx)
            except (PPKTZooError, OSError) as error:
                if os.environ.get("PPKT_ZOO_DEBUG") == "1" or isinstance(error, BrokenPipeError):
                    raise
                say("error", "bold red", error)
                raise typer.Exit(FAILED) from None


def name_and_path(entry: str) -> tuple[str, Path]:
    """``NAME=PATH`` of ``--data``; InputError where it is something else."""
    name, equals, path = entry.partition("=")
    if not equals or not name or not path:
        raise InputError(f"--data {entry!r} must be NAME=PATH, e.g. --data icl_livingroom=frames/icl_livingroom")
    return name, Path(path)


def numbers(option: str, text: str, example: str = "525,525,319.5,239.5") -> tuple[float, ...]:
    """Numbers with commas between; InputError where it is something else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} must be numbers with commas between, e.g. {example}") from None
