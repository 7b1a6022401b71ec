"""``ppkt-zoo pretrain | segmentation | detection | grid | teacher``: training, and testing what was trained."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from ppkt_zoo.cli.declare import Answer, with_options
from ppkt_zoo.cli.group import Group
from ppkt_zoo.cli.known_names import model_names, recipe_names
from ppkt_zoo.cli.options import DeviceOption, named_values, out_option
from ppkt_zoo.cli.predict import FlipsOption, VotingOption

_Recipe = TypeVar("_Recipe")

WorkersOption = Annotated[int, typer.Option(help="Processes that prepare data; results stay the same.", min=0)]
ModelArgument = Annotated[
    str, typer.Argument(help="Folder of a fine-tuned model, or its name.", autocompletion=model_names)
]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Which recipe is run, on what data, and who computes: each field is an option of the commands that run recipes."""

    recipe: Annotated[
        str,
        typer.Argument(help="A YAML file, or the name of a recipe that is shipped.", autocompletion=recipe_names),
    ]
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to the recipe, such as optimiser.lr=0.1")
    ] = None
    data: Annotated[
        list[str] | None,
        typer.Option("--data", "-d", metavar="NAME=PATH", help="Folder of an entry of the recipe's data."),
    ] = None
    cache: Annotated[Path | None, typer.Option(help="Folder for rendered rooms and teacher features.")] = None
    workers: WorkersOption = 0
    device: DeviceOption = "cpu"
    stop_after: Annotated[int | None, typer.Option(help="Stop with a checkpoint after this many steps.", min=1)] = None

    def load(self, read: Callable[..., _Recipe]) -> _Recipe:
        """The recipe with its changes, as ``read`` reads it."""
        return read(self.recipe, self.overrides or [])

    @property
    def folders(self) -> dict[str, Path]:
        """All of ``--data``; InputError where one is something else than NAME=PATH, or a name comes twice."""
        given = named_values("--data", "PATH", "icl_livingroom=frames/icl_livingroom", self.data)
        return {name: Path(path).expanduser() for name, path in given.items()}

    @property
    def kept(self) -> Path:
        """Where what was computed is kept."""
        from ppkt_zoo.files.reading import default_cache

        return default_cache() if self.cache is None else self.cache


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


@with_options("workers", "device")
def pretrain(
    run: Run,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            "--teacher",
            "-t",
            metavar="FILE",
            help="The teacher's file: safetensors, or a checkpoint as published. NAME=FILE for a further teacher.",
        ),
    ] = None,
    out: Annotated[
        Path | None, out_option("Folder for checkpoints, metrics and weight; runs/WEIGHT by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Fail if --out holds no checkpoint to resume from.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Time five steps; report sizes, memory, time and disk space; train nothing."),
    ] = False,
    workers: WorkersOption = 1,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also log all metrics for TensorBoard, in OUT/tensorboard.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(metavar="WEIGHT", help="Folder or name of the weight that the recipe's section start names."),
    ] = None,
) -> Answer | None:
    """Pretrain a backbone on RGB-D frames with a 2D teacher, as a recipe says, and write a weight folder.

    The same command resumes from the newest checkpoint in --out, with identical results.
    """
    from ppkt_zoo.cli.run.pretrain import pretrain_weight

    return pretrain_weight(run, teacher, out, resume, dry_run, workers, tensorboard, start)


def _add_training(app: typer.Typer, task: Task, about: str) -> None:
    @app.command(
        "train",
        help=f"{about}\n\nThe same command resumes from the newest checkpoint in --out, with identical results.",
    )
    @with_options()
    def train(
        run: Run,
        out: Annotated[
            Path | None, out_option("Folder for checkpoints, metrics, scores and model; runs/TASK/MODEL by default.")
        ] = None,
        no_test: Annotated[bool, typer.Option("--no-test", help="Write the model without testing it.")] = False,
    ) -> Answer:
        from ppkt_zoo.cli.run.finetune import train_model

        return train_model(task.value, run, out, no_test)


_add_training(
    segmentation_app,
    Task.segmentation,
    "Fine-tune a backbone with a linear head, as a recipe says, and test it on full clouds.",
)
_add_training(detection_app, Task.detection, "Fine-tune a backbone as VoteNet, as a recipe says, and test it.")


@segmentation_app.command("test")
@with_options("workers", "stop_after")
def score_segmentation(model: ModelArgument, run: Run, voting: VotingOption = 1, flips: FlipsOption = False) -> Answer:
    """Test a model on a recipe's test scenes: mIoU and mAcc on full clouds, and mIoU on voxels."""
    from ppkt_zoo.cli.run.finetune import score_model

    return score_model("segmentation", model, run, voting=voting, flips=flips)


@detection_app.command("test")
@with_options("workers", "stop_after")
def score_detection(model: ModelArgument, run: Run) -> Answer:
    """Test a detector on a recipe's test scenes: average precision at overlaps of 0.25 and 0.5."""
    from ppkt_zoo.cli.run.finetune import score_model

    return score_model("detection", model, run)


@with_options("stop_after")
def grid(
    task: Annotated[Task, typer.Argument(help="What the backbones are fine-tuned for.")],
    run: Run,
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
    out: Annotated[Path, out_option("Folder of the whole grid.")] = Path("runs") / "grid",
) -> Answer | None:
    """Compare initialisations at fractions of the labels over seeds: grid.md, grid.png and grid.json.

    The same command resumes where it stopped. Several processes or machines share the runs by `accelerate launch -m
    ppkt_zoo grid …` with --out on a disk that all of them see.
    """
    from ppkt_zoo.cli.run.grid import compare

    return compare(task.value, run, init or [], own or [], fraction, seeds, out, on.value)


@teacher_app.command("import")
def import_teacher(
    source: Annotated[
        Path, typer.Argument(help="mobilenet_v2_1.0_224_quant.tflite or deeplabv3_mnv2_pascal_quant.tflite.")
    ],
    out: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
) -> Answer:
    """Convert a published TFLite file into a teacher's safetensors file."""
    from ppkt_zoo.cli.run.pretrain import import_teacher_file

    return import_teacher_file(source, out)


@teacher_app.command("train")
@with_options()
def train_teacher(
    run: Run,
    out: Annotated[
        Path | None, out_option("Folder for checkpoints, metrics and the file; runs/teachers/NAME by default.")
    ] = None,
) -> Answer:
    """Train a 2D teacher on images, by MoCo v2 or with labels, as a recipe says.

    The same command resumes from the newest checkpoint in --out, with identical results.
    """
    from ppkt_zoo.cli.run.pretrain import teach

    return teach(run, out)
