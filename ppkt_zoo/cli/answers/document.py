"""The one JSON document that a command writes under ``--json``, and its schema."""

import json
from collections.abc import Sequence
from typing import Any, Generic, Literal, TypeVar, Union

from pydantic import Field
from pydantic.json_schema import GenerateJsonSchema

import ppkt_zoo
from ppkt_zoo.cli.answers.base import Answer, Failure
from ppkt_zoo.cli.contract import answer_classes
from ppkt_zoo.files.validation import StrictModel

_Result = TypeVar("_Result", bound=Answer)


class Document(StrictModel, Generic[_Result]):
    """What any command writes. Exactly one of ``result`` and ``error`` is null."""

    schema_version: Literal[1] = Field(
        default=1, description="fields may join a version; one that goes or changes its meaning makes a new version"
    )
    ppkt_zoo: str = Field(description="version of ppkt-zoo")
    command: str = Field(description="words of the command, such as 'data inspect'; empty where none was recognised")
    warnings: tuple[str, ...] = Field(description="what standard error warned of")
    result: _Result | None = Field(description="what the command found")
    error: Failure | None = Field(description="why there is no result")


def answered(command: str, answer: Answer, warnings: Sequence[str]) -> str:
    """The document of an answer, which must be of one of the command's own classes."""
    kinds = answer_classes(command)
    if not isinstance(answer, kinds):
        names = " or ".join(kind.__name__ for kind in kinds)
        raise TypeError(f"{command} answers by {names}, not by {type(answer).__name__}")
    return _text(command, warnings, answer, None)


def failed(command: str, failure: Failure, warnings: Sequence[str]) -> str:
    """The document of a failure."""
    return _text(command, warnings, None, failure)


def schema_of(command: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a command's document."""
    # Built and indexed at run time, which types know nothing of.
    results: Any = Union[answer_classes(command)]  # noqa: UP007
    model: Any = Document.__class_getitem__(results)
    schema = model.model_json_schema(mode="serialization")
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema, "title": f"ppkt-zoo {command}"}


def _text(command: str, warnings: Sequence[str], answer: Answer | None, failure: Failure | None) -> str:
    content = {
        "schema_version": 1,
        "ppkt_zoo": ppkt_zoo.__version__,
        "command": command,
        "warnings": list(warnings),
        "result": None if answer is None else answer.model_dump(mode="json", by_alias=True),
        "error": None if failure is None else failure.model_dump(mode="json"),
    }
    # ASCII alone: no terminal obeys it, and every encoding can carry it.
    return json.dumps(content, indent=2, allow_nan=False)
