"""``ppkt-zoo …``: the commands, declared; what they do is in ``cli.run`` and imported when a command is called."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.completion import COMPLETE, completion, print_completions
from ppkt_zoo.cli.data import data_app
from ppkt_zoo.cli.declare import Answer
from ppkt_zoo.cli.doctor import doctor
from ppkt_zoo.cli.group import INTERRUPTED, Group
from ppkt_zoo.cli.options import WeightOption
from ppkt_zoo.cli.predict import EncodeCommand, detect, encode, segment, similar
from ppkt_zoo.cli.schema import schema
from ppkt_zoo.cli.streams import finish, prepare_streams, stop_on_terminate, talk_console
from ppkt_zoo.cli.train import detection_app, grid, pretrain, segmentation_app, teacher_app
from ppkt_zoo.cli.view import HtmlOption, view
from ppkt_zoo.cli.weights import cache, convert_app, fetch, list_command, publish, show, verify

_ABOUT = "Pretrained 3D backbones: a feature for every point of your cloud."
_CODES = (
    "Results go to standard output: tables, and the path of every file that was written, one per line. Progress, "
    "warnings and errors go to standard error. "
    "Exit codes: 0 success; 2 a command, file or argument is invalid; 3 a run was stopped with a checkpoint, and the "
    "same command resumes it; 130 interrupted by Ctrl-C; 143 ended by SIGTERM; 1 a bug in ppkt-zoo."
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


def _tell_version(asked: bool) -> None:
    if asked:
        import ppkt_zoo
        from ppkt_zoo.native.library import describe

        typer.echo(f"ppkt-zoo {ppkt_zoo.__version__}\nengine on the CPU: {describe()}")
        raise typer.Exit


@app.callback(help=_ABOUT, epilog=_CODES)
def root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and exit.")
    ] = False,
    module: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|NAME",
            help="Import this Python module first, to register backbones of your own: its code is run. May be "
            "repeated, and given after the command; PPKT_ZOO_MODULES names modules for every command.",
        ),
    ] = None,
) -> None:
    """Options of every command."""
    from ppkt_zoo.cli.run.user_modules import import_user_module, modules_of_environment

    for one in (*modules_of_environment(), *(module or ())):
        import_user_module(one)


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="Seed of the room.", min=0)] = 7,
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("ppkt_demo"),
    weight: WeightOption = None,
    html: HtmlOption = None,
) -> Answer:
    """Try it: generate a room, encode it with a pretrained weight, and draw its features. Needs no data, no network."""
    from ppkt_zoo.cli.run.demo import run_demo

    return run_demo(out, seed, weight, talk_console(), html=html)


app.command(cls=EncodeCommand)(encode)
for command in (similar, segment, detect, view):
    app.command()(command)
app.command("list")(list_command)
app.command()(doctor)
for command in (show, verify, fetch, cache, publish, pretrain, grid):
    app.command()(command)
for name, group in (
    ("data", data_app),
    ("teacher", teacher_app),
    ("segmentation", segmentation_app),
    ("detection", detection_app),
    ("convert", convert_app),
):
    app.add_typer(group, name=name)


@app.command()
def version() -> Answer:
    """Print the versions of ppkt-zoo and of the libraries that it builds on."""
    from ppkt_zoo.cli.run.about import tell_versions

    return tell_versions()


for command in (completion, schema):
    app.command()(command)


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
        if COMPLETE in os.environ:
            print_completions(app, os.environ[COMPLETE], sys.argv[1:])
        else:
            app()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(finish(code))
