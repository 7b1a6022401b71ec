"""``ppkt-zoo …``: a thin face over the functions of the package.

Nothing heavy is imported before a command needs it, so that ``--help`` answers at once.
"""

import os
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.console import Console
from rich.text import Text

from ppkt_zoo.errors import InputError, PPKTZooError, RecipeError, UnknownNameError

_FAILED = 2
_STOPPED = 3
# Where output goes to a file, tables may be wider than the 80 columns that are assumed there.
_FILE_WIDTH = 160


def _console(stderr: bool = False) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _FILE_WIDTH
    return console


def _say(word: str, style: str, message: object) -> None:
    _console(stderr=True).print(Text.assemble((f"{word}: ", style), str(message)), soft_wrap=True)


def _show_warning(message: Warning | str, *_: Any) -> None:
    _say("warning", "bold yellow", message)


class _Group(typer.core.TyperGroup):
    """Turns our errors into one line and exit code 2; ``PPKT_ZOO_DEBUG=1`` lets them through."""

    def invoke(self, ctx: Any) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            try:
                return super().invoke(ctx)
            except (PPKTZooError, OSError) as error:
                if os.environ.get("PPKT_ZOO_DEBUG") == "1" or isinstance(error, BrokenPipeError):
                    raise
                _say("error", "bold red", error)
                raise typer.Exit(_FAILED) from None


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Pretrained 3D backbones: a feature worth using for every point of your cloud.",
)

WeightOption = Annotated[
    str | None,
    typer.Option("--weight", "-w", help="A name of `list weights`, local-dir:PATH or hf-hub:OWNER/REPO@COMMIT."),
]

IntrinsicsOption = Annotated[
    str | None, typer.Option(metavar="FX,FY,CX,CY", help="Of a folder of frames without its own.")
]


class What(StrEnum):
    """What `list` lists."""

    weights = "weights"
    backbones = "backbones"


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="Of the room.", min=0)] = 7,
    out: Annotated[Path, typer.Option(help="Folder for what it writes.")] = Path("ppkt_demo"),
    weight: WeightOption = None,
) -> None:
    """Make a room, encode it with a pretrained weight, draw its features. Needs no file and no network."""
    from ppkt_zoo.demo import run_demo

    run_demo(out, seed, weight, _console())


@app.command()
def encode(
    source: Annotated[Path, typer.Argument(help="A point file (ply, pcd, npz, …), or a folder of RGB-D frames.")],
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
    every: Annotated[
        int | None, typer.Option(help="Of a folder: every n-th frame; by default about 40 of them.", min=1)
    ] = None,
    frame: Annotated[int | None, typer.Option(help="Of a folder: this frame alone, from 0.", min=0)] = None,
    up: Annotated[
        str | None,
        typer.Option(help="Of a file: the axis that points up, z, y, -y, …  Of frames: gravity, camera-y, world-z."),
    ] = None,
    intrinsics: IntrinsicsOption = None,
    tile: Annotated[
        float | None, typer.Option(help="Encode in square columns of so many metres, for huge clouds.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, …")] = "cpu",
    engine: Annotated[str, typer.Option(help="Who does the sparse convolutions: auto, torch, spconv, …")] = "auto",
) -> None:
    """Give every point of a cloud a feature: xyz, rgb and features into one file."""
    from ppkt_zoo.encode_file import encode_source

    target = Path(f"{source.resolve().stem}_features.npz") if out is None else out
    encode_source(
        source,
        target,
        weight=weight,
        picture=picture,
        levels="all" if levels else "last",
        every=every,
        frame=frame,
        up=up,
        intrinsics=None if intrinsics is None else _numbers("--intrinsics", intrinsics),
        tile=tile,
        device=device,
        engine=engine,
        console=_console(),
    )


@app.command("list")
def list_command(
    what: Annotated[What, typer.Argument(help="Weights, or the architectures they are of.")] = What.weights,
    pattern: Annotated[str, typer.Argument(metavar="FILTER", help="A wildcard, such as 'sr_unet14*'.")] = "*",
) -> None:
    """What there is to load."""
    from ppkt_zoo.view import tables

    console = _console()
    found = tables.backbones_table(pattern) if what is What.backbones else tables.weights_table(pattern)
    if found.row_count == 0:
        hint = "" if pattern == "*" else f" that matches {pattern!r}"
        console.print(f"no {what.value.rstrip('s')} is listed{hint}", markup=False)
    else:
        console.print(found)


@app.command()
def show(name: Annotated[str, typer.Argument(help="A weight or a backbone.")]) -> None:
    """How a weight was made, what it is worth, and what may be done with it."""
    from ppkt_zoo.view import tables

    _console().print(tables.show_table(name))


@app.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(help="A weight; all that travel with the package where not given.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight; fetches those on the Hub.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, …")] = "cpu",
    engine: Annotated[str, typer.Option(help="auto, torch, spconv, …")] = "auto",
) -> None:
    """Prove that a weight still gives its recorded features on this machine."""
    from ppkt_zoo.zoo.load import verify as verify_weight
    from ppkt_zoo.zoo.manifest import BundledSource, load_manifest

    if name is not None and everything:
        raise UnknownNameError(f"give the name {name!r} or --all, not both")
    listed = load_manifest().weights
    names = [name] if name else [one.name for one in listed if everything or isinstance(one.source, BundledSource)]
    console = _console()
    failed: list[str] = []
    for one in names:
        try:
            console.print(Text.assemble(("✓ ", "bold green"), str(verify_weight(one, engine=engine, device=device))))
        except PPKTZooError as error:
            if name is not None:
                raise
            _say("error", "bold red", error)
            failed.append(one)
    if not names:
        console.print("no weight is listed yet: nothing to verify")
    if failed:
        raise typer.Exit(_FAILED)


@app.command()
def pretrain(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that ships with the package.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as optimiser.lr=0.1")] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", "-d", metavar="NAME=PATH", help="Folder of a data entry.")
    ] = None,
    teacher: Annotated[Path | None, typer.Option("--teacher", "-t", help="The teacher's safetensors file.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Checkpoints, metrics, weight; runs/WEIGHT by default.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Refuse to begin anew where --out holds no checkpoint.")
    ] = False,
    cache: Annotated[Path | None, typer.Option(help="For rendered rooms and teacher features.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare data; the numbers stay the same.", min=0)] = 1,
    stop_after: Annotated[int | None, typer.Option(help="End with a checkpoint after so many steps.", min=1)] = None,
) -> None:
    """Teach a backbone from RGB-D frames and a 2D teacher, as a recipe says, into a weight folder.

    The same command goes on from the newest checkpoint in --out, to the same numbers.
    """
    from ppkt_zoo.train.interrupt import Stopped
    from ppkt_zoo.train.pretrain import pretrain as run
    from ppkt_zoo.train.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    target = Path("runs") / loaded.weight if out is None else out
    if resume and not any((target / "checkpoints").glob("step-*.safetensors")):
        raise RecipeError(
            f"{target} holds no checkpoint to go on from: give the --out of the earlier run, or leave out --resume"
        )
    folders = dict(_name_and_path(entry) for entry in data or [])
    try:
        folder = run(
            loaded, data=folders, teacher=teacher, out=target, cache=cache, workers=workers, stop_after=stop_after
        )
    except Stopped as stopped:
        _say("stopped", "bold yellow", stopped)
        raise typer.Exit(_STOPPED) from None
    console = _console()
    console.print(Text.assemble("wrote ", (str(folder), "bold cyan"), ", the weight, with its card and golden output"))
    console.print(f"next: ppkt-zoo demo --weight local-dir:{folder}", markup=False, soft_wrap=True)


data_app = typer.Typer(cls=_Group, no_args_is_help=True, help="Look at RGB-D data, and pack it for training.")
app.add_typer(data_app, name="data")


@data_app.command()
def inspect(
    source: Annotated[Path, typer.Argument(help="RGB-D frames in any format that is known.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the pictures; SOURCE_inspect by default.")
    ] = None,
    every: Annotated[
        int | None, typer.Option(help="Look at every n-th frame; by default at 400 at most.", min=1)
    ] = None,
    intrinsics: IntrinsicsOption = None,
    up: Annotated[str, typer.Option(help="How poses are turned to z up: gravity, camera-y, world-z.")] = "gravity",
) -> None:
    """What a folder of frames holds: sizes, depths, holes, poses; a sheet of frames and a map of the cameras."""
    from ppkt_zoo.inspect_frames import inspect_frames

    target = Path(f"{source.resolve().stem}_inspect") if out is None else out
    camera = None if intrinsics is None else _numbers("--intrinsics", intrinsics)
    inspect_frames(source, target, every, camera, up, _console())


@data_app.command()
def pack(
    source: Annotated[Path, typer.Argument(help="RGB-D frames in any format that is known.")],
    out: Annotated[Path, typer.Argument(help="A new folder for the shards and their index.")],
    shard_size: Annotated[int, typer.Option(help="Megabytes (10⁶ bytes) of a shard.", min=1)] = 128,
    every: Annotated[int, typer.Option(help="Take every n-th frame.", min=1)] = 1,
    intrinsics: IntrinsicsOption = None,
    up: Annotated[str, typer.Option(help="How poses are turned to z up: gravity, camera-y, world-z.")] = "gravity",
) -> None:
    """Pack frames into tar shards that the webdataset library reads too, with an index beside them."""
    from ppkt_zoo.data.listing import subset
    from ppkt_zoo.data.open_frames import open_frames
    from ppkt_zoo.data.shard_writer import pack_frames
    from ppkt_zoo.view.steps import Steps, thousands

    camera = None if intrinsics is None else _numbers("--intrinsics", intrinsics)
    with Steps(_console()).step("pack", f"packing {source}") as step:
        frames = subset(open_frames(source, camera, up), slice(0, None, every))
        index = pack_frames(frames, out, shard_size * 1_000_000)
        size = sum(shard.size for shard in index.shards) / 1e6
        files = "1 tar file" if len(index.shards) == 1 else f"{len(index.shards)} tar files"
        packed = f"{thousands(index.frames)} frames, {size:.1f} MB in {files}"
        step.text = f"{packed} and an index, in {out}"
    for line in index.skipped:
        _say("left out", "bold yellow", line)


teacher_app = typer.Typer(cls=_Group, no_args_is_help=True, help="2D teachers: bring published files into reach.")
app.add_typer(teacher_app, name="teacher")


@teacher_app.command("import")
def import_teacher(
    source: Annotated[
        Path, typer.Argument(help="mobilenet_v2_1.0_224_quant.tflite or deeplabv3_mnv2_pascal_quant.tflite.")
    ],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> None:
    """Turn a published TFLite file into a teacher's safetensors file."""
    from ppkt_zoo.transfer.teacher_import import import_tflite

    done = import_tflite(source, out)
    _say("written", "bold green", f"{done.file}: {done.layers} layers, dequantised")
    _say("recipe", "bold green", f"architecture: {done.architecture}, weights: file, sha256: {done.sha256}")


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


def _name_and_path(entry: str) -> tuple[str, Path]:
    name, equals, path = entry.partition("=")
    if not equals or not name or not path:
        raise InputError(f"--data {entry!r} must be NAME=PATH, e.g. --data icl_livingroom=frames/icl_livingroom")
    return name, Path(path)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} {text!r} must be numbers with commas between, e.g. 525,525,319.5,239.5") from None


def main() -> None:
    """Entry point of ``ppkt-zoo``."""
    # Before torch and numpy are loaded: by default their threads wait for each other in a busy loop, and where
    # another program wants a core too, that makes many small products up to a hundred times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot write ✓ or × shall show a question mark, not a traceback.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
