"""From a finished run to a weight folder with its complete record."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.engine.machine import describe_machine
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.recipe_sections import FramesData
from ppkt_zoo.rooms.room import VERSION as ROOMS_VERSION
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.transfer.objective import TransferModel
from ppkt_zoo.zoo.folder import write_weight_folder
from ppkt_zoo.zoo.record import DataUsed, Licences, Training
from ppkt_zoo.zoo.record import Teacher as TeacherRecord

# Enough points to fill every level of a U-Net, few enough that the golden file stays small.
_GOLDEN_POINTS = 8192


@dataclass(frozen=True)
class RunSummary:
    """What a run cost and saw.

    Attributes:
        seconds: of training, over all its parts.
        seen_frames, skipped_frames: how many there were, and how many could not be used.
        source_sizes: frames of each source in the recipe's order.
        device: that the main process learned on.
        processes: that learned together.
    """

    seconds: float
    seen_frames: int
    skipped_frames: int
    source_sizes: tuple[int, ...]
    device: torch.device
    processes: int = 1


def export_weight(
    folder: Path,
    recipe: Recipe,
    model: TransferModel,
    teacher: Teacher | None,
    summary: RunSummary,
    golden_source: FrameSource,
) -> None:
    """Write a weight folder: student in half precision, heads, golden output, recipe, record and card.

    Args:
        folder: where; a weight folder that is there already is replaced.
        recipe: what was run, overrides included; a copy goes along.
        model: the trained model, on the CPU.
        teacher: its frozen teacher, if it had one.
        summary: what the run cost.
        golden_source: where the golden cloud comes from (its first frame).
    """
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    write_weight_folder(
        folder,
        model.student,
        name=recipe.weight,
        record=_record(recipe, teacher, summary),
        golden_cloud=_golden_cloud(golden_source),
        dtype="float16",
        projection=model.projection() or None,
        extra_files={"recipe.yaml": text},
        overwrite=True,
    )


def _record(recipe: Recipe, teacher: Teacher | None, summary: RunSummary) -> dict[str, Any]:
    data = tuple(
        DataUsed(
            name=entry.name,
            frames=frames,
            licence=entry.licence if isinstance(entry, FramesData) else "Apache-2.0",
            attribution=(entry.attribution if isinstance(entry, FramesData) else "") or "ppkt-zoo, procedural rooms",
        )
        for entry, frames in zip(recipe.data, summary.source_sizes, strict=True)
    )
    return {
        "description": recipe.description.strip(),
        "method": recipe.method,
        "teacher": _teacher(recipe, teacher),
        "data": data,
        "seed": recipe.seed,
        "trained": Training(
            steps=recipe.steps,
            hours=round(summary.seconds / 3600, 3),
            machine=describe_machine(summary.device, summary.processes),
            versions={package: version(package) for package in ("torch", "torchvision", "accelerate", "numpy")}
            | ({"procedural rooms": str(ROOMS_VERSION)} if any(one.kind == "rooms" for one in recipe.data) else {}),
        ),
        "deviations": recipe.deviations,
        "limits": (
            f"{summary.skipped_frames} of {summary.seen_frames} frames were skipped in training.",
            f"Learned from single frames of {', '.join(one.name for one in data)}, and from nothing else.",
        ),
        "licences": Licences(data="; ".join(sorted({one.licence for one in data})), weights=recipe.weight_licence),
        "citation": recipe.citation,
    }


def _teacher(recipe: Recipe, teacher: Teacher | None) -> TeacherRecord | None:
    section = recipe.teacher
    if section is None or teacher is None:
        return None
    return TeacherRecord(
        name=section.name,
        stage=section.spec.stage,
        origin=section.origin,
        licence=section.licence,
        sha256=teacher.sha256,
    )


def _golden_cloud(source: FrameSource) -> PointCloud:
    frame = source[0]
    xyz, rgb, _ = frame.points()
    chosen = torch.linspace(0, len(xyz) - 1, min(_GOLDEN_POINTS, len(xyz))).long().numpy()
    return PointCloud.from_arrays(xyz[chosen], rgb[chosen])
