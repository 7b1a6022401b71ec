"""``ppkt-zoo segment`` and ``ppkt-zoo segmentation …``: name the points of a file; train and test the models for it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ppkt_zoo.cli.downstream import (
    CacheOption,
    ModelArgument,
    ModelOption,
    NoTestOption,
    OutOption,
    OverridesArgument,
    PictureOption,
    RecipeArgument,
    StopAfterOption,
    WorkersOption,
    fitted,
    folder_or_name,
    splits_of,
    tell_the_folder,
)
from ppkt_zoo.cli.options import (
    DataOption,
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
    talk_console,
    tell_written,
)

if TYPE_CHECKING:
    from ppkt_zoo.downstream.segmentation.evaluation import SegmentationScore

segmentation_app = typer.Typer(
    cls=Group, no_args_is_help=True, help="Semantic segmentation: fine-tune a backbone, test a model."
)

VotingOption = Annotated[
    int, typer.Option(help="Look at the cloud after so many turns about z, and average.", min=1, show_default=True)
]
FlipsOption = Annotated[bool, typer.Option("--flips", help="Look at each of these views mirrored too.")]


def segment(
    source: SourceArgument,
    model: ModelOption,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A .npz or .ply; SOURCE_labels.ply by default.")
    ] = None,
    picture: PictureOption = None,
    voting: VotingOption = 1,
    flips: FlipsOption = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the probability of every class, not only of the likeliest.")
    ] = False,
    every: EveryOption = None,
    frame: FrameOption = None,
    up: UpOption = None,
    intrinsics: IntrinsicsOption = None,
    depth_scale: DepthScaleOption = None,
    tile: TileOption = None,
    device: DeviceOption = "cpu",
    engine: EngineOption = "auto",
) -> None:
    """Name the class of every point of a cloud with a fine-tuned model."""
    from ppkt_zoo.cli.run.segment import segment_source

    target = Path(f"{source.resolve().stem}_labels.ply") if out is None else out
    segment_source(
        source,
        target,
        model=folder_or_name(model),
        picture=picture,
        voting=voting,
        flips=flips,
        probabilities=probabilities,
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
    tell_written(target, target.with_name(f"{target.stem}.classes.json"), picture)


@segmentation_app.command("train")
def train(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    out: OutOption = None,
    cache: CacheOption = None,
    workers: WorkersOption = 0,
    device: DeviceOption = "cpu",
    stop_after: StopAfterOption = None,
    no_test: NoTestOption = False,
) -> None:
    """Fine-tune a backbone with a linear head as a recipe says, and test it on full clouds.

    The same command goes on from the newest checkpoint in --out, to the same numbers.
    """
    from ppkt_zoo.downstream.segmentation import fit_segmentation, load_segmentation_recipe

    loaded = load_segmentation_recipe(recipe, overrides or [])
    target = Path("runs") / "segmentation" / loaded.model if out is None else out
    options = {"workers": workers, "device": device, "stop_after": stop_after}
    done = fitted(fit_segmentation, loaded, splits_of(loaded, data, cache), target, no_test, **options)
    if done.score is not None:
        _show(done.score)
    tell_the_folder(done.folder, "segment")


@segmentation_app.command("test")
def score_model(
    model: ModelArgument,
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    data: DataOption = None,
    voting: VotingOption = 1,
    flips: FlipsOption = False,
    cache: CacheOption = None,
    device: DeviceOption = "cpu",
) -> None:
    """Score a model on the test scenes of a recipe: mIoU and mAcc on full clouds, voxels beside them."""
    from ppkt_zoo.downstream.segmentation import evaluate_segmentation, load_segmentation, load_segmentation_recipe

    loaded = load_segmentation_recipe(recipe, overrides or [])
    test = splits_of(loaded, data, cache).test
    network = load_segmentation(folder_or_name(model), device=device)
    _show(evaluate_segmentation(network, test, voting=voting, flips=flips))


def _show(score: "SegmentationScore") -> None:
    from ppkt_zoo.cli.run.segmentation_table import segmentation_table

    new_console().print(segmentation_table(score))
