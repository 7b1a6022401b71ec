"""`start`: a run that begins with the student and the heads of an earlier run's weight, for training in sittings."""

from dataclasses import dataclass

from ppkt_zoo.engine.recipes import read_recipe
from ppkt_zoo.errors import InputError, RecipeError, WeightError
from ppkt_zoo.files.text import first_few
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.recipe_sections import NEW_TEACHER
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.transfer.objective import TransferModel
from ppkt_zoo.transfer.ppkt import objective_of
from ppkt_zoo.zoo.config import MODEL, PROJECTION, RECIPE
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.load import open_weight
from ppkt_zoo.zoo.names import StrPath
from ppkt_zoo.zoo.record import Sitting, WeightRecord
from ppkt_zoo.zoo.registry import origin_of
from ppkt_zoo.zoo.tensors import decode_tensors

_LOSSES = ("loss", "point_contrast", "global_loss", "soft_classes")


@dataclass(frozen=True)
class Earlier:
    """What the weight that a run began with says of itself.

    Attributes:
        record: its record.
        sittings: the runs that led to it, itself the last.
    """

    record: WeightRecord
    sittings: tuple[Sitting, ...]

    @property
    def steps(self) -> int:
        """Steps of all these runs."""
        return sum(one.steps for one in self.sittings)

    @property
    def hours(self) -> float:
        """Hours of all these runs."""
        return sum(one.hours for one in self.sittings)


@dataclass(frozen=True)
class Start:
    """The opened folder of the weight that a run begins with; it is the one that the recipe asks for."""

    folder: WeightFolder

    def fill(self, model: TransferModel, recipe: Recipe, teacher: Teacher | None) -> Earlier:
        """Put parameters, statistics of batch norm, and heads into a model.

        Raises:
            RecipeError: the weight is of another architecture, arguments, input convention, teacher, level or head.
            WeightError: a file is damaged.
        """
        record = self.folder.record()
        self._check_network(model)
        self._check_lesson(record, recipe, teacher)
        self._check_levels(recipe)
        tensors, _ = decode_tensors(self.folder.read(MODEL), str(self.folder.path / MODEL))
        expected = {(key, tensor.shape) for key, tensor in model.student.state_dict().items()}
        if other := {(key, tensor.shape) for key, tensor in tensors.items()} ^ expected:
            raise self._misfit(f"tensors differ ({first_few(sorted({key for key, _ in other}))})")
        if PROJECTION not in self.folder.config.files:
            raise self._misfit("it came without the heads of its training")
        try:
            model.load_projection(self.folder.projection(), _new_heads(recipe))
        except InputError as error:
            raise self._misfit(str(error)) from None
        model.student.load_state_dict(tensors, strict=True)
        return Earlier(record, self._sittings(record))

    def _check_network(self, model: TransferModel) -> None:
        config = self.folder.config
        architecture, arguments = origin_of(model.student)
        for what, found, wanted in (
            ("architecture", config.architecture, architecture),
            ("arguments", config.arguments, arguments),
            ("input_spec", config.input_spec, model.student.input_spec),
        ):
            if found != wanted:
                raise self._misfit(f"its {what} is {found}, the recipe's is {wanted}")

    def _check_lesson(self, record: WeightRecord, recipe: Recipe, teacher: Teacher | None) -> None:
        if (record.teacher is None) != (recipe.teacher is None):
            raise self._misfit("only one of the two has a teacher")
        if record.teacher is None or recipe.teacher is None or teacher is None:
            return
        if record.teacher.stage != recipe.teacher.spec.stage:
            raise self._misfit(f"it learned from {record.teacher.stage}, the recipe from {recipe.teacher.spec.stage}")
        found = [(one.name, one.stage) for one in record.further_teachers]
        new = _new_teachers(recipe)
        if found != [(one.name, one.spec.stage) for key, one in recipe.teachers.items() if key not in new]:
            raise self._misfit(
                f"it has {len(found)} further teachers, or others than the recipe: name those that it did not have, "
                "and no others, in start.new, as teachers.NAME"
            )
        if teacher.sha256 is not None and record.teacher.sha256 not in (None, teacher.sha256):
            raise self._misfit("it learned from another teacher's file, whose features its heads know")

    def _check_levels(self, recipe: Recipe) -> None:
        """Its heads read the levels that this run teaches; which they are stands in its recipe."""
        try:
            self.folder.read(RECIPE)  # holds it against its checksum
        except WeightError as error:
            raise self._misfit(f"its recipe, which names the levels, cannot be read: {error}") from error
        earlier = read_recipe(Recipe, self.folder.path / RECIPE, ())
        for name in _LOSSES:
            one, other = getattr(earlier, name), getattr(recipe, name)
            if one is not None and other is not None and one.level != other.level:
                raise self._misfit(f"its {name}.level is {one.level}, the recipe's is {other.level}")

    def _sittings(self, record: WeightRecord) -> tuple[Sitting, ...]:
        trained = record.trained
        if trained is None:
            raise self._misfit("its record does not say how long it was trained")
        before = trained.earlier
        own = Sitting(
            weight=self.folder.config.name,
            sha256=self.folder.config.files[MODEL].sha256,
            recipe=None if record.recipe is None else record.recipe.sha256,
            seed=record.seed,
            steps=max(trained.steps - sum(one.steps for one in before), 0),
            hours=max(round(trained.hours - sum(one.hours for one in before), 3), 0.0),
            machine=trained.machine,
            versions=trained.versions,
        )
        return (*before, own)

    def _misfit(self, why: str) -> RecipeError:
        return RecipeError(f"start: this run cannot begin with {self.folder.config.name}: {why}")


def _new_teachers(recipe: Recipe) -> set[str]:
    new = () if recipe.start is None else recipe.start.new
    return {name.removeprefix(NEW_TEACHER) for name in new if name.startswith(NEW_TEACHER)}


def _new_heads(recipe: Recipe) -> list[str]:
    """What the names of new heads begin with."""
    new, teachers = set() if recipe.start is None else set(recipe.start.new), _new_teachers(recipe)
    heads = [name for name in sorted(new) if not name.startswith(NEW_TEACHER)]
    if "deep" in new:
        heads += [f"{objective_of(key)}.deep" for key in recipe.teachers if key not in teachers]
    return heads + [objective_of(key) for key in sorted(teachers)]


def open_start(recipe: Recipe, given: StrPath | None) -> Start | None:
    """The weight that a recipe's section ``start`` asks for; None where it has none.

    Args:
        recipe: of the run.
        given: folder (as a ``Path``) or name of the weight; None looks for it by its name among the listed ones.

    Raises:
        RecipeError: it is another weight, or one is given that the recipe does not ask for.
        UnknownNameError, WeightError: it cannot be opened.
    """
    wanted = recipe.start
    if wanted is None:
        if given is None:
            return None
        folder = open_weight(given)
        raise RecipeError(
            f"the recipe begins with random parameters: leave out --start {given}, or add "
            f"start.weight={folder.config.name} start.sha256={folder.config.files[MODEL].sha256}"
        )
    folder = open_weight(wanted.weight if given is None else given)
    where = f"--start {given}" if given is not None else "start"
    if folder.config.name != wanted.weight:
        raise RecipeError(f"{where} is {folder.config.name}, the recipe wants to begin with {wanted.weight}")
    found = folder.config.files[MODEL].sha256
    if found != wanted.sha256:
        raise RecipeError(
            f"{where}: {MODEL} of {wanted.weight} has sha256 {found[:12]}…, the recipe wants {wanted.sha256[:12]}…: "
            "it is the weight of another run"
        )
    return Start(folder)
