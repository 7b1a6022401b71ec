"""``ppkt-zoo teacher …``: 2D teachers."""

from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.options import STOPPED, DataOption, DeviceOption, Group, names_and_paths, say, tell_written

teacher_app = typer.Typer(cls=Group, no_args_is_help=True, help="2D teachers: import published files, train your own.")


@teacher_app.command("import")
def import_teacher(
    source: Annotated[
        Path, typer.Argument(help="mobilenet_v2_1.0_224_quant.tflite or deeplabv3_mnv2_pascal_quant.tflite.")
    ],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> None:
    """Turn a published TFLite file into a teacher's safetensors file."""
    from ppkt_zoo.teachers.tflite import import_tflite

    done = import_tflite(source, out)
    say("written", "bold green", f"{done.file}: {done.layers} layers, dequantised")
    say("recipe", "bold green", f"architecture: {done.architecture}, weights: file, sha256: {done.sha256}")
    tell_written(done.file)


@teacher_app.command("train")
def train(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a teacher's recipe that ships with us.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as optimiser.lr=0.1")] = None,
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Checkpoints, metrics, file; runs/teachers/NAME by default.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="For rendered rooms.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare crops; the numbers stay the same.", min=0)] = 0,
    device: DeviceOption = "cpu",
    stop_after: Annotated[int | None, typer.Option(help="End with a checkpoint after so many steps.", min=1)] = None,
) -> None:
    """Train a 2D teacher on images alone, by MoCo v2 or with labels, as a recipe says.

    The same command goes on from the newest checkpoint in --out, to the same numbers.
    """
    from ppkt_zoo.engine.interrupt import Stopped
    from ppkt_zoo.teachers.training import load_teacher_recipe, train_teacher

    loaded = load_teacher_recipe(recipe, overrides or [])
    target = Path("runs") / "teachers" / loaded.teacher if out is None else out
    folders = names_and_paths(data)
    try:
        done = train_teacher(
            loaded, data=folders, out=target, cache=cache, workers=workers, device=device, stop_after=stop_after
        )
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None
    figures = "".join(f", {name} {figure:g}" for name, figure in done.metrics.items())
    say("written", "bold green", f"{done.file}{figures}")
    say("recipe", "bold green", f"architecture: {loaded.architecture}, weights: file, sha256: {done.sha256}")
    tell_written(done.file)
