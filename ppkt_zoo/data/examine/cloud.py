"""One point file or mesh: what it is, what looks odd about it, and the options that read it right."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.examine.colors import examine_colors
from ppkt_zoo.data.examine.density import density_of, doubled, extent_of, far_off
from ppkt_zoo.data.examine.finding import fine, problem, remark
from ppkt_zoo.data.examine.report import CloudReport, Wanted
from ppkt_zoo.data.examine.scale_and_up import judge_unit, judge_vertical
from ppkt_zoo.data.own_cloud import DENSITY, MESH_ENDINGS, UP_AXES
from ppkt_zoo.errors import InputError, MeshWarning, UnitWarning
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.cloud_files import stored_arrays
from ppkt_zoo.points.files.fields import field_names
from ppkt_zoo.points.units import METRES

_SHOWN = 8
_FEW_POINTS = 200
# Voxels of one cloud that a network takes at once on a common machine.
_MANY_VOXELS = 2_000_000
_ALONE, _SPARSE, _DENSE = 2.0, 5.0, 60.0
_LABELS = ("label", "class", "classification", "semantic", "instance", "object")
_NORMALS = ("normal_x", "nx", "normals", "normal")
_WHOLE_CITY = 300.0
_COARSEST_STEP = 0.01
# Many points in the very corner of the coordinates are what drivers write where they saw nothing.
_MANY_AT_ORIGIN = 0.01


def examine_file(file: Path, wanted: Wanted) -> CloudReport:
    """Look at a file; whatever is wrong with it becomes a finding.

    Raises:
        InputError: an option is none of those that are known.
    """
    report = CloudReport(form=f"{'mesh' if file.suffix.lower() in MESH_ENDINGS else 'point cloud'}, {file.suffix}")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            content = read_file(file, InputError, missing="no such file")
            xyz, colors = _read(file, content, report)
            names = () if file.suffix.lower() in MESH_ENDINGS else field_names(str(file), content)
        except InputError as error:
            report.findings.append(problem("file", str(error).removeprefix(f"{file}: ")))
            return report
    xyz, colors = _positions(xyz, colors, report)
    if not len(xyz):
        return report
    _tell_warnings(file, told, report)
    up = judge_vertical(file, xyz, wanted, report)
    turned = xyz if up == "gravity" else xyz @ np.array(UP_AXES[up], dtype=np.float64).T
    named = next((one.message.unit for one in told if isinstance(one.message, UnitWarning)), None)
    metres = turned * METRES[judge_unit(file, turned, wanted, named, report)]
    if report.triangles:
        # Those that were looked at are no points of the file.
        report.points = 0
        sampled = f"{report.triangles:,} triangles; points are sampled on their surface, {DENSITY:,.0f} per m²"
        report.findings.insert(0, fine("mesh", sampled))
    report.color = colors is not None
    report.findings += examine_colors(colors, str(file), wanted.takes_no_color)
    _extent(metres, xyz, report)
    _density(metres, wanted, report, any(isinstance(one.message, MeshWarning) for one in told))
    _oddities(metres, report)
    _fields(names, report)
    return report


def _read(file: Path, content: bytes, report: CloudReport) -> tuple[NDArray[np.float64], NDArray[Any] | None]:
    """Positions and colours as they are stored; of a mesh, of points on its surface, in the file's own unit."""
    if file.suffix.lower() not in MESH_ENDINGS:
        xyz, colors = stored_arrays(file, content)
        return np.asarray(xyz, dtype=np.float64), colors
    from ppkt_zoo.data.meshes.load import parse_mesh
    from ppkt_zoo.data.meshes.surface import corner_points, sample_surface

    mesh = parse_mesh(content, str(file))
    report.triangles = mesh.triangles
    if not mesh.triangles:
        return corner_points(mesh)
    area = sum(float(part.areas().sum()) for part in mesh.parts)
    # Enough to judge its extent and its vertical, whatever the unit.
    found = sample_surface(mesh, 200_000 / area if area > 0 else 1.0)
    return found.xyz, found.rgb


def _positions(
    xyz: NDArray[np.float64], colors: NDArray[Any] | None, report: CloudReport
) -> tuple[NDArray[np.float64], NDArray[Any] | None]:
    kept = np.logical_and.reduce([np.isfinite(column) for column in xyz.T])
    report.points, report.dropped = int(kept.sum()), int((~kept).sum())
    if report.dropped:
        xyz, colors = xyz[kept], None if colors is None else colors[kept]
    if report.dropped and report.points:
        share = 100 * report.dropped / len(kept)
        report.findings.append(
            remark("positions", f"{report.dropped:,} rows ({share:.1f} %) are NaN or infinite; they are left out")
        )
    if not report.points:
        report.findings.append(problem("positions", "no row has a finite position", "export the cloud anew"))
    return xyz, colors


def _tell_warnings(file: Path, told: list[warnings.WarningMessage], report: CloudReport) -> None:
    for text in dict.fromkeys(str(one.message) for one in told):
        if not text.endswith(_KNOWN_ENDINGS):
            report.findings.append(remark("reader", text.removeprefix(f"{file}: ")))


# What the findings below say better.
_KNOWN_ENDINGS = ("--mesh vertices confirms the vertices", "turns them into metres")


def _extent(metres: NDArray[np.float64], stored: NDArray[np.float64], report: CloudReport) -> None:
    report.size = extent_of(metres)
    shown = " × ".join(f"{edge:.2f}" for edge in report.size)
    widest = max(report.size)
    if widest > _WHOLE_CITY:
        report.findings.append(
            remark("extent", f"{shown} m: as large as a town", "cut out a part, or take --tile auto and patience")
        )
    else:
        report.findings.append(fine("extent", f"{shown} m (z is up)"))
    step = float(np.spacing(np.float32(max(abs(stored.max()), abs(stored.min())))))
    single = np.array_equal(stored[:1000], stored[:1000].astype(np.float32))
    if single and step > _COARSEST_STEP:
        report.findings.append(
            remark(
                "precision",
                f"coordinates are so large that their numbers (float32) stand {step:.2g} apart: detail is lost already",
                "export the cloud with 64-bit coordinates, or moved to its own origin",
            )
        )


def _density(metres: NDArray[np.float64], wanted: Wanted, report: CloudReport, is_mesh: bool) -> None:
    found = density_of(metres, wanted.voxel)
    report.per_voxel, report.neighbours, report.spacing = found
    if report.triangles:
        return  # of a surface that is sampled as densely as is wanted
    told = (
        f"points about {_length(found.spacing)} apart, {found.per_voxel:.3g} to a voxel of {_length(wanted.voxel)} "
        f"({wanted.weight})"
    )
    if is_mesh and found.neighbours < _SPARSE:
        report.options += ["--mesh", "surface"]
        report.findings.append(
            remark("density", f"{told}: the vertices of a coarse mesh", "read its surface with --mesh surface")
        )
    elif found.neighbours < _ALONE:
        report.findings.append(
            remark(
                "density",
                f"{told}: far too sparse, most voxels stand alone and features will say little",
                "check the unit first; else take a denser scan or thin it less, or a weight with larger voxels "
                "(`ppkt-zoo list`)",
            )
        )
    elif found.neighbours < _SPARSE:
        report.findings.append(
            remark("density", f"{told}: sparse, voxels have gaps between them", "a denser scan gives better features")
        )
    elif found.per_voxel > _DENSE:
        report.findings.append(
            remark(
                "density", f"{told}: denser than the network sees", "it works; thinned, it is read and encoded faster"
            )
        )
    else:
        report.findings.append(fine("density", told))
    if report.points / found.per_voxel > _MANY_VOXELS:
        report.options += ["--tile", "auto"]
        report.findings.append(
            remark("size", "so many voxels may not fit into memory at once", "encode it in parts with --tile auto")
        )


def _oddities(metres: NDArray[np.float64], report: CloudReport) -> None:
    if report.triangles:
        return
    if report.points < _FEW_POINTS:
        report.findings.append(
            remark(
                "points", f"only {report.points} points: too few for a shape", "features of so few say next to nothing"
            )
        )
    twice = doubled(metres)
    if twice:
        share = 100 * twice / len(metres)
        at_origin = int(np.logical_and.reduce([column == 0 for column in metres.T]).sum())
        if at_origin > _MANY_AT_ORIGIN * len(metres):
            report.findings.append(
                remark(
                    "duplicates",
                    f"{at_origin:,} points stand at (0, 0, 0): places where the sensor saw nothing",
                    "leave them out first: xyz[xyz.any(axis=1)], and the same rows of rgb",
                )
            )
        elif share >= 1:
            report.findings.append(
                remark("duplicates", f"{share:.0f} % of the points stand where another one stands; that does no harm")
            )
    off = far_off(metres)
    if off.any() and len(metres) >= _FEW_POINTS:
        shown = " × ".join(f"{edge:.2f}" for edge in extent_of(metres[~off]))
        report.findings.append(
            remark(
                "outliers",
                f"{int(off.sum()):,} points lie far from all others; without them the cloud measures {shown} m",
                "remove them first (a statistical outlier filter, or a crop box)",
            )
        )


def _fields(names: tuple[str, ...], report: CloudReport) -> None:
    """What else stands in the file, by the names of its fields."""
    report.labels = tuple(name for name in names if any(word in name.casefold() for word in _LABELS))
    if report.labels:
        listed = ", ".join(one_line(name, 60) for name in report.labels[:_SHOWN])
        report.findings.append(fine("labels", f"fields that look like labels: {listed}"))
    if any(name.casefold() in _NORMALS for name in names):
        report.findings.append(fine("normals", "the file has them; no weight needs them, and they are not read"))


def _length(metres: float) -> str:
    return f"{metres * 100:.3g} cm" if metres < 1 else f"{metres:.3g} m"
