"""``ppkt-zoo pretrain | segmentation | detection | grid | teacher``: training, and testing what was trained."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.options import DeviceOption, Group, may_stop, names_and_paths
from ppkt_zoo.cli.predict import FlipsOption, VotingOption
from ppkt_zoo.cli.streams import say, tell_written

DataOption = Annotated[
    list[str] | None, typer.Option("--data", "-d", metavar="NAME=PATH", help="Folder of an entry of the recipe's data.")
]
RecipeArgument = Annotated[str, typer.Argument(help="A YAML file, or the name of a recipe that is shipped.")]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to the recipe, such as optimiser.lr=0.1")
]
CacheOption = Annotated[Path | None, typer.Option(help="Folder for rendered rooms and teacher features.")]
WorkersOption = Annotated[int, typer.Option(help="Processes that prepare data; results stay the same.", min=0)]
StopAfterOption = Annotated[int | None, typer.Option(help="Stop with a checkpoint after this many steps.", min=1)]
ModelArgument = Annotated[str, typer.Argument(help="Folder of a fine-tuned model, or its name.")]

segmentation_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Semantic segmentation: fine-tune a backbone, test a model."
)
detection_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="3D object detection: fine-tune a backbone as VoteNet, test a detector."
)
teacher_app = typer.Typer(cls=Group, no_args_is_help=True, help="2D teachers: import published ones, train your own.")


class Task(StrEnum):
    """What a backbone is fine-tuned for."""

    segmentation = "segmentation"
    detection = "detection"


class Scored(StrEnum):
    """The scenes that a grid is scored on."""

    test = "test"
    validation = "validation"


def pretrain(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    teacher: Annotated[
        Path | None,
        typer.Option("--teacher", "-t", help="The teacher's file: safetensors, or a checkpoint as published."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for checkpoints, metrics and weight; runs/WEIGHT by default."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Fail if --out holds no checkpoint to resume from.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Time five steps; report sizes, memory, time and disk space; train nothing."),
    ] = False,
    cache: CacheOption = None,
    workers: WorkersOption = 1,
    stop_after: StopAfterOption = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log all metrics for TensorBoard, in OUT/tensorboard.")
    ] = False,
) -> None:
    """Pretrain a backbone on RGB-D frames with a 2D teacher, as a recipe says, and write a weight folder.

    The same command resumes from the newest checkpoint in --out, with identical results.
    """
    from ppkt_zoo.cli.run.pretrain import pretrain_weight

    options = {"workers": workers, "stop_after": stop_after, "tensorboard": tensorboard}
    with may_stop():
        pretrain_weight(recipe, overrides or [], names_and_paths(data), teacher, out, cache, resume, dry_run, **options)


def _add_training(app: typer.Typer, task: Task, about: str) -> None:
    @app.command(
        "train",
        help=f"{about}\n\nThe same command resumes from the newest checkpoint in --out, with identical results.",
    )
    def train(
        recipe: RecipeArgument,
        overrides: OverridesArgument = None,
        data: DataOption = None,
        out: Annotated[
            Path | None,
            typer.Option(
                "--out", "-o", help="Folder for checkpoints, metrics, scores and model; runs/TASK/MODEL by default."
            ),
        ] = None,
        cache: CacheOption = None,
        workers: WorkersOption = 0,
        device: DeviceOption = "cpu",
        stop_after: StopAfterOption = None,
        no_test: Annotated[bool, typer.Option("--no-test", help="Write the model without testing it.")] = False,
    ) -> None:
        from ppkt_zoo.cli.run.finetune import train_model

        options = {"workers": workers, "device": device, "stop_after": stop_after}
        with may_stop():
            train_model(task.value, recipe, overrides or [], names_and_paths(data), cache, out, no_test, **options)


_add_training(
    segmentation_app,
    Task.segmentation,
    "Fine-tune a backbone with a linear head, as a recipe says, and test it on full clouds.",
)
_add_training(detection_app, Task.detection, "Fine-tune a backbone as VoteNet, as a recipe says, and test it.")


@segmentation_app.command("test")
def score_segmentation(
    model: ModelArgument,
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    voting: VotingOption = 1,
    flips: FlipsOption = False,
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Test a model on a recipe's test scenes: mIoU and mAcc on full clouds, and mIoU on voxels."""
    from ppkt_zoo.cli.run.finetune import score_model

    score_model(
        "segmentation", model, recipe, overrides or [], names_and_paths(data), cache, device, voting=voting, flips=flips
    )


@detection_app.command("test")
def score_detection(
    model: ModelArgument,
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Test a detector on a recipe's test scenes: average precision at overlaps of 0.25 and 0.5."""
    from ppkt_zoo.cli.run.finetune import score_model

    score_model("detection", model, recipe, overrides or [], names_and_paths(data), cache, device)


def grid(
    task: Annotated[Task, typer.Argument(help="What the backbones are fine-tuned for.")],
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    init: Annotated[
        list[str] | None,
        typer.Option(
            "--init",
            "-i",
            metavar="NAME=WEIGHT",
            help="An initialisation, e.g. scratch=random; the others are compared with the first. May be repeated.",
        ),
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(
            "--only-for",
            metavar="NAME:KEY=VALUE",
            help="A change to the recipe for one initialisation only, e.g. scratch:optimiser.lr=0.006.",
        ),
    ] = None,
    fraction: Annotated[
        list[float] | None, typer.Option("--fraction", "-f", help="Fraction of the labelled scenes; may be repeated.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds: 0, 1, …", min=1)] = 5,
    on: Annotated[Scored, typer.Option(help="The scenes that are scored.")] = Scored.test,
    data: DataOption = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the whole grid.")] = Path("runs") / "grid",
    cache: CacheOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Compare initialisations at fractions of the labels over seeds: grid.md, grid.png and grid.json.

    The same command resumes where it stopped. Several processes or machines share the runs by `accelerate launch -m
    ppkt_zoo grid …` with --out on a disk that all of them see.
    """
    from ppkt_zoo.cli.run.grid import compare

    given = names_and_paths(data)
    with may_stop():
        compare(
            task.value,
            recipe,
            overrides or [],
            init or [],
            own or [],
            fraction,
            seeds,
            given,
            out,
            cache,
            workers,
            device,
            on.value,
        )


@teacher_app.command("import")
def import_teacher(
    source: Annotated[
        Path, typer.Argument(help="mobilenet_v2_1.0_224_quant.tflite or deeplabv3_mnv2_pascal_quant.tflite.")
    ],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> None:
    """Convert a published TFLite file into a teacher's safetensors file."""
    from ppkt_zoo.teachers.tflite import import_tflite

    done = import_tflite(source, out)
    say("written", "bold green", f"{done.file}: {done.layers} layers, dequantised")
    say("recipe", "bold green", f"architecture: {done.architecture}, weights: file, sha256: {done.sha256}")
    tell_written(done.file)


@teacher_app.command("train")
def train_teacher(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder for checkpoints, metrics and the file; runs/teachers/NAME by default."
        ),
    ] = None,
    cache: CacheOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "cpu",
    stop_after: StopAfterOption = None,
) -> None:
    """Train a 2D teacher on images, by MoCo v2 or with labels, as a recipe says.

    The same command resumes from the newest checkpoint in --out, with identical results.
    """
    from ppkt_zoo.cli.run.pretrain import teach

    options = {"cache": cache, "workers": workers, "device": device, "stop_after": stop_after}
    with may_stop():
        teach(recipe, overrides or [], names_and_paths(data), out, **options)
