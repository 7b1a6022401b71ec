"""Examine an installation, or a file or folder, and say which command reads it right."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from ppkt_zoo.cli.answers.doctor import Diagnosis, Source
from ppkt_zoo.cli.run.source import camera
from ppkt_zoo.data.examine.cloud import examine_file
from ppkt_zoo.data.examine.finding import Finding, fine
from ppkt_zoo.data.examine.report import CloudReport, Wanted
from ppkt_zoo.data.own_cloud import UP_AXES
from ppkt_zoo.data.readers.open import FRAME_FILES
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.text import first_few
from ppkt_zoo.zoo.default import default_weight

if TYPE_CHECKING:
    from ppkt_zoo.cli.doctor import Complaint
    from ppkt_zoo.points.input_spec import InputSpec


def examine(complaint: "Complaint") -> Diagnosis:
    """What is asked for.

    Raises:
        InputError: there is no such source, or an option does not fit.
        UnknownNameError, WeightError: there is no such weight.
    """
    if complaint.source is None:
        from ppkt_zoo.cli.run.doctor_installation import examine_installation

        given = (complaint.unit, complaint.up, complaint.intrinsics, complaint.depth_scale)
        if any(one is not None for one in given):
            raise InputError("--unit, --up, --intrinsics and --depth-scale are about a SOURCE: give one")
        return examine_installation()
    path = usable_path(complaint.source, InputError)
    if not path.exists():
        raise InputError(f"{path} does not exist: give a point file, a mesh, or a folder of RGB-D frames")
    name = complaint.weight or default_weight()
    spec = _input_spec(name)
    wanted = Wanted(
        name,
        spec.voxel_size,
        not spec.wants_color or spec.missing_color != "error",
        None if complaint.unit is None else complaint.unit.value,
        complaint.up,
    )
    if path.is_dir() or path.suffix.lower() in FRAME_FILES:
        report, of = _examine_folder(path, complaint, wanted)
    else:
        report, of = _examine_cloud(path, complaint, wanted), path
    return Diagnosis(
        findings=_ordered(path, report), installation=None, source=_source(of, path, report, complaint, name)
    )


def _examine_cloud(path: Path, complaint: "Complaint", wanted: Wanted) -> CloudReport:
    if complaint.intrinsics is not None or complaint.depth_scale is not None:
        raise InputError(f"{path} is a file: --intrinsics and --depth-scale are for folders of frames")
    if wanted.up is not None and wanted.up != "gravity" and wanted.up not in UP_AXES:
        raise InputError(f"--up {wanted.up} is no axis of a point file: use {', '.join(UP_AXES)}, or gravity")
    return examine_file(path, wanted)


def _examine_folder(path: Path, complaint: "Complaint", wanted: Wanted) -> tuple[CloudReport, Path]:
    """What a folder holds: point files, of which the first is examined, or frames; and what was examined."""
    from ppkt_zoo.data.examine.folder import examine_folder, point_files

    clouds = point_files(path) if path.is_dir() else []
    if clouds and not any(".color." in one.name for one in path.iterdir()):
        report = _examine_cloud(clouds[0], complaint, wanted)
        names = first_few([one.name for one in clouds], counted=True)
        many = f"{len(clouds)} point files ({names}); {clouds[0].name} was examined"
        report.findings.insert(0, fine("folder", many))
        report.form = f"folder of {len(clouds)} point files"
        return report, path
    if complaint.unit is not None:
        raise InputError(f"{path} holds frames: --unit is for point files; for depth, give --depth-scale")
    report = examine_folder(path, camera(complaint.intrinsics), complaint.up or "gravity", complaint.depth_scale)
    given = (("--intrinsics", complaint.intrinsics), ("--depth-scale", complaint.depth_scale), ("--up", complaint.up))
    for option, value in given:
        if value is not None and option not in report.options:
            report.options += [option, f"{value:g}" if isinstance(value, float) else str(value)]
    return report, path


def _ordered(path: Path, report: CloudReport) -> tuple[Finding, ...]:
    what = report.form if not report.points else f"{report.form}, {report.points:,} points"
    found = list(report.findings)
    if any(one.level == "problem" and one.topic in ("file", "frames") for one in found):
        return (*found,)
    return (fine("source", f"{path.name}: {what}"), *found)


def _source(of: Path, path: Path, report: CloudReport, complaint: "Complaint", weight: str) -> Source:
    unread = any(one.level == "problem" for one in report.findings) and "--intrinsics" not in report.options
    return Source(
        path=path,
        form=report.form,
        points=report.points,
        without_position=report.dropped,
        triangles=report.triangles,
        size=report.size,
        unit=report.unit,
        up=report.up,
        color=report.color,
        labels=report.labels,
        points_per_voxel=report.per_voxel,
        occupied_neighbours=report.neighbours,
        spacing=report.spacing,
        weight=weight,
        command=None if unread else _command(of, report, complaint),
    )


def _command(path: Path, report: CloudReport, complaint: "Complaint") -> str:
    text = str(path)
    words = ["ppkt-zoo", "encode", f"./{text}" if text.startswith("-") else text]
    words += ["--weight", complaint.weight] if complaint.weight is not None else []
    words += report.options
    if path.is_dir() and report.form.endswith("point files"):
        words += ["--out", "features"]
    else:
        words += ["--picture", "features.png"]
    return shlex.join(words)


def _input_spec(name: str) -> "InputSpec":
    """What a weight wants; of a listed one from the manifest, so that nothing is fetched."""
    from ppkt_zoo.zoo.load import check_listed, open_weight
    from ppkt_zoo.zoo.manifest import load_manifest
    from ppkt_zoo.zoo.names import ListedName, parse_name

    parsed = parse_name(name)
    if isinstance(parsed, ListedName):
        check_listed(parsed)
        return load_manifest().find(parsed).input_spec
    return open_weight(name).config.input_spec
