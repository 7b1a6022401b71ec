"""Strict models: their base, and pydantic's findings in our own words: which field, what is wrong, how to mend it."""

import difflib
from collections.abc import Iterator
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files import strict_json

#: Steps of a run: its checkpoints are named by eight digits.
MOST_STEPS = 99_999_999
#: Images, scenes or frames of a step; more never fit into a machine.
MOST_BATCH = 100_000
#: Pairs of a step, and keys of a queue.
MOST_PAIRS = 10_000_000
#: Numbers of an embedding.
MOST_DIM = 65_536
_Model = TypeVar("_Model", bound=BaseModel)

#: No JSON file of ours comes near it; a larger one is not read.
MAX_JSON_BYTES = 4 * 2**20
# Of one object. A field that is not known is a finding, and pydantic makes all findings before it tells one.
_MOST_NAMES = 1000
_SHOWN = 3
_LONGEST_STEP = 80


class StrictModel(BaseModel):
    """No field beyond the known ones, no number that is none, and no change after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OptimiserSection(StrictModel):
    """Optimiser and learning-rate schedule: linear warm-up, then the schedule."""

    name: Literal["sgd", "adamw"]
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="SGD only")
    warmup: float = Field(default=0.05, ge=0, lt=1, description="part of the steps")
    schedule: Literal["cosine", "polynomial", "exponential", "constant"] = "cosine"
    power: float = Field(default=0.9, gt=0, description="of the polynomial schedule")
    gamma: float = Field(default=0.99, gt=0, le=1, description="of the exponential one, every gamma_steps")
    gamma_steps: int = Field(default=250, gt=0)
    clip_norm: float | None = Field(default=None, gt=0)


def parse_json(model: type[_Model], data: bytes, where: str, error_class: type[PPKTZooError]) -> _Model:
    """Read JSON bytes into a model.

    Args:
        where: what is read, as the message should name it, such as ``weights_manifest.json``.
        error_class: what to raise where it does not fit, or is no JSON that an honest file holds
            (:func:`ppkt_zoo.files.strict_json.parse_json`).
    """
    if len(data) > MAX_JSON_BYTES:
        raise error_class(f"{where} has {len(data)} bytes, more than the {MAX_JSON_BYTES} that are ever read")
    strict_json.parse_json(data, where, error_class, most_names=_MOST_NAMES)
    try:
        return model.model_validate_json(data.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        raise error_class(explain(error, where, model)) from None


def parse_mapping(model: type[_Model], value: object, where: str, error_class: type[PPKTZooError]) -> _Model:
    """Read a mapping (or take a model as it is) with the same messages."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise error_class(explain(error, where, model)) from None


def explain(error: ValidationError, where: str, model: type[BaseModel]) -> str:
    """``where: field: what is wrong and the mend``, for the first few findings."""
    findings = error.errors(include_url=False, include_context=True)
    lines = [_explain_one(finding["loc"], finding, model) for finding in findings[:_SHOWN]]
    more = f"; and {len(findings) - _SHOWN} more" if len(findings) > _SHOWN else ""
    return f"{where}: {'; '.join(lines)}{more}"


def _explain_one(loc: tuple[int | str, ...], finding: object, model: type[BaseModel]) -> str:
    assert isinstance(finding, dict)
    kind, field = finding["type"], field_path(loc)
    if kind == "json_invalid":
        return f"is not valid JSON ({finding['ctx']['error']}): the file is damaged or cut short, get it again"
    if kind == "extra_forbidden":
        known = _siblings(loc, model)
        near = difflib.get_close_matches(str(loc[-1])[:_LONGEST_STEP], known, n=1, cutoff=0.5)
        mend = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}" if known else "remove it"
        return f"unknown field {field}: {mend}"
    if kind == "missing":
        return f"field {field} is missing: add it"
    if kind in ("value_error", "assertion_error"):
        text = str(finding["ctx"]["error"])
    else:
        message = str(finding["msg"])
        text = message[:1].lower() + message[1:]
    given = repr(finding.get("input"))
    shown = "" if len(given) > 60 or "got " in text else f", got {given}"
    return f"field {field}: {text}{shown}" if field else f"{text}{shown}"


def field_path(loc: tuple[int | str, ...]) -> str:
    """``weights[0].files['model.safetensors'].sha256`` for a finding's location."""
    path = ""
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
            continue
        step = step if len(step) <= _LONGEST_STEP else f"{step[:_LONGEST_STEP]}…"
        if step.isidentifier():
            path += f".{step}" if path else step
        elif step != "[key]":
            path += f"[{step!r}]"
    return path


def _siblings(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    """Names of the fields that would be right in the place of ``loc``'s last step; empty where unclear."""
    here: list[type[BaseModel]] = [model]
    for step in loc[:-1]:
        if len(here) == 1 and step in here[0].model_fields:
            here = list(dict.fromkeys(_models_in(here[0].model_fields[str(step)].annotation)))
        elif len(here) > 1 and isinstance(step, str):
            # Of a union the location names the tag.
            here = [one for one in here if step in _tags(one)]
        elif isinstance(step, str):
            return []
    return list(here[0].model_fields) if len(here) == 1 else []


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation such as ``tuple[Metric, ...] | None`` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def _tags(model: type[BaseModel]) -> tuple[object, ...]:
    """What the field ``kind`` of a model may be."""
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()
