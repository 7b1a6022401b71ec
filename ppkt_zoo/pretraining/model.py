"""From a recipe to the model that is trained: the student and its objectives."""

import importlib
from collections.abc import Mapping

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.errors import RecipeError, TeacherError
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.transfer.baselines import ContrastiveDistillation, GlobalDistillation, PixelRegression
from ppkt_zoo.transfer.objective import Objective, TransferModel
from ppkt_zoo.transfer.point_contrast import PointContrast
from ppkt_zoo.transfer.ppkt import PixelToPoint
from ppkt_zoo.transfer.soft_classes import SoftClasses
from ppkt_zoo.zoo.registry import create_backbone


def build_student(recipe: Recipe) -> Backbone:
    """The recipe's backbone with random parameters.

    Raises:
        RecipeError: the module that should register it cannot be imported.
        UnknownNameError, InputError: no such backbone, or its arguments do not fit.
    """
    section = recipe.backbone
    if section.module is not None:
        try:
            importlib.import_module(section.module)
        except ImportError as error:
            raise RecipeError(
                f"backbone.module {section.module!r} cannot be imported ({error}): install its package, or run from "
                "the folder that holds it with that folder on PYTHONPATH"
            ) from error
    return create_backbone(section.name, input_spec=section.input_spec, **section.arguments)


def build_model(
    recipe: Recipe, student: Backbone, teacher: Teacher | None, further: Mapping[str, Teacher] | None = None
) -> TransferModel:
    """A student and what the recipe teaches it, with random heads.

    Args:
        recipe, student, teacher: of the run.
        further: its further teachers, by name.

    Raises:
        RecipeError: a loss names a level that the student does not have, or soft_classes a teacher without classes.
    """
    objectives: list[tuple[Objective, float]] = []
    if recipe.loss is not None:
        loss, channels = recipe.loss, _channels(student, recipe.loss.level, "loss")
        assert teacher is not None  # the recipe's own check
        if loss.kind == "nce":
            deep = {level: (_channels(student, level, "loss.deep"), weight) for level, weight in loss.deep.items()}
            for key, one in ((None, teacher), *(further or {}).items()):
                pixel_to_point = PixelToPoint(
                    channels,
                    one.channels,
                    loss.level,
                    loss.dim,
                    loss.temperature,
                    symmetric=loss.symmetric,
                    false_negative_similarity=loss.false_negative_similarity,
                    gather=loss.gather,
                    upl=loss.upl,
                    sampling=loss.upl_sampling,
                    point_head=loss.point_head,
                    deep=deep,
                    source=key,
                )
                weight = loss.weight if key is None else recipe.teachers[key].weight
                objectives.append((pixel_to_point, weight))
        else:
            objectives.append((PixelRegression(channels, teacher.channels, loss.level, loss.kind), loss.weight))
    if recipe.point_contrast is not None:
        views = recipe.point_contrast
        channels = _channels(student, views.level, "point_contrast")
        contrast = PointContrast(channels, views.level, views.dim, views.temperature, views.gather)
        objectives.append((contrast, views.weight))
    if recipe.global_loss is not None:
        whole = recipe.global_loss
        channels = _channels(student, whole.level, "global_loss")
        assert teacher is not None
        of_whole: Objective
        if whole.kind == "crd":
            of_whole = ContrastiveDistillation(channels, teacher.channels, whole.level, whole.dim, whole.temperature)
        else:
            of_whole = GlobalDistillation(channels, teacher.channels, whole.level, whole.kind, whole.temperature)
        objectives.append((of_whole, whole.weight))
    if recipe.soft_classes is not None:
        soft, channels = recipe.soft_classes, _channels(student, recipe.soft_classes.level, "soft_classes")
        assert teacher is not None
        try:
            classes = teacher.classifier()
        except TeacherError as error:
            raise RecipeError(f"soft_classes: {error}") from error
        objectives.append((SoftClasses(channels, *classes, soft.level, soft.temperature), soft.weight))
    return TransferModel(student, objectives)


def _channels(student: Backbone, level: str, section: str) -> int:
    if level not in student.level_channels:
        known = ", ".join(student.level_channels)
        field = section if "." in section else f"{section}.level"
        raise RecipeError(f"{field} {level!r} is none of this backbone's levels: {known}")
    return student.level_channels[level]
