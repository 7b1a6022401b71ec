"""From a finished run to a weight folder with its complete record."""

from pathlib import Path

import torch

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.engine.machine import describe_machine, versions
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.pretraining.recipe_sections import FramesData, TeacherSection
from ppkt_zoo.pretraining.setup import Setup
from ppkt_zoo.rooms.room import VERSION as ROOMS_VERSION
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.zoo.folder import write_weight_folder
from ppkt_zoo.zoo.record import DataUsed, Licences, Training
from ppkt_zoo.zoo.record import Teacher as TeacherRecord

# Enough points to fill every level of a U-Net, few enough that the golden file stays small.
_GOLDEN_POINTS = 8192


def export_weight(folder: Path, run: Setup, seconds: float, seen_frames: int, skipped_frames: int) -> None:
    """Write a weight folder: student in half precision, heads, golden output, recipe, record and card.

    Args:
        folder: where; a weight folder that is there already is replaced.
        run: whose model has learned, with its recipe, which goes along, and its data; the first frame of the first
            source becomes the golden cloud.
        seconds: of training, over all its parts.
        seen_frames, skipped_frames: how many there were, and how many could not be used.
    """
    recipe, model = run.recipe, run.exported_model().cpu()
    data = tuple(
        DataUsed(
            name=entry.name,
            frames=len(source),
            licence=entry.licence if isinstance(entry, FramesData) else "Apache-2.0",
            attribution=(entry.attribution if isinstance(entry, FramesData) else "") or "ppkt-zoo, procedural rooms",
        )
        for entry, source in zip(recipe.data, run.data.sources, strict=True)
    )
    earlier = run.earlier
    if earlier is not None:
        # What an earlier sitting learned from is in this weight too; another number of frames is another entry.
        data += tuple(one for one in earlier.record.data if one not in data)
    teacher = None if recipe.teacher is None else _teacher_record(recipe.teacher, run.teacher)
    when = "training" if earlier is None else "the last sitting"
    sources = ", ".join(dict.fromkeys(one.name for one in data))
    record = {
        "description": recipe.description.strip(),
        "method": recipe.method,
        "teacher": teacher,
        "further_teachers": tuple(_teacher_record(one, run.further[name]) for name, one in recipe.teachers.items()),
        "data": data,
        "seed": recipe.seed,
        "trained": Training(
            steps=recipe.steps + (0 if earlier is None else earlier.steps),
            hours=round(seconds / 3600 + (0.0 if earlier is None else earlier.hours), 3),
            earlier=() if earlier is None else earlier.sittings,
            machine=describe_machine(run.accelerator.device, run.accelerator.num_processes),
            versions=versions(("torch", "torchvision", "accelerate", "numpy"))
            | ({"procedural rooms": str(ROOMS_VERSION)} if any(one.kind == "rooms" for one in recipe.data) else {}),
        ),
        "deviations": recipe.deviations,
        "limits": (
            f"{skipped_frames} of {seen_frames} frames were skipped in {when}.",
            f"Learned from single frames of {sources}, and from nothing else.",
        ),
        "licences": Licences(data="; ".join(sorted({one.licence for one in data})), weights=recipe.weight_licence),
        "citation": recipe.citation,
    }
    write_weight_folder(
        folder,
        model.student,
        name=recipe.weight,
        record=record,
        golden_cloud=_golden_cloud(run.data.sources[0]),
        dtype="float16",
        projection=model.projection() or None,
        extra_files={"recipe.yaml": recipe.text()},
        overwrite=True,
    )


def _teacher_record(section: TeacherSection, teacher: Teacher | None) -> TeacherRecord:
    told = section.model_dump(include={"name", "origin", "licence"})
    return TeacherRecord(stage=section.spec.stage, sha256=None if teacher is None else teacher.sha256, **told)


def _golden_cloud(source: FrameSource) -> PointCloud:
    frame = source[0]
    xyz, rgb, _ = frame.points()
    chosen = torch.linspace(0, len(xyz) - 1, min(_GOLDEN_POINTS, len(xyz))).long().numpy()
    return PointCloud.from_arrays(xyz[chosen], rgb[chosen])
