"""``ppkt-zoo segment`` and ``ppkt-zoo segmentation …``: name the points of a file; train and test the models for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ppkt_zoo.cli_common import (
    STOPPED,
    DataOption,
    DeviceOption,
    EngineOption,
    EveryOption,
    FrameOption,
    Group,
    IntrinsicsOption,
    SourceArgument,
    TileOption,
    UpOption,
    name_and_path,
    new_console,
    numbers,
    say,
)

if TYPE_CHECKING:
    from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore

segmentation_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Semantic segmentation: fine-tune a backbone, test a model."
)

VotingOption = Annotated[
    int, typer.Option(help="Look at the cloud after so many turns about z, and average.", min=1, show_default=True)
]
ModelOption = Annotated[
    str,
    typer.Option("--model", "-m", help="Folder of a fine-tuned model, or hf-hub:OWNER/REPO@COMMIT."),
]
CacheOption = Annotated[Path | None, typer.Option(help="For the scans of rooms.")]


def segment(
    source: SourceArgument,
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .npz or .ply; SOURCE_labels.ply by default.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", "-p", help="Draw the classes into this .png, with a legend.")
    ] = None,
    voting: VotingOption = 1,
    flips: Annotated[bool, typer.Option("--flips", help="Look at each of these views mirrored too.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the probability of every class, not only of the likeliest.")
    ] = False,
    every: EveryOption = None,
    frame: FrameOption = None,
    up: UpOption = None,
    intrinsics: IntrinsicsOption = None,
    tile: TileOption = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Name the class of every point of a cloud with a fine-tuned model."""
    from ppkt_zoo.segment_file import segment_source

    segment_source(
        source,
        Path(f"{source.resolve().stem}_labels.ply") if out is None else out,
        model=_folder_or_name(model),
        picture=picture,
        voting=voting,
        flips=flips,
        probabilities=probabilities,
        every=every,
        frame=frame,
        up=up,
        intrinsics=None if intrinsics is None else numbers("--intrinsics", intrinsics),
        tile=tile,
        device=device,
        engine=engine,
        console=new_console(),
    )


@segmentation_app.command("train")
def train(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or one that ships: rooms_bench, s3dis, scannet.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as init=random fraction=0.1")
    ] = None,
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Checkpoints, metrics, scores, model; runs/segmentation/MODEL.")
    ] = None,
    cache: CacheOption = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare batches; the numbers stay the same.", min=0)] = 0,
    device: DeviceOption = "cpu",
    stop_after: Annotated[int | None, typer.Option(help="End with a checkpoint after so many steps.", min=1)] = None,
    no_test: Annotated[bool, typer.Option("--no-test", help="Write the model without testing it.")] = False,
) -> None:
    """Fine-tune a backbone with a linear head as a recipe says, and test it on full clouds.

    The same command goes on from the newest checkpoint in --out, to the same numbers.
    """
    from ppkt_zoo.downstream.segmentation import fit_segmentation, load_segmentation_recipe, open_splits
    from ppkt_zoo.running.cache import default_cache
    from ppkt_zoo.running.interrupt import Stopped

    loaded = load_segmentation_recipe(recipe, overrides or [])
    folders = dict(name_and_path(entry) for entry in data or [])
    splits = open_splits(loaded, folders, default_cache() if cache is None else cache)
    target = Path("runs") / "segmentation" / loaded.model if out is None else out
    try:
        done = fit_segmentation(
            loaded,
            splits.train,
            splits.validation,
            target,
            test=None if no_test else splits.test,
            workers=workers,
            device=device,
            stop_after=stop_after,
        )
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None
    if done.score is not None:
        _show(done.score)
    console = new_console()
    console.print(f"wrote {done.folder}, the model, with its card and golden output", markup=False, soft_wrap=True)
    console.print(f"next: ppkt-zoo segment FILE --model {done.folder}", markup=False, soft_wrap=True)


@segmentation_app.command("test")
def score_model(
    model: Annotated[str, typer.Argument(help="Folder of a fine-tuned model, or its name.")],
    recipe: Annotated[str, typer.Argument(help="The recipe whose test scenes it is asked about.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as data.test=5")] = None,
    data: DataOption = None,
    voting: VotingOption = 1,
    flips: Annotated[bool, typer.Option("--flips", help="Look at each of these views mirrored too.")] = False,
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Score a model on the test scenes of a recipe: mIoU and mAcc on full clouds, voxels beside them."""
    from ppkt_zoo.downstream.segmentation import (
        evaluate_segmentation,
        load_segmentation,
        load_segmentation_recipe,
        open_splits,
    )
    from ppkt_zoo.running.cache import default_cache

    loaded = load_segmentation_recipe(recipe, overrides or [])
    folders = dict(name_and_path(entry) for entry in data or [])
    splits = open_splits(loaded, folders, default_cache() if cache is None else cache)
    network = load_segmentation(_folder_or_name(model), device=device)
    _show(evaluate_segmentation(network, splits.test, voting=voting, flips=flips))


def _folder_or_name(model: str) -> str | Path:
    return Path(model) if Path(model).expanduser().is_dir() else model


def _show(score: "SegmentationScore") -> None:
    from ppkt_zoo.view.segmentation_table import segmentation_table

    new_console().print(segmentation_table(score))
