"""Recipe: everything that makes a weight, in one complete YAML file, read strictly."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ppkt_zoo.data.augment import CloudAugmentation
from ppkt_zoo.data.augment_image import ImageAugmentation
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.transfer.teacher_spec import TeacherSpec


# What the same recipe file means; to be raised where a default changes or a step sees other random numbers.
_MEANING = 2


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RoomsData(_Strict):
    """Frames of the procedural rooms (:mod:`ppkt_zoo.data.rooms`); made on the spot, needs no files."""

    kind: Literal["rooms"]
    seed: int
    rooms: int = Field(gt=0)
    frames_per_room: int = Field(gt=0)
    height: int = Field(default=240, gt=0)
    width: int = Field(default=320, gt=0)
    sensor_noise: bool = True
    close_ups: float = Field(default=0.0, ge=0, le=1, description="share of frames that look down on a table from near")
    walk: bool = Field(default=False, description="the frames of a room follow each other and overlap")
    per_step: int = Field(default=1, gt=0, description="frames of this source a step, on average where views > 1")
    views: int = Field(default=1, ge=1, description="frames in a row of one room that are always taken together")
    pixel_stride: int = Field(default=1, gt=0, description="every n-th pixel in each direction becomes a point")

    @property
    def name(self) -> str:
        """What reports call this source."""
        return f"rooms-{self.seed}-walk" if self.walk else f"rooms-{self.seed}"


class FramesData(_Strict):
    """RGB-D frames in a folder, given on the command line as ``--data NAME=PATH``."""

    kind: Literal["frames"]
    name: str
    every: int = Field(default=1, gt=0)
    per_step: int = Field(default=1, gt=0)
    views: int = Field(default=1, ge=1, description="frames in a row that are always taken together")
    pixel_stride: int = Field(default=2, gt=0)
    licence: str = Field(description="licence of the data, for the record of the weight")
    attribution: str = ""


DataEntry = Annotated[RoomsData | FramesData, Field(discriminator="kind")]


class BackboneSection(_Strict):
    """Which student, with which arguments and input convention."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    input_spec: InputSpec


class TeacherSection(_Strict):
    """The frozen 2D network, and where its file comes from."""

    spec: TeacherSpec
    name: str = Field(description="what the record calls the teacher")
    origin: str = Field(description="where its file can be had; recorded, never opened")
    licence: str
    features: Literal["cached", "online"] = "cached"
    image_flip: float = Field(default=0.0, ge=0, le=1, description="probability; needs online features")
    image_augmentation: ImageAugmentation = Field(default=ImageAugmentation.off(), description="needs online features")

    @model_validator(mode="after")
    def _changed_images_need_online(self) -> "TeacherSection":
        if self.image_flip > 0 and self.features == "cached":
            raise ValueError("image_flip needs features: online, since cached features belong to unflipped images")
        if not self.image_augmentation.is_off and self.features == "cached":
            raise ValueError(
                "image_augmentation needs features: online, since cached features belong to images as they are stored"
            )
        if self.image_flip > 0 and self.image_augmentation.flip > 0:
            raise ValueError("image_flip and image_augmentation.flip are the same: give one of them")
        return self

    @property
    def images(self) -> ImageAugmentation:
        """What happens to images before the teacher sees them, ``image_flip`` included."""
        if self.image_flip == 0:
            return self.image_augmentation
        return self.image_augmentation.model_copy(update={"flip": self.image_flip})


class LossSection(_Strict):
    """Pixel-to-point NCE and the heads before it (PPKT, section 3)."""

    level: str = "stride1"
    dim: int = Field(default=128, gt=0)
    temperature: float = Field(default=0.04, gt=0)
    pairs: int = Field(default=4096, gt=1, description="pixel-point pairs a step, over all its frames")


class OptimiserSection(_Strict):
    """Optimiser and learning-rate schedule: linear warm-up, then cosine down to zero."""

    name: Literal["sgd", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD only")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="part of the steps")
    clip_norm: float | None = Field(default=None, gt=0)


class ValidationSection(_Strict):
    """Retrieval on frames that training never sees, every so many steps."""

    data: RoomsData
    every: int = Field(gt=0)


class Recipe(_Strict):
    """One complete description of a pretraining run; nothing is inherited from elsewhere."""

    weight: str = Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", description="architecture.tag of the weight it makes")
    description: str
    method: Literal["ppkt"] = "ppkt"
    seed: int = 0
    steps: int = Field(gt=0)
    precision: Literal["no", "bf16", "fp16"] = "no"
    backbone: BackboneSection
    teacher: TeacherSection
    data: tuple[DataEntry, ...] = Field(min_length=1)
    augmentation: CloudAugmentation
    loss: LossSection
    optimiser: OptimiserSection
    validation: ValidationSection | None = None
    checkpoint_every: int = Field(default=500, gt=0)
    log_every: int = Field(default=20, gt=0)
    weight_licence: str
    citation: str = "Liu et al., Learning from 2D: Contrastive Pixel-to-Point Knowledge Transfer, arXiv 2104.04687"
    deviations: tuple[str, ...] = Field(default=(), description="where this recipe differs from the paper, and why")

    @model_validator(mode="after")
    def _names_agree(self) -> "Recipe":
        if self.weight.split(".")[0] != self.backbone.name:
            raise ValueError(f"weight {self.weight!r} must begin with the backbone's name {self.backbone.name!r}")
        names = [entry.name for entry in self.data]
        if len(set(names)) != len(names):
            raise ValueError("two data entries have the same name")
        for entry in self.data:
            if isinstance(entry, RoomsData) and entry.views > entry.frames_per_room:
                raise ValueError(f"{entry.name}: views {entry.views} in a row, but a room has {entry.frames_per_room}")
        held_out = self.validation.data.seed if self.validation else None
        if any(entry.kind == "rooms" and entry.seed == held_out for entry in self.data):
            raise ValueError("validation must use another seed than the training rooms")
        return self

    @property
    def fingerprint(self) -> str:
        """sha256 of the recipe's content; a run resumes only under the same one."""
        # Fields at their default are left out, so that a recipe's runs go on when recipes learn new fields.
        content = [_MEANING, self.model_dump(mode="json", exclude_defaults=True)]
        text = json.dumps(content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def load_recipe(path: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Recipe:
    """Read a recipe and apply overrides.

    Args:
        path: a YAML file, or the name of a recipe that ships with the package (``rooms_voc``).
        overrides: ``key=value`` with dots for nested keys, e.g. ``optimiser.lr=0.1``; values are YAML.

    Raises:
        RecipeError: no such file, not YAML, an unknown field, a wrong value; the message names the field.
    """
    return read_recipe(Recipe, find_recipe(path, shipped_recipes()), overrides)


_Kind = TypeVar("_Kind", bound=BaseModel)


def read_recipe(kind: type[_Kind], file: Path, overrides: list[str] | tuple[str, ...]) -> _Kind:
    """Read a recipe of any kind from a file, strictly, with overrides; errors as in :func:`load_recipe`."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
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
    names = ", ".join(shipped) or "none"
    raise RecipeError(f"no recipe {str(path)!r}: give a YAML file, or one that ships with the package ({names})")


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"{override!r} is no override: write key=value, e.g. optimiser.lr=0.1")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
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
