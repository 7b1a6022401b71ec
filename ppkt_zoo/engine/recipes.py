"""Recipes as files: found by path or name, read strictly, with overrides."""

import difflib
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import yaml
from pydantic import BaseModel, ValidationError, field_validator

from ppkt_zoo.errors import RecipeError
from ppkt_zoo.files.reading import read_text, usable_path
from ppkt_zoo.files.shipped import shipped_recipes
from ppkt_zoo.files.strict_yaml import parse_yaml
from ppkt_zoo.files.validation import StrictModel, explain

_Kind = TypeVar("_Kind", bound=BaseModel)


class TrainingRecipe(StrictModel):
    """What the recipes of all runs share: how they are read, and what tells one run from another."""

    folder: ClassVar[str]
    """Of the recipes of this kind that ship."""
    meaning: ClassVar[int] = 1
    """Of the same file; to be raised where a default changes or a step sees other random numbers."""

    if TYPE_CHECKING:  # each kind has them in a place of its own
        steps: int
        log_every: int
        checkpoint_every: int

    @field_validator("precision", mode="before", check_fields=False)
    @classmethod
    def _yaml_says_no(cls, given: object) -> object:
        return "no" if given is False else given  # YAML reads a bare `no` as false

    @property
    def fingerprint(self) -> str:
        """sha256 of the recipe's content and of its ``meaning``; a run resumes only under the same one.

        Fields at their default are left out, so that runs go on when recipes learn new fields.
        """
        content = [self.meaning, self.model_dump(mode="json", exclude_defaults=True)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def text(self) -> str:
        """What was run, overrides included, as the YAML that goes along with what it made."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)

    @classmethod
    def load(cls, path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Self:
        """Read a recipe and apply overrides.

        Args:
            path: a YAML file, or the name of a recipe that ships with the package, such as ``own``.
            overrides: ``key=value`` with dots for nested keys, e.g. ``optimiser.lr=0.1``; values are YAML.

        Raises:
            RecipeError: no such file, not YAML, an unknown field, a wrong value; the message names the field.
        """
        return read_recipe(cls, find_recipe(path, shipped_recipes(cls.folder)), overrides)


def read_recipe(kind: type[_Kind], file: Path, overrides: list[str] | tuple[str, ...]) -> _Kind:
    """Read a recipe of any kind from a file, strictly, with overrides; errors as in :meth:`TrainingRecipe.load`."""
    text = read_text(file, RecipeError, "recipe")
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise RecipeError(f"recipe {file} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"recipe {file} must be a YAML mapping of fields, found {type(content).__name__}")
    for override in overrides:
        _override(content, override)
    _check_values(content, file)
    try:
        recipe = kind.model_validate(content)
    except ValidationError as error:
        raise RecipeError(explain(error, f"recipe {file}", kind)) from error
    # What YAML takes for a word, such as 1e400, a section may have taken for a number.
    _check_values(recipe.model_dump(), file)
    return recipe


def find_recipe(path: str | Path, shipped: dict[str, Path]) -> Path:
    """The file itself, or the shipped recipe of that name; RecipeError lists the names where it is neither."""
    file = usable_path(path, RecipeError, "recipe")
    # Anything but a folder: what is no regular file either is told when it is read.
    if file.exists() and not file.is_dir():
        return file
    if str(path) in shipped:
        return shipped[str(path)]
    near = difflib.get_close_matches(str(path), shipped, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    names = ", ".join(shipped) or "none"
    raise RecipeError(f"no recipe {str(path)!r}: {hint}Give a YAML file, or one that ships with the package ({names})")


def _check_values(content: Any, file: Path) -> None:
    for where, found in _unusable(content, ""):
        raise RecipeError(f"recipe {file}: {where} is {found}: give a finite number, or plain text")


def _unusable(value: Any, where: str) -> Iterator[tuple[str, object]]:
    """Numbers that are none (infinite, NaN, beyond 64 bits), text that no file can hold, and where they stand."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unusable(inner, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _unusable(inner, f"{where}.{number}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield where, value
    elif isinstance(value, int) and abs(value) >= 2**63:
        yield where, "beyond 64 bits"
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            yield where, f"{value!r}, which cannot be written in UTF-8"


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"{override!r} is no override: write key=value, e.g. optimiser.lr=0.1")
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise RecipeError(f"the value of override {override!r} is not valid YAML") from error
    *parents, last = key.split(".")
    target: Any = content
    for part in parents:
        target = _step_into(target, part, key)
    if isinstance(target, list):
        target[_index(last, target, key)] = value
    else:
        target[last] = value


def _step_into(target: Any, part: str, key: str) -> Any:
    if isinstance(target, list):
        inner = target[_index(part, target, key)]
    elif isinstance(target, dict):
        inner = target.setdefault(part, {})
    else:
        inner = None
    if not isinstance(inner, dict | list):
        raise RecipeError(f"override {key!r}: {part!r} is not a section of the recipe")
    return inner


def _index(part: str, target: list[Any], key: str) -> int:
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(target):
        raise RecipeError(f"override {key!r}: {part!r} must be a position from 0 to {len(target) - 1}")
    return int(part)
