"""What the commands share: their options, what they read, and how a failure becomes one line and an exit code."""

import functools
import inspect
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

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
# Of --levels: every one, each in an array of its own.
ALL_LEVELS = "all"

DeviceOption = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")]
EngineOption = Annotated[str, typer.Option(help="Implementation of sparse convolution: auto, torch, spconv, …")]
WeightOption = Annotated[
    str | None,
    typer.Option("--weight", "-w", help="A name that `list` prints, local-dir:PATH or hf-hub:OWNER/REPO@COMMIT."),
]


def out_option(help: str) -> Any:
    """``--out`` of a command, for its annotation."""
    return typer.Option("--out", "-o", help=help)


@dataclass(frozen=True, kw_only=True)
class FrameReading:
    """Which RGB-D frames are read, and how: each field is an option of the commands that read frames."""

    path: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A folder of RGB-D frames, in any of the supported formats.")
    ]
    every: Annotated[
        int | None, typer.Option(help="Use every n-th frame; by default all, `inspect` at most 400.", min=1)
    ] = None
    intrinsics: Annotated[
        str | None,
        typer.Option(
            metavar="FX,FY,CX,CY|FILE",
            help="Camera intrinsics, for frames without: four numbers in pixels, the nine of a 3×3 matrix, or a file.",
        ),
    ] = None
    depth_scale: Annotated[
        float | None,
        typer.Option(
            help="For frames: stored depth units per metre, such as 1000 for millimetres, 5000 for TUM, 4000 or 10000 "
            "for some RealSense cameras; by default that of the format."
        ),
    ] = None
    up: Annotated[
        str | None, typer.Option(help="How poses are turned so that z points up: gravity (default), camera-y, world-z.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Reading(FrameReading):
    """Which points are read, how, and what computes on them."""

    path: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="A point cloud (ply, pcd, las, npz, …) or a folder of RGB-D frames."),
    ]
    every: Annotated[
        int | None, typer.Option(help="For frames: use every n-th one; by default about 40 are used.", min=1)
    ] = None
    frame: Annotated[int | None, typer.Option(help="For frames: use this one alone, counted from 0.", min=0)] = None
    up: Annotated[
        str | None,
        typer.Option(
            help="For a point cloud, the axis that points up (z by default, y, -y, …), or gravity to find it from the "
            "surfaces. For frames: gravity (default), camera-y, world-z."
        ),
    ] = None
    tile: Annotated[
        str,
        typer.Option(
            metavar="auto|none|METRES",
            help="How clouds too big for memory are cut: auto (boxes of some 800 000 voxels), none, or square columns "
            "with edges of this many metres. Parts overlap, so that cutting takes several times as long.",
        ),
    ] = "none"
    device: DeviceOption = "cpu"
    engine: EngineOption = "auto"


# As ppkt_zoo.points.readout_spec has them, which would import much before a command is called.
PurposeName = StrEnum("PurposeName", "many_classes few_labels similarity")
SamplingName = StrEnum("SamplingName", "nearest trilinear")


@dataclass(frozen=True, kw_only=True)
class FeatureReading(Reading):
    """Which points are read, and how a point's features are read from the network's levels."""

    read_out: Annotated[
        PurposeName | None,
        typer.Option(help="Read features as the weight recommends for this purpose, in place of the four below."),
    ] = None
    levels: Annotated[
        str,
        typer.Option(
            metavar="last|concat|LEVEL",
            help="The finest level, all levels on one scale in one array, or a level by its name.",
        ),
    ] = "last"
    sampling: Annotated[
        SamplingName, typer.Option(help="The feature of a point's own voxel, or interpolated between occupied voxels.")
    ] = SamplingName.nearest
    extras: Annotated[
        str, typer.Option(metavar="color,height", help="Append colour, or height above the floor, to the features.")
    ] = ""
    views: Annotated[int, typer.Option(help="Mean of the features over this many turns about the vertical.", min=1)] = 1

    @property
    def is_plain(self) -> bool:
        """Whether a level's own features are asked for."""
        plain = self.read_out is None and self.sampling is SamplingName.nearest
        return plain and not self.extras and self.views == 1

    @property
    def how(self) -> dict[str, Any]:
        """Keyword arguments of ``encode`` beside ``levels``."""
        extras = tuple(one.strip() for one in self.extras.split(",") if one.strip())
        readout = None if self.read_out is None else self.read_out.value
        return {"sampling": self.sampling.value, "extras": extras, "views": self.views, "readout": readout}


def with_options(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that the fields of one of its parameters are, and fill that parameter, a dataclass.

    Args:
        left_out: fields that are no option of this command.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())
        hints = get_type_hints(command, include_extras=True)
        place = next(number for number, one in enumerate(own) if is_dataclass(hints[one.name]))
        filled_one = own.pop(place).name
        kind = hints[filled_one]
        of_fields = get_type_hints(kind, include_extras=True)
        options = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=of_fields[one.name],
            )
            for one in fields(kind)
            if one.name not in left_out
        ]

        @functools.wraps(command)
        def filled(**given: Any) -> None:
            given[filled_one] = kind(**{option.name: given.pop(option.name) for option in options})
            command(**given)

        own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name]) for one in own]
        # The framework reads both of these: the source or recipe comes first, and how it is read last.
        parameters = [*own[:place], options[0], *own[place:], *options[1:]]
        del filled.__wrapped__
        filled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        filled.__annotations__ = {one.name: one.annotation for one in parameters}
        return filled

    return decorate


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


def named_values(option: str, what: str, example: str, entries: list[str] | None) -> dict[str, str]:
    """All of an option such as ``--data``, NAME=PATH; InputError where one is something else, or a name comes twice."""
    found: dict[str, str] = {}
    for entry in entries or []:
        name, equals, value = entry.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{option} {entry!r} must be NAME={what}, e.g. {option} {example}")
        if name in found:
            raise InputError(f"{option} gives {name!r} twice, as {found[name]} and as {value}: leave one out")
        found[name] = value
    return found


def numbers(option: str, text: str, example: str = "525,525,319.5,239.5") -> tuple[float, ...]:
    """Numbers separated by commas; InputError where it is something else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} must be numbers separated by commas, e.g. {example}") from None
