"""``ppkt-zoo view``: a cloud as a page that opens offline in any browser."""

from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.declare import Answer, with_options
from ppkt_zoo.cli.options import FeatureReading, WeightOption, out_option
from ppkt_zoo.cli.streams import talk_console

HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Also make a page of it that opens offline in any browser: an .html.")
]


@with_options()
def view(
    reading: FeatureReading,
    weight: WeightOption = None,
    out: Annotated[Path | None, out_option("The page, an .html; SOURCE.html by default.")] = None,
    points: Annotated[
        int, typer.Option(help="Most points to show; of a larger cloud one of each small cube is.", min=1)
    ] = 300_000,
    megabytes: Annotated[float, typer.Option(help="Largest size of the page.", min=0.3)] = 12.0,
    plain: Annotated[bool, typer.Option("--plain", help="Show the cloud alone: encode nothing.")] = False,
    boxes: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Show these boxes too: a .json or .npz that `detect` wrote.")
    ] = None,
    basis: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|own",
            help="Colours of the features: by default those of the weight, the same for every cloud; 'own' fits them "
            "to this cloud, with more contrast; or a file that `encode --save-basis` wrote.",
        ),
    ] = None,
    clusters: Annotated[
        int | None,
        typer.Option(help="Also group the points by their features into this many clusters (extra: eval).", min=2),
    ] = None,
    rerun: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write this .rrd for Rerun's viewer (extra: rerun).")
    ] = None,
) -> Answer:
    """Make one HTML file of a cloud and its features, to turn, zoom and click; it opens offline, in any browser.

    A file that `encode` wrote is shown with the features in it, one of `segment` with its classes: nothing is computed.
    """
    from ppkt_zoo.cli.run.view import ViewPage

    return ViewPage(reading, weight, out, points, megabytes, plain, boxes, basis, rerun, clusters).run(talk_console())
