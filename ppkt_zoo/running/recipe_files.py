"""Recipes as files: found by path or name, read strictly, with overrides."""

import difflib
import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ppkt_zoo.errors import RecipeError

__all__ = ["find_recipe", "fingerprint_of", "parse_yaml", "read_recipe", "shipped_recipes"]

_Kind = TypeVar("_Kind", bound=BaseModel)


def parse_yaml(text: str) -> Any:
    """The value of a YAML text, by the safe loader.

    Raises:
        ValueError: not YAML; the loader itself raises other errors for dates that do not exist, deep nesting and such.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from error


def read_recipe(kind: type[_Kind], file: Path, overrides: list[str] | tuple[str, ...]) -> _Kind:
    """Read a recipe of any kind from a file, strictly, with overrides; errors as in :func:`load_recipe`."""
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"recipe {file} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"recipe {file} must be a YAML mapping of fields, found {type(content).__name__}")
    for override in overrides:
        _override(content, override)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"recipe {file}: {problems}") from error


def fingerprint_of(recipe: BaseModel, meaning: int) -> str:
    """sha256 of a recipe's content and of what its kind means today; a run resumes only under the same one.

    Fields at their default are left out, so that runs go on when recipes learn new fields.
    """
    content = [meaning, recipe.model_dump(mode="json", exclude_defaults=True)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def shipped_recipes(folder: str = ".") -> dict[str, Path]:
    """The recipes that travel with the package, by name; those of a sub-folder where one is named."""
    package = Path(__file__).resolve().parents[1]
    places = (package / "recipes" / folder, package.parent / "recipes" / folder)
    place = next((place for place in places if place.is_dir()), None)
    return {} if place is None else {file.stem: file for file in sorted(place.glob("*.yaml"))}


def find_recipe(path: str | Path, shipped: dict[str, Path]) -> Path:
    """The file itself, or the shipped recipe of that name; RecipeError lists the names where it is neither."""
    file = Path(path)
    if file.is_file():
        return file
    if str(path) in shipped:
        return shipped[str(path)]
    near = difflib.get_close_matches(str(path), shipped, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    names = ", ".join(shipped) or "none"
    raise RecipeError(f"no recipe {str(path)!r}: {hint}Give a YAML file, or one that ships with the package ({names})")


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
    if not part.isdecimal() or int(part) >= len(target):
        raise RecipeError(f"override {key!r}: {part!r} must be a position from 0 to {len(target) - 1}")
    return int(part)
