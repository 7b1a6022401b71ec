"""What a grid keeps of a run that is done: its figures, whose they are, and what data they were had from."""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ppkt_zoo.downstream.recipe import DownstreamRecipe
from ppkt_zoo.downstream.start import START_DIGITS
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.reading import read_text
from ppkt_zoo.files.strict_json import read_json
from ppkt_zoo.files.writing import write_json, write_whole

_SCORES, _STAMP = "scores.json", "fingerprint.txt"
_PASSING = ("model", "checkpoints")
_WHOLE = re.compile(r"[0-9a-f]{64}( \w+)?")
# The figures of either task that tables are made of.
_FIGURES = (("miou", "macc"), ("map25", "map50"))


def kept_scores(folder: Path, recipe: DownstreamRecipe, on: str) -> dict[str, Any] | None:
    """The scores in a run's folder; None before they are there, or where a kill left half of them.

    Args:
        folder: of the run.
        recipe: that they must be of.
        on: the scenes that are scored.

    Raises:
        TrainingError: they are of another recipe or other scenes, or are no scores; or a file cannot be read.
    """
    stamp, file = folder / _STAMP, folder / _SCORES
    # What was not written to its end says nothing: the run is done again from what there is.
    if not _holds_something(stamp) or not _holds_something(file):
        return None
    whose = read_text(stamp, TrainingError, "stamp of a run").strip()
    if _WHOLE.fullmatch(whose) is None:
        return None
    if whose != _stamp(recipe, on):
        raise TrainingError(
            f"{folder} holds the scores of another recipe, other overrides or other scenes than the {on}: give the "
            "same ones, or another --out"
        )
    try:
        scores = read_json(file, TrainingError, "file of scores")
    except TrainingError as error:
        raise TrainingError(f"{error}: delete it to have this run done again") from error
    if not isinstance(scores, dict) or not any(_has_figures(scores, names) for names in _FIGURES):
        raise TrainingError(f"{file}: this file of scores holds something else: delete it to have this run done again")
    return scores


def keep_the_figures(folder: Path, recipe: DownstreamRecipe, on: str, data: Mapping[str, str]) -> None:
    """Say whose figures these are and what they were had from: that is what makes a run done. Then tidy up.

    Args:
        folder: of the run; holds its ``scores.json``.
        recipe, on: as for :func:`kept_scores`.
        data: ``train`` and ``test`` → the digits of those scenes.
    """
    scores = read_json(folder / _SCORES, TrainingError, "file of scores")
    write_json(folder / _SCORES, {**scores, "data": dict(data)}, TrainingError)
    write_whole(folder / _STAMP, _stamp(recipe, on), TrainingError)
    tidy(folder)


def tidy(folder: Path) -> None:
    """Take away model and checkpoints of a run that is done: a grid's models would fill a disk.

    Raises:
        TrainingError: they cannot be removed.
    """
    try:
        for name in _PASSING:
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
        for file in folder.glob(".ppkt-zoo.lock*"):  # of the run alone; the grid's own stands beside its folder
            file.unlink()
    except OSError as error:
        raise TrainingError(
            f"{folder}: the model of a run that is done cannot be removed ({error.strerror})"
        ) from error


def check_one_data(cells: Iterable[tuple[object, Path, Mapping[str, Any]]]) -> None:
    """Refuse to compare runs that did not learn from and were not scored on the same scenes.

    Args:
        cells: what must agree (a fraction), the run's folder, and its scores. Those of before data was kept are
            compared with nothing.

    Raises:
        TrainingError: two runs had other data; names them.
    """
    if two := _unlike(cells, "data"):
        raise TrainingError(
            f"{two[0]} and {two[1]} had other scenes to learn from or to be scored on: the data has changed "
            "between them. Put it back and delete one of the two folders, or start in another --out"
        )


def check_one_start(cells: Iterable[tuple[object, Path, Mapping[str, Any]]]) -> None:
    """Refuse to take runs together that began with different weights of one name; as :func:`check_one_data`.

    Raises:
        TrainingError: two runs began with other parameters; names them.
    """
    if two := _unlike(cells, START_DIGITS):
        raise TrainingError(
            f"{two[0]} and {two[1]} began with different weights: the one that --init names has changed between them. "
            "Put it back and delete one of the two folders, or start in another --out"
        )


def _unlike(cells: Iterable[tuple[object, Path, Mapping[str, Any]]], key: str) -> tuple[Path, Path] | None:
    """The folders of the first two cells of one group whose scores differ in `key`, among those that have it."""
    first: dict[object, tuple[Path, Any]] = {}
    for group, folder, scores in cells:
        found = scores.get(key)
        if found is not None:
            of_first, wanted = first.setdefault(group, (folder, found))
            if found != wanted:
                return of_first, folder
    return None


def _holds_something(file: Path) -> bool:
    try:
        return file.exists() and (not file.is_file() or bool(file.read_bytes()[:1].strip(b"\0 \n")))
    except OSError as error:
        raise TrainingError(f"{file}: this file cannot be read ({error.strerror})") from error


def _has_figures(scores: Mapping[str, Any], names: Iterable[str]) -> bool:
    missing = object()
    found = [scores.get(name, missing) for name in names]
    return all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in found)


def _stamp(recipe: DownstreamRecipe, on: str) -> str:
    """Whose scores they are; those of the test need no further word."""
    return recipe.fingerprint if on == "test" else f"{recipe.fingerprint} {on}"
