"""``ppkt-zoo …``: a thin face over the functions of the package.

Nothing heavy is imported before a command needs it, so that ``--help`` answers at once.
"""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ppkt_zoo.cli.convert import convert_app
from ppkt_zoo.cli.data import data_app
from ppkt_zoo.cli.detect import detect, detection_app
from ppkt_zoo.cli.grid import grid
from ppkt_zoo.cli.options import (
    FAILED,
    INTERRUPTED,
    DepthScaleOption,
    DeviceOption,
    EngineOption,
    EveryOption,
    FrameOption,
    Group,
    IntrinsicsOption,
    SourceArgument,
    TileOption,
    UpOption,
    camera,
    new_console,
    numbers,
    say,
    talk_console,
    tell_written,
)
from ppkt_zoo.cli.pretrain import pretrain
from ppkt_zoo.cli.publish import publish
from ppkt_zoo.cli.segment import segment, segmentation_app
from ppkt_zoo.cli.stock import cache, fetch
from ppkt_zoo.cli.streams import finish, prepare_streams, stop_on_terminate
from ppkt_zoo.cli.teacher import teacher_app
from ppkt_zoo.errors import PPKTZooError, UnknownNameError

_ABOUT = "Pretrained 3D backbones: a feature worth using for every point of your cloud."
_CODES = (
    "Results go to standard output: tables, and the path of every file that was written, a line each. Progress, "
    "warnings and errors go to standard error. "
    "Exit codes: 0 done; 2 the command, a file or an argument does not fit; 3 a run was "
    "stopped with a checkpoint and the same command goes on; 130 interrupted by Ctrl-C; 143 ended by SIGTERM; "
    "1 a fault of ppkt-zoo itself."
)

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_ABOUT,
    epilog=_CODES,
)

WeightOption = Annotated[
    str | None,
    typer.Option("--weight", "-w", help="A name of `list weights`, local-dir:PATH or hf-hub:OWNER/REPO@COMMIT."),
]
BasisOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|own",
        help="Which features get which colour in the picture: by default the weight's own basis, the same for every "
        "cloud; 'own' fits one to this cloud alone; or a file of --save-basis.",
    ),
]


class What(StrEnum):
    """What `list` lists."""

    weights = "weights"
    backbones = "backbones"


def _tell_version(asked: bool) -> None:
    if asked:
        import ppkt_zoo

        typer.echo(f"ppkt-zoo {ppkt_zoo.__version__}")
        raise typer.Exit


@app.callback(help=_ABOUT, epilog=_CODES)
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Tell the version and end.")
    ] = False,
    module: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|NAME",
            help="Import this Python module first, which registers backbones of your own: its code runs. May be "
            "repeated, and given after the command too; PPKT_ZOO_MODULES names modules for every command.",
        ),
    ] = None,
) -> None:
    """What stands before every command."""
    from ppkt_zoo.cli.run.user_modules import import_user_module, modules_of_environment

    for one in (*modules_of_environment(), *(module or ())):
        import_user_module(one)


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="Of the room.", min=0)] = 7,
    out: Annotated[Path, typer.Option(help="Folder for what it writes.")] = Path("ppkt_demo"),
    weight: WeightOption = None,
) -> None:
    """Make a room, encode it with a pretrained weight, draw its features. Needs no file and no network."""
    from ppkt_zoo.cli.run.demo import run_demo

    tell_written(*vars(run_demo(out, seed, weight, talk_console())).values())


@app.command()
def encode(
    source: SourceArgument,
    weight: WeightOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .npz or .ply; SOURCE_features.npz by default.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Draw the features into this .png too.")
    ] = None,
    levels: Annotated[
        bool, typer.Option("--levels", help="Write the features of every level, not only the finest.")
    ] = False,
    half: Annotated[
        bool, typer.Option("--half", help="Write features as 16-bit floats, half as large; into .npz alone.")
    ] = False,
    basis: BasisOption = None,
    save_basis: Annotated[
        Path | None,
        typer.Option(help="Write the picture's colour basis into this .safetensors, for --basis of other pictures."),
    ] = None,
    every: EveryOption = None,
    frame: FrameOption = None,
    up: UpOption = None,
    intrinsics: IntrinsicsOption = None,
    depth_scale: DepthScaleOption = None,
    tile: TileOption = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Give every point of a cloud a feature: xyz, rgb and features into one file."""
    from ppkt_zoo.cli.run.encode import encode_source

    target = Path(f"{source.resolve().stem}_features.npz") if out is None else out
    encode_source(
        source,
        target,
        weight=weight,
        picture=picture,
        levels="all" if levels else "last",
        half=half,
        basis=basis,
        save_basis=save_basis,
        every=every,
        frame=frame,
        up=up,
        intrinsics=camera(intrinsics),
        depth_scale=depth_scale,
        tile=tile,
        device=device,
        engine=engine,
        console=talk_console(),
    )
    tell_written(target, picture, save_basis)


@app.command()
def similar(
    source: SourceArgument,
    at: Annotated[str, typer.Option("--at", metavar="X,Y,Z", help="Near the point that is picked, metres, z up.")],
    weight: WeightOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .npz or .ply; SOURCE_similar.ply by default.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Draw what is alike into this .png too.")
    ] = None,
    apart: Annotated[
        float, typer.Option(metavar="METRES", help="What lies nearer to the picked point is not elsewhere.", min=0)
    ] = 0.5,
    every: EveryOption = None,
    frame: FrameOption = None,
    up: UpOption = None,
    intrinsics: IntrinsicsOption = None,
    depth_scale: DepthScaleOption = None,
    tile: TileOption = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Pick a point and see what is alike: the similarity of every point's feature to its own."""
    from ppkt_zoo.cli.run.similar import similar_source

    target = Path(f"{source.resolve().stem}_similar.ply") if out is None else out
    similar_source(
        source,
        numbers("--at", at, "1.2,0.5,0.8"),
        target,
        weight=weight,
        picture=picture,
        apart=apart,
        every=every,
        frame=frame,
        up=up,
        intrinsics=camera(intrinsics),
        depth_scale=depth_scale,
        tile=tile,
        device=device,
        engine=engine,
        console=talk_console(),
    )
    tell_written(target, picture)


@app.command("list")
def list_command(
    what: Annotated[What, typer.Argument(help="Weights, or the architectures they are of.")] = What.weights,
    pattern: Annotated[str, typer.Argument(metavar="FILTER", help="A wildcard, such as 'sr_unet14*'.")] = "*",
) -> None:
    """What there is to load."""
    from ppkt_zoo.cli.run import tables

    console = new_console()
    found = tables.backbones_table(pattern) if what is What.backbones else tables.weights_table(pattern)
    if found.row_count == 0:
        hint = "" if pattern == "*" else f" that matches {pattern!r}"
        console.print(f"no {what.value.rstrip('s')} is listed{hint}", markup=False)
    else:
        console.print(found)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A weight or a backbone.")]) -> None:
    """How a weight was made, what it is worth, and what may be done with it."""
    from ppkt_zoo.cli.run import tables

    new_console().print(tables.show_table(name))


@app.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="A weight; all that travel with the package where not given.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight; fetches those on the Hub.")] = False,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Prove that a weight still gives its recorded features on this machine."""
    from ppkt_zoo.zoo.load import verify as verify_weight
    from ppkt_zoo.zoo.manifest import BundledSource, load_manifest

    if name is not None and everything:
        raise UnknownNameError(f"give the name {name!r} or --all, not both")
    listed = load_manifest().weights
    names = [name] if name else [one.name for one in listed if everything or isinstance(one.source, BundledSource)]
    console = new_console()
    failed: list[str] = []
    for one in names:
        try:
            console.print(Text.assemble(("✓ ", "bold green"), str(verify_weight(one, engine=engine, device=device))))
        except PPKTZooError as error:
            if name is not None:
                raise
            say("error", "bold red", error)
            failed.append(one)
    if not names:
        console.print("no weight is listed yet: nothing to verify")
    if failed:
        raise typer.Exit(FAILED)


app.command()(pretrain)
app.add_typer(data_app, name="data")
app.add_typer(teacher_app, name="teacher")
app.command()(segment)
app.add_typer(segmentation_app, name="segmentation")
app.command()(detect)
app.add_typer(detection_app, name="detection")
app.command()(grid)
app.add_typer(convert_app, name="convert")
app.command()(publish)
app.command()(fetch)
app.command()(cache)


@app.command()
def version() -> None:
    """The version of ppkt-zoo, and of what it stands on."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    import ppkt_zoo

    typer.echo(f"ppkt-zoo {ppkt_zoo.__version__}")
    for package in ("torch", "torchvision", "spconv-cu120", "spconv-cu126", "spconv-triton"):
        try:
            typer.echo(f"{package} {installed(package)}")
        except PackageNotFoundError:
            continue


def main() -> None:
    """Entry point of ``ppkt-zoo``."""
    # Before torch and numpy are loaded: by default their threads wait for each other in a busy loop, and where
    # another program wants a core too, that makes many small products up to a hundred times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_streams()
    stop_on_terminate()
    code: int | str | None = 0
    try:
        app()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(finish(code))
