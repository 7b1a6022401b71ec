"""WeightRecord: how a weight came to be. It stands in the weight's folder and again in the manifest."""

import datetime
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    FailFast,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from ppkt_zoo.files.text import printable
from ppkt_zoo.files.validation import StrictModel
from ppkt_zoo.zoo.names import ARCHITECTURE, REPOSITORY, REVISION, SHA256, WEIGHT_NAME

#: Metrics whose names begin so stand on the card in a table of their own, and are no scores of the Hub's.
ROBUSTNESS = "robustness: "
_DRIVE = re.compile(r"[A-Za-z]:")


def _safe_path(path: str) -> str:
    """A relative path with forward slashes that stays where it is."""
    parts = path.split("/")
    if (
        not path
        or path.startswith("/")
        or _DRIVE.match(path)
        or "\\" in path
        or any(part in ("", ".", "..") for part in parts)
        or printable(path) != path
        or any(ord(letter) < 32 or letter in ':*?"<>|' for letter in path)
    ):
        raise ValueError(
            "must be a relative path inside the weight's folder, such as 'model.safetensors': "
            "no '..', no leading '/', no backslash, no drive, no control characters"
        )
    return path


def _matches(rule: re.Pattern[str], what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not rule.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return AfterValidator(check)


def _one_line(text: str) -> str:
    if printable(text) != text or "\n" in text or "\t" in text:
        raise ValueError("must be one line without control characters")
    return text


# An argument says how a network is built, it is no data: a width of 65 536 channels is beyond any.
_MOST_NUMBER, _MOST_VALUES, _MOST_LIST, _MOST_LETTERS, _MOST_DEPTH = 2**16, 1000, 64, 1000, 5


def _bounded(arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Arguments that a network can be built of in no time, whoever wrote them."""
    level: list[JsonValue] = [arguments]
    count = 0
    for _ in range(_MOST_DEPTH):
        inner: list[JsonValue] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
            if isinstance(value, dict | list) and len(value) > _MOST_LIST:
                raise ValueError(f"a list of {len(value)} values is too long: at most {_MOST_LIST}")
            if isinstance(value, int) and abs(value) > _MOST_NUMBER:
                raise ValueError(f"a whole number is beyond {_MOST_NUMBER}: no network of ours is built so")
            if isinstance(value, str) and (len(value) > _MOST_LETTERS or printable(value) != value):
                raise ValueError(f"a text must be printable and at most {_MOST_LETTERS} letters long")
        level, count = inner, count + len(inner)
        if count > _MOST_VALUES:
            raise ValueError(f"more than {_MOST_VALUES} values")
    if level:
        raise ValueError(f"nested deeper than {_MOST_DEPTH - 1}")
    return arguments


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
Texts = Annotated[tuple[Text, ...], FailFast()]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
SafePath = Annotated[str, AfterValidator(_safe_path)]
Sha256 = Annotated[str, _matches(SHA256, "a sha256: 64 digits of 0-9a-f")]
Revision = Annotated[str, _matches(REVISION, "a commit: 40 digits of 0-9a-f, no branch and no tag")]
Repository = Annotated[str, _matches(REPOSITORY, "'owner/name'")]
Architecture = Annotated[str, _matches(ARCHITECTURE, "lower case letters, digits and underscores, a letter first")]
WeightName = Annotated[str, _matches(WEIGHT_NAME, "'architecture.tag', lower case letters, digits and underscores")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Arguments = Annotated[dict[str, JsonValue], AfterValidator(_bounded)]

#: The end of the method of a weight that someone trained in a loop of their own, whose recipe nobody else can tell.
OWN_LOOP = "custom training loop"
# As 0.1 wrote it.
_OWN_LOOPS = (OWN_LOOP, "in a loop of its owner's")

# Fields that a record of 0.1 did not know: where they hold nothing they are not written, and 0.1 reads the record.
_LEFT_OUT = frozenset({"further_teachers", "base"})


def named_after_architecture(model: Any) -> Any:
    """Check of a model with a weight's name and the architecture that the name begins with."""
    if model.name.split(".")[0] != model.architecture:
        raise ValueError(f"name {model.name!r} must be the architecture {model.architecture!r}, a dot and a tag")
    return model


def check_complete(files: Iterable[str], needed: Iterable[str]) -> None:
    """Raise ValueError where a listing of a weight's files lacks one."""
    if missing := [name for name in needed if name not in files]:
        raise ValueError(f"lists no {', '.join(missing)}: every weight has them")


class FileEntry(StrictModel):
    """One file of a weight: bytes and their sha256."""

    size: int = Field(ge=0)
    sha256: Sha256


class Teacher(StrictModel):
    """The 2D network that was transferred from."""

    name: Text
    stage: Text = Field(description="the feature stage that was used")
    origin: Text = Field(description="where its file comes from")
    licence: Text
    sha256: Sha256 | None = Field(default=None, description="of its file; absent where no single file was used")


class DataUsed(StrictModel):
    """One collection of frames that the weight was trained on."""

    name: Text
    frames: int | None = Field(default=None, ge=1, description="absent only where another project trained the weight")
    licence: Text
    attribution: Text


class RecipeUsed(StrictModel):
    """The recipe file; the weight's folder may carry a copy as ``recipe.yaml``."""

    file: SafePath
    sha256: Sha256


class Estimate(StrictModel):
    """A named value with its 95 % interval.

    The value is the mean over ``seeds``; ``interval95`` is (low, high), absent only for a single run.
    """

    name: Text
    value: Finite
    interval95: tuple[Finite, Finite] | None = None

    @model_validator(mode="after")
    def _interval_holds_value(self) -> "Estimate":
        if self.interval95 is not None and not self.interval95[0] <= self.value <= self.interval95[1]:
            raise ValueError(f"interval95 must be [low, high] around the value {self.value}")
        return self


class Control(Estimate):
    """What the same measurement gives without the pretraining (chance, random initialisation, …)."""


class Metric(Estimate):
    """One measured property of the weight."""

    data: Text = Field(description="what it was measured on, and that the training never saw it")
    seeds: Annotated[tuple[int, ...], FailFast()] = Field(min_length=1)
    n: int = Field(ge=1, description="number of things that one run was measured on")
    control: Control | None = None

    @model_validator(mode="after")
    def _seeds_bring_interval(self) -> "Metric":
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds must not name a seed twice")
        if len(self.seeds) > 1 and self.interval95 is None:
            raise ValueError("interval95 is needed where there are several seeds")
        return self


class Licences(StrictModel):
    """Licence of the data behind the weight, and of the weight itself (SPDX names where there is one)."""

    data: Text
    weights: Text


class Sitting(StrictModel):
    """An earlier run, whose weight a later one began with: what it cost alone, and which weight it ended in."""

    weight: WeightName
    sha256: Sha256 = Field(description="of its model.safetensors")
    recipe: Sha256 | None = None
    seed: int | None = None
    steps: int = Field(ge=0)
    hours: Finite = Field(ge=0)
    machine: Text
    versions: dict[Line, Line] = Field(default_factory=dict, max_length=100, description="package → version")


class Training(StrictModel):
    """What the training cost, and on what it ran; machine and versions are those of the last sitting."""

    steps: int = Field(ge=0, description="over all sittings")
    hours: Finite = Field(ge=0, description="over all sittings")
    machine: Text
    versions: dict[Line, Line] = Field(default_factory=dict, max_length=100, description="package → version")
    earlier: Annotated[tuple[Sitting, ...], FailFast()] = Field(
        default=(), max_length=1000, description="sittings before the last, in their order"
    )

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A weight of one sitting is recorded as 0.1 recorded it, and that reads it.
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name != "earlier" or value}


class Conversion(StrictModel):
    """For a weight that another project trained: what file it was made from, and how that file was read."""

    origin: Text
    dialect: Text
    sha256: Sha256


class Base(StrictModel):
    """The weight that a network was loaded from before its owner changed it; the parameters are no longer its own."""

    weight: WeightName
    sha256: Sha256 = Field(description="of its model.safetensors")
    repo: Repository | None = Field(default=None, description="on the Hugging Face Hub, where it came from there")
    revision: Revision | None = None

    @model_validator(mode="after")
    def _repo_is_pinned(self) -> "Base":
        if (self.repo is None) != (self.revision is None):
            raise ValueError("has only one of repo and revision: a weight on the Hub is named by both")
        return self


class WeightRecord(StrictModel):
    """How a weight came to be, what it is worth and what may be done with it."""

    description: Text = Field(description="one sentence: what this weight is")
    method: Text = Field(description="ppkt, point_contrast, …")
    teacher: Teacher | None = None
    further_teachers: Annotated[tuple[Teacher, ...], FailFast()] = ()
    data: Annotated[tuple[DataUsed, ...], FailFast()] = Field(min_length=1)
    recipe: RecipeUsed | None = None
    conversion: Conversion | None = None
    base: Base | None = None
    seed: int | None = None
    trained: Training | None = None
    metrics: Annotated[tuple[Metric, ...], FailFast()] = ()
    deviations: Texts = Field(default=(), description="from the method as published, each named")
    limits: Texts = Field(default=(), description="what it cannot do, or was never tested on")
    licences: Licences
    citation: Text
    parameters: int = Field(ge=1)
    created: datetime.date

    @property
    def teachers(self) -> tuple[Teacher, ...]:
        """All that it learned from, the first one first."""
        return (*(() if self.teacher is None else (self.teacher,)), *self.further_teachers)

    @property
    def sources(self) -> tuple[str, ...]:
        """The data's names, each once: sittings may have seen different frames of one source."""
        return tuple(dict.fromkeys(one.name for one in self.data))

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if name not in _LEFT_OUT or value}

    @model_validator(mode="after")
    def _origin_is_told(self) -> "WeightRecord":
        if self.method.endswith(_OWN_LOOPS):
            return self
        if self.conversion is None and (self.recipe is None or self.seed is None or self.trained is None):
            raise ValueError("recipe, seed and trained are needed, unless conversion tells where the weight comes from")
        if self.conversion is None and any(one.frames is None for one in self.data):
            raise ValueError("data.frames is needed, unless conversion tells where the weight comes from")
        return self
