"""``ppkt-zoo encode | similar | segment | detect``: what a network finds in a point cloud or in RGB-D frames."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from ppkt_zoo.cli.declare import Answer, with_options
from ppkt_zoo.cli.known_names import model_names
from ppkt_zoo.cli.many_options import (
    BaseOption,
    FormatOption,
    ListOption,
    OverwriteOption,
    SourcesArgument,
    WorkersOption,
)
from ppkt_zoo.cli.options import ALL_LEVELS, EachReading, FeatureReading, Reading, WeightOption, numbers, out_option
from ppkt_zoo.cli.streams import talk_console
from ppkt_zoo.cli.view import HtmlOption

if TYPE_CHECKING:
    from ppkt_zoo.cli.run.job import Job

PictureOption = Annotated[Path | None, typer.Option("--picture", "-p", help="Also draw the result into this .png.")]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Folder of a fine-tuned model, the name of a listed one, or hf-hub:OWNER/REPO@COMMIT. The bundled one "
        "by default.",
        autocompletion=model_names,
    ),
]
VotingOption = Annotated[
    int, typer.Option(help="Average over this many rotations about the vertical axis.", min=1, show_default=True)
]
FlipsOption = Annotated[bool, typer.Option("--flips", help="Average over the mirror image of each rotation too.")]


def _run(job: "Job[Any, Any]") -> Answer:
    return job.run(talk_console())


class EncodeCommand(typer.core.TyperCommand):
    """``--levels`` alone, as 0.1 had it, asks for a file of all levels; a source or a list must be given."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of any command."""
        if "--levels" in args:
            after = args.index("--levels") + 1
            if args[after : after + 1] not in (["last"], ["concat"], [ALL_LEVELS]):
                args = [*args[:after], ALL_LEVELS, *args[after:]]
        rest = super().parse_args(ctx, args)
        if not (ctx.resilient_parsing or ctx.params.get("sources") or ctx.params.get("listed")):
            raise typer.BadParameter("give a file, a folder, or --list FILE", ctx=ctx, param_hint="'SOURCE'")
        return rest


@with_options("path")
def encode(
    reading: EachReading,
    sources: SourcesArgument = None,
    weight: WeightOption = None,
    out: Annotated[
        Path | None,
        out_option(
            "A .npz, .ply, .parquet or .zarr; SOURCE_features.npz by default. Of several sources a folder, which gets "
            "a file for each and mirrors their folders."
        ),
    ] = None,
    picture: PictureOption = None,
    html: HtmlOption = None,
    half: Annotated[
        bool, typer.Option("--half", help="Write features as 16-bit floats, which halves the file; not for .ply.")
    ] = False,
    basis: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|own",
            help="Colours of the features in the picture. By default those of the weight, the same for every cloud; "
            "'own' fits them to this cloud alone; or a file written by --save-basis.",
        ),
    ] = None,
    save_basis: Annotated[
        Path | None,
        typer.Option(help="Write the picture's colour basis into this .safetensors, for --basis of other pictures."),
    ] = None,
    listed: ListOption = None,
    form: FormatOption = None,
    workers: WorkersOption = 1,
    overwrite: OverwriteOption = False,
    base: BaseOption = None,
) -> Answer | None:
    """Compute a feature for every point of a cloud; write positions, colours and features into one file.

    `--levels all`, or `--levels` alone, writes the features of every level beside those of the finest.

    Several sources, a pattern, a list or a folder of point files give a file each in the folder --out.

    The same command resumes where it stopped. Machines share the work by `accelerate launch -m ppkt_zoo encode …`.
    """
    from ppkt_zoo.cli.run.encode import Encode
    from ppkt_zoo.cli.run.which_sources import are_many, say_what_is_encoded

    of_many = form is not None or workers > 1 or overwrite or base is not None
    job = Encode(reading, out, picture, weight, half, basis, save_basis, html=html)
    if are_many(sources or [], listed, out, of_many):
        from ppkt_zoo.cli.run.encode_many import EncodeMany

        chosen = "npz" if form is None else form.value
        return EncodeMany(job, sources or [], listed, chosen, workers, overwrite, base).run(talk_console())
    (source,) = sources or []
    say_what_is_encoded(source)
    return _run(replace(job, reading=replace(reading, path=source)))


@with_options()
def similar(
    reading: FeatureReading,
    at: Annotated[
        str, typer.Option("--at", metavar="X,Y,Z", help="Coordinates of the point to compare with: metres, z up.")
    ],
    weight: WeightOption = None,
    out: Annotated[Path | None, out_option("A .npz or .ply; SOURCE_similar.ply by default.")] = None,
    picture: PictureOption = None,
    html: HtmlOption = None,
    apart: Annotated[
        float,
        typer.Option(metavar="METRES", help="Least distance from the point to the matches, and between them.", min=0),
    ] = 0.5,
) -> Answer:
    """Find the points most similar to one: the cosine similarity of every point's feature to its feature."""
    from ppkt_zoo.cli.run.similar import Similar

    return _run(Similar(reading, out, picture, weight, numbers("--at", at, "1.2,0.5,0.8"), apart, html=html))


@with_options()
def segment(
    reading: Reading,
    model: ModelOption = None,
    out: Annotated[Path | None, out_option("A .npz or .ply; SOURCE_labels.ply by default.")] = None,
    picture: PictureOption = None,
    html: HtmlOption = None,
    voting: VotingOption = 1,
    flips: FlipsOption = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the probability of every class, not only the highest.")
    ] = False,
) -> Answer:
    """Predict the class of every point with a fine-tuned model."""
    from ppkt_zoo.cli.run.segment import Segment

    return _run(Segment(reading, out, picture, model, voting, flips, probabilities, html=html))


@with_options("tile")
def detect(
    reading: Reading,
    model: ModelOption = None,
    out: Annotated[Path | None, out_option("A .json or .npz; SOURCE_boxes.json by default.")] = None,
    picture: PictureOption = None,
    html: HtmlOption = None,
    score: Annotated[float, typer.Option(help="Leave out boxes with a lower probability.", min=0, max=1)] = 0.3,
    points: Annotated[
        int | None,
        typer.Option(help="Most points to use; a larger cloud is sampled. As many as the model learned from.", min=1),
    ] = None,
) -> Answer:
    """Find objects with a fine-tuned detector: a box, a class and a score for each."""
    from ppkt_zoo.cli.run.detect import Detect

    return _run(Detect(reading, out, picture, model, score, points, html=html))
