"""Names that a shell completes: of weights, models, backbones and recipes. Nothing heavy is imported for them."""

import os
from typing import Any

from ppkt_zoo.errors import ManifestError, PPKTZooError
from ppkt_zoo.files.shipped import MANIFEST_PATHS, shipped_recipes

_TASKS = {"segmentation": "segmentation", "detection": "detection", "teacher": "teachers"}


def weight_names() -> list[str]:
    """Of all listed weights; none where the manifest cannot be read, for a shell has no place for an error."""
    return [str(weight["name"]) for weight in _listed()]


def weight_and_backbone_names() -> list[str]:
    """Of the listed weights, and of the architectures of this package."""
    from ppkt_zoo.zoo.registry import list_backbones

    return [*weight_names(), *list_backbones()]


def model_names() -> list[str]:
    """Of the listed weights that have the head of a task."""
    heads = ("head.safetensors", "detector.safetensors")
    return [str(weight["name"]) for weight in _listed() if any(head in weight["files"] for head in heads)]


def recipe_names(ctx: Any) -> list[str]:
    """Of the recipes that ship for the command under way; a grid's are those of its task."""
    words = ctx.command_path.split()
    if words[-1] == "grid":
        return [name for task in ("segmentation", "detection") for name in shipped_recipes(task)]
    return list(shipped_recipes(_TASKS.get(words[-2], "pretraining") if len(words) > 1 else "pretraining"))


def _listed() -> list[dict[str, Any]]:
    from ppkt_zoo.files.strict_json import read_json

    file = next((file for file in MANIFEST_PATHS if os.path.exists(file)), MANIFEST_PATHS[0])
    try:
        return list(read_json(file, ManifestError, "manifest")["weights"])
    except (PPKTZooError, LookupError, TypeError):
        return []
