"""What ``segmentation`` and ``detection`` share on the command line: options, scenes, and a run that may be stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

from ppkt_zoo.cli_common import STOPPED, name_and_path, new_console, say

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


class _Fitted(Protocol):
    @property
    def folder(self) -> Path: ...


_Done = TypeVar("_Done", bound=_Fitted)


def splits_of(recipe: "DownstreamRecipe", data: list[str] | None, cache: Path | None, boxes: bool = False) -> "Splits":
    """The scenes that a recipe names, from the folders of ``--data``."""
    from ppkt_zoo.downstream.splits import open_splits
    from ppkt_zoo.running.cache import default_cache

    folders = dict(name_and_path(entry) for entry in data or [])
    return open_splits(recipe, folders, default_cache() if cache is None else cache, boxes)


def fitted(
    fit: Callable[..., _Done],
    recipe: "DownstreamRecipe",
    splits: "Splits",
    out: Path,
    no_test: bool,
    **options: Any,
) -> _Done:
    """Run a fit; where it was stopped, say so and end with exit code 3."""
    from ppkt_zoo.running.interrupt import Stopped

    try:
        return fit(recipe, splits.train, splits.validation, out, test=None if no_test else splits.test, **options)
    except Stopped as stopped:
        say("stopped", "bold yellow", stopped)
        raise typer.Exit(STOPPED) from None


def tell_the_folder(folder: Path, command: str) -> None:
    """Where a model lies, and what to do with it."""
    console = new_console()
    console.print(f"wrote {folder}, the model, with its card and golden output", markup=False, soft_wrap=True)
    console.print(f"next: ppkt-zoo {command} FILE --model {folder}", markup=False, soft_wrap=True)


def folder_or_name(model: str) -> str | Path:
    """A folder as a path, anything else as a name."""
    return Path(model) if Path(model).expanduser().is_dir() else model
