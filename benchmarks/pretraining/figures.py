"""Figures of students by name, ready for tables and for sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from _probes.probing import KNN, LAST
from _probes.tables import figure

Student = Mapping[str, Any]
SETS = {"rooms": "unseen rooms", "kitchen": "real kitchen", "mosd": "real table tops"}
LINES = {LAST: "linear", KNN: "kNN"}


def miou(student: Student, part: str, line: str = LAST) -> list[float]:
    """mIoU of every seed."""
    values: list[float] = student["parts"][part]["miou"][line]["values"]
    return values


def weights(students: Sequence[Student]) -> list[Student]:
    """The pretrained ones."""
    return [one for one in students if one["kind"] == "weight"]


def control_of(student: Student, students: Sequence[Student]) -> Student:
    """The untrained network of a weight's architecture."""
    return next(one for one in students if one["key"] == student["control"])


def of_tag(students: Sequence[Student], architecture: str, tag: str) -> Student | None:
    """The weight ``architecture.tag``, where it was measured."""
    return next((one for one in students if one["name"] == f"{architecture}.{tag}"), None)


def row(student: Student, parts: Sequence[str] = tuple(SETS)) -> list[str]:
    """Name, and linear and kNN mIoU on every set."""
    return [f"`{student['name']}`" if student["kind"] == "weight" else student["name"]] + [
        figure(miou(student, part, line)) for part in parts for line in LINES
    ]
