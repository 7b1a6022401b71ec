"""Everything that is measured of one student, journalled, so that what exists is not computed again."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.evaluation.clusters import clusters
from benchmarks.evaluation.embeddings import collapse, retrieval, tsne
from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.kept import summary
from benchmarks.evaluation.material import SETS, Material
from benchmarks.evaluation.naming import named
from benchmarks.evaluation.probing import ProbeTask, Report, probe_scores
from benchmarks.evaluation.students import Pretrained, Raw, Student, Untrained, control_key
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.rooms.room import VERSION


def measure(
    student: Student, material: Material, seeds: int, journal: Journal, teachers: Sequence[Path]
) -> dict[str, Any]:
    """One student's results, complete but for what its absent teacher keeps from being measured."""
    parts: dict[str, Any] = {}
    for name, task in material.tasks().items():
        parts[name] = _probe(student, name, task, seeds, journal, material)
    every_seed = list(range(seeds))
    parts["clusters"] = {
        part: journal.remember(f"clusters/{part}", clusters, student, material, part, every_seed) for part in SETS
    }
    if not isinstance(student, Raw):
        frames = material.retrieval_sets()
        parts["collapse"] = _collapse(student, frames["unseen rooms"], seeds, journal, material)
        parts["tsne"] = journal.remember("tsne", _tsne, student, material)
    missing = []
    if isinstance(student, Pretrained) and student.heads is not None:
        try:
            parts["retrieval"] = _retrieval(student, seeds, journal, material, teachers)
        except FileNotFoundError as error:
            missing.append(f"retrieval: {error}")
        if student.taught_by(material.labeller.sha256):
            parts["named"] = journal.remember("named", named, student, material, every_seed)
    return {
        "name": student.name,
        "key": student.key,
        **student.facts(),
        "control": control_key(student) if isinstance(student, Pretrained) else None,
        "seeds": every_seed,
        "world": VERSION,
        "amount": dataclasses.asdict(material.amount),
        "parts": parts,
        "missing": missing,
        "spent": journal.spent(),
    }


def _probe(
    student: Student, name: str, task: ProbeTask, seeds: int, journal: Journal, material: Material
) -> dict[str, Any]:
    def one_seed(seed: int) -> Report:
        featurise = student.featurise(seed, _statistics_clouds(task, seed, material))
        return probe_scores(task, featurise, [seed])[0]

    if student.fixed:
        # One encoding of each cloud serves every seed.
        featurise = student.featurise(0, ())
        reports = journal.remember(f"{name}/0..{seeds - 1}", probe_scores, task, featurise, range(seeds))
    else:
        reports = [journal.remember(f"{name}/{seed}", one_seed, seed) for seed in range(seeds)]
    return {
        "classes": list(task.classes),
        "fit_frames": task.fit_frames,
        "fit_size": task.fit_size,
        "test_frames": task.test_size,
        "per_frame": task.per_frame,
        "per_class": task.per_class,
        "queries": task.queries,
        "miou": {line: summary([one[line]["miou"] for one in reports]) for line in reports[0]},
        "reports": reports,
    }


def _statistics_clouds(task: ProbeTask, seed: int, material: Material) -> list[PointCloud]:
    chosen = np.random.default_rng([seed, 53]).permutation(task.frames_of(seed))[: material.amount.statistics_clouds]
    return [task.fit(int(index))[0] for index in chosen]


def _collapse(
    student: Student, source: FrameSource, seeds: int, journal: Journal, material: Material
) -> list[dict[str, Any]]:
    def one_seed(seed: int) -> dict[str, Any]:
        if isinstance(student, Pretrained):
            return collapse(student.backbone, student.point_heads, source, material.amount, seed)
        assert isinstance(student, Untrained)
        clouds = _statistics_clouds(material.tasks()["rooms"], seed, material)
        return collapse(student.backbone(seed, clouds), {}, source, material.amount, seed)

    return [journal.remember(f"collapse/{seed}", one_seed, seed) for seed in range(seeds)]


def _tsne(student: Student, material: Material) -> dict[str, Any]:
    clouds = [] if student.fixed else _statistics_clouds(material.tasks()["rooms"], 0, material)
    return tsne(student.featurise(0, clouds), material)


def _retrieval(
    student: Pretrained, seeds: int, journal: Journal, material: Material, teachers: Sequence[Path]
) -> dict[str, Any]:
    heads = student.heads
    assert heads is not None
    teacher = student.teacher(teachers)
    sets: dict[str, Any] = {}
    for name, source in material.retrieval_sets().items():
        drawn = [
            journal.remember(
                f"retrieval/{name}/{seed}", retrieval, student.backbone, heads, teacher, source, material.amount, seed
            )
            for seed in range(seeds)
        ]
        sets[name] = {top: summary([one[top] for one in drawn]) for top in ("top1", "top5")}
    return {"pairs": material.amount.pairs, "frames": material.amount.retrieval_frames, "sets": sets}
