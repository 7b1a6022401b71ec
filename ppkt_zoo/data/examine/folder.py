"""A folder: its RGB-D frames, what is missing among them, or the point files in it."""

import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from ppkt_zoo.data.examine.finding import Finding, fine, problem, remark
from ppkt_zoo.data.examine.report import CloudReport
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.fuse import poses_join
from ppkt_zoo.data.own_cloud import OWN_ENDINGS
from ppkt_zoo.data.readers.cameras import Intrinsics
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.statistics import FrameStatistics, frame_statistics
from ppkt_zoo.data.subset import entries
from ppkt_zoo.errors import FrameError, InputError

# Frames that are read; enough to know the others, few enough for a second.
_LOOKED_AT = 8
_SHOWN = 5
_HOLES = 0.6
_NEAR, _FAR = 0.2, 8.0
_NUMBER = re.compile(r"(\d+)(?=\D*$)")


def point_files(folder: Path) -> list[Path]:
    """The point files and meshes of a folder, by name."""
    return [one for one in entries(folder) if one.suffix.lower() in OWN_ENDINGS and one.is_file()]


def examine_folder(folder: Path, intrinsics: Intrinsics | None, up: str, depth_scale: float | None) -> CloudReport:
    """Look at a folder of frames, or at a file that holds frames; whatever is wrong with it becomes a finding."""
    report = CloudReport(form="folder of RGB-D frames" if folder.is_dir() else f"frames in a file, {folder.suffix}")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            frames = open_frames(folder, intrinsics, up, depth_scale)
        except (FrameError, InputError) as error:
            report.form = "folder" if folder.is_dir() else report.form
            report.findings.append(_not_opened(folder, str(error), report))
            return report
    report.findings.append(fine("frames", f"{len(frames):,} frames of {frames.name}, read by {type(frames).__name__}"))
    report.findings += [remark("reader", str(one.message)) for one in told]
    report.findings += _gaps(folder)
    found = frame_statistics(frames, sorted({int(one) for one in np.linspace(0, len(frames) - 1, _LOOKED_AT)}))
    report.findings += _seen(found)
    if found.readable:
        _poses(frames, found, report)
    return report


def _not_opened(folder: Path, text: str, report: CloudReport) -> Finding:
    mend = None
    if "--intrinsics" in text:
        report.options += ["--intrinsics", "FX,FY,CX,CY"]
        mend = (
            "give those of the camera in pixels, such as --intrinsics 525,525,319.5,239.5 (the Kinect of many data "
            "sets with images of 640×480; another camera has others), or write them into camera-intrinsics.txt"
        )
    else:
        subfolders = [one.name for one in entries(folder) if one.is_dir()] if folder.is_dir() else []
        if subfolders and "give " not in text:
            mend = f"is it one of its folders? {', '.join(subfolders[:_SHOWN])}"
    return problem("frames", text.removeprefix(f"{folder}: "), mend)


def _gaps(folder: Path) -> list[Finding]:
    """Numbers that are missing in the names of colour images, and images without a partner."""
    if not folder.is_dir():
        return []
    names = [one.name for one in entries(folder)]
    color = {name.split(".color.")[0] for name in names if ".color." in name}
    depth = {name.split(".depth.")[0] for name in names if ".depth." in name}
    found = []
    for lone, what, other in ((color - depth, "colour", "depth"), (depth - color, "depth", "colour")):
        if lone:
            shown = ", ".join(sorted(lone)[:_SHOWN])
            found.append(
                remark("frames", f"{len(lone)} frames have {what} and no {other}: {shown}", "copy the missing images")
            )
    numbers = sorted(int(match[1]) for stem in color & depth if (match := _NUMBER.search(stem)))
    steps = Counter(int(step) for step in np.diff(numbers)) if len(numbers) > 2 else Counter[int]()
    usual = steps.most_common(1)[0][0] if steps else 0
    missing = sum(count * (step // usual - 1) for step, count in steps.items() if usual > 0 and step > usual)
    if 0 < missing <= len(numbers) and steps[usual] > 0.5 * len(numbers):
        found.append(remark("frames", f"about {missing} frames are missing in the numbering (every {usual} is usual)"))
    return found


def _seen(found: FrameStatistics) -> list[Finding]:
    if not found.readable:
        text = f"none of the {found.looked_at} frames that were looked at can be read: {found.damaged[0]}"
        return [problem("frames", text)]
    findings: list[Finding] = []
    if found.damaged:
        findings.append(
            remark(
                "frames",
                f"{len(found.damaged)} of {found.looked_at} that were looked at cannot be read: {found.damaged[0]}",
                "`ppkt-zoo data inspect` lists them all; they are left out",
            )
        )
    (width, height), _ = found.sizes.most_common(1)[0]
    (fx, fy, cx, cy), _ = found.cameras.most_common(1)[0]
    camera = f"{width}×{height}, fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}"
    odd = len(found.sizes) > 1 or not (0.3 * width < cx < 0.7 * width and 0.3 * height < cy < 0.7 * height)
    if odd:
        sizes = ", ".join(f"{w}×{h}" for w, h in found.sizes)
        findings.append(
            remark("camera", f"images of {sizes} with {camera}: do these intrinsics belong to these images?",
                   "intrinsics are in pixels of the colour image; scale them where images were made smaller")
        )  # fmt: skip
    else:
        findings.append(fine("camera", camera))
    low, middle, high = (found.depth_at(part) for part in (0.01, 0.5, 0.99))
    told = f"{low:.2f} to {high:.2f} m, median {middle:.2f} m; {100 * found.holes:.0f} % of the pixels have none"
    if not _NEAR <= middle <= _FAR:
        findings.append(
            remark("depth", f"{told}: no room is so {'near' if middle < _NEAR else 'far'}",
                   "give the stored units in a metre: --depth-scale 1000 for millimetres, 5000 for TUM")
        )  # fmt: skip
    elif found.holes > _HOLES:
        findings.append(remark("depth", f"{told}: mostly holes"))
    else:
        findings.append(fine("depth", told))
    return findings


def _poses(frames: FrameSource, found: FrameStatistics, report: CloudReport) -> None:
    count = len(found.positions)
    if len(frames) == 1:
        report.options += ["--frame", "0"]
        return
    if poses_join(frames):
        lost = found.looked_at - len(found.damaged) - count
        told = f"{count} of {len(found.readable)} frames that were looked at have a pose, and they join the frames"
        report.findings.append(remark("poses", told) if lost else fine("poses", told))
        return
    report.options += ["--frame", "0"]
    report.findings.append(
        remark(
            "poses",
            "no poses join the frames, so each stands alone",
            "encode one frame with --frame N, or write NAME.pose.txt (camera to world, metres) beside each",
        )
    )
