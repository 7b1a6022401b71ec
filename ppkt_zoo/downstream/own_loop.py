"""The record of a model from a custom training loop: what its owner states, and nothing made up."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.errors import InputError
from ppkt_zoo.zoo.record import OWN_LOOP, WeightRecord
from ppkt_zoo.zoo.registry import origin_of

__all__ = ["NOT_TOLD", "name_of", "ready_folder", "record_of"]

NOT_TOLD = "not specified"


def record_of(
    task: str,
    classes: tuple[str, ...],
    given: WeightRecord | Mapping[str, Any] | None,
    description: str,
    data: str,
    data_licence: str,
    licence: str | None,
) -> WeightRecord | Mapping[str, Any]:
    """The fields of a record: those given, and for the others that they are not specified."""
    if isinstance(given, WeightRecord):
        return given
    untold = {
        "description": description if description != NOT_TOLD else f"A model for {task}, without a description.",
        "method": f"{task}, {OWN_LOOP}",
        "data": ({"name": data, "frames": None, "licence": data_licence, "attribution": NOT_TOLD},),
        "limits": (f"Knows {len(classes)} classes and no others; its training and its accuracy are {NOT_TOLD}.",),
        "licences": {"data": data_licence, "weights": licence or f"{NOT_TOLD}, so not to be published"},
        "citation": NOT_TOLD,
    }
    return {**untold, **(given or {})}


def name_of(backbone: Backbone, name: str | None) -> str:
    """The name given, else ``architecture.own``."""
    return f"{origin_of(backbone)[0]}.own" if name is None else name


def ready_folder(folder: Any) -> Path:
    """The path of a folder that is about to be written, with its parents made.

    Raises:
        InputError: they cannot be made.
    """
    path = Path(folder).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: this folder cannot be made ({error.strerror})") from error
    return path
