"""What ``segmentation`` and ``detection`` share on the command line: options, scenes, and a run that may be stopped."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from ppkt_zoo.cli.options import STOPPED, names_and_paths, say, tell_written
from ppkt_zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from ppkt_zoo.downstream.recipe import DownstreamRecipe
    from ppkt_zoo.downstream.splits import Splits

ModelOption = Annotated[
    str, typer.Option("--model", "-m", help="Folder of a fine-tuned model, or hf-hub:OWNER/REPO@COMMIT.")
]
ModelArgument = Annotated[str, typer.Argument(help="Folder of a fine-tuned model, or its name.")]
RecipeArgument = Annotated[str, typer.Argument(help="A YAML file, or one that ships: rooms_bench, scannet, …")]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Such as init=random fraction=0.1")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Checkpoints, metrics, scores, model; runs/TASK/MODEL by default.")
]
CacheOption = Annotated[Path | None, typer.Option(help="For the scans of rooms.")]
WorkersOption = Annotated[int, typer.Option(help="Processes that prepare batches; the numbers stay the same.", min=0)]
StopAfterOption = Annotated[int | None, typer.Option(help="End with a checkpoint after so many steps.", min=1)]
NoTestOption = Annotated[bool, typer.Option("--no-test", help="Write the model without testing it.")]
PictureOption = Annotated[
    Path | None, typer.Option("--picture", "-p", help="Draw what was found into this .png, with a legend.")
]


# What every weight folder holds.
_CONFIG = "config.json"


class _Fitted(Protocol):
    @property
    def folder(self) -> Path: ...


_Done = TypeVar("_Done", bound=_Fitted)


def splits_of(recipe: "DownstreamRecipe", data: list[str] | None, cache: Path | None, boxes: bool = False) -> "Splits":
    """The scenes that a recipe names, from the folders of ``--data``."""
    from ppkt_zoo.downstream.splits import open_splits
    from ppkt_zoo.files.cache import default_cache

    splits = open_splits(recipe, names_and_paths(data), default_cache() if cache is None else cache, boxes)
    if splits.told:
        say("data", "bold green", splits.told)
    return splits


def fitted(
    fit: Callable[..., _Done],
    recipe: "DownstreamRecipe",
    splits: "Splits",
    out: Path,
    no_test: bool,
    **options: Any,
) -> _Done:
    """Run a fit; where it was stopped, say so and end with exit code 3. Own scans are looked through before."""
    from ppkt_zoo.engine.interrupt import Stopped

    if splits.told:
        from ppkt_zoo.downstream.own_scans import look_through

        others = [one for one in (splits.validation, None if no_test else splits.test) if one is not None]
        say("data", "bold green", look_through(splits.train, others, labels=not splits.train.box_classes))
    try:
        return fit(recipe, splits.train, splits.validation, out, test=None if no_test else splits.test, **options)
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None


def tell_the_folder(folder: Path, command: str) -> None:
    """Where a model lies, on standard output, and what to do with it."""
    say("written", "bold green", f"{folder}, the model, with its card and golden output")
    say("next", "bold green", f"ppkt-zoo {command} FILE --model {folder}")
    tell_written(folder)


def folder_or_name(model: str) -> str | Path:
    """A folder as a path, anything else as a name.

    Raises:
        UnknownNameError: neither such a folder nor a name; the message tells the nearest folders, and what a model is.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        inner = folder / "model"
        if not (folder / _CONFIG).is_file() and (inner / _CONFIG).is_file():
            raise UnknownNameError(f"{folder} is the folder of a run: the model in it is {inner}")
        return folder
    if model.startswith(("hf-hub:", "local-dir:")):
        return model
    from ppkt_zoo.zoo.manifest import load_manifest

    if model in load_manifest().names():
        return model
    near = _nearest_folders(folder)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    what = "is a file" if folder.exists() else "is not there"
    raise UnknownNameError(
        f"--model {model} {what}: {meant}A model is the folder that 'segmentation train' and 'detection train' write, "
        f"OUT/model, with {_CONFIG}, model.safetensors and a head; or hf-hub:OWNER/REPO@COMMIT"
    )


def _nearest_folders(folder: Path) -> list[str]:
    """Folders whose names are like the one that is not there, beside it or beside what of its path there is."""
    place, name = folder.absolute().parent, folder.name
    while not place.is_dir():
        place, name = place.parent, place.name
    try:
        beside = {one.name: one for one in place.iterdir() if one.is_dir() and not one.name.startswith(".")}
    except OSError:
        return []
    rest = folder.absolute().relative_to(place / name)
    close = difflib.get_close_matches(name, sorted(beside), n=2, cutoff=0.6)
    return [str(beside[one] / rest if (beside[one] / rest).is_dir() else beside[one]) for one in close]
