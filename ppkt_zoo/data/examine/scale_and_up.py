"""Which unit a cloud is in and which way is up: what is defined, given or assumed, and what its points say to that."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.examine.finding import Finding, fine, remark
from ppkt_zoo.data.examine.report import CloudReport, Wanted
from ppkt_zoo.data.own_cloud import DEFINED
from ppkt_zoo.data.upright import Axes, compare_axes, doubt_of_z
from ppkt_zoo.points.units import UnitGuess, guess_unit, unit_name


def judge_vertical(file: Path, xyz: NDArray[np.float64], wanted: Wanted, report: CloudReport) -> str:
    """The axis by which all else is judged."""
    _, defined, name = DEFINED.get(file.suffix.lower(), (None, None, ""))
    axes = compare_axes(xyz)
    assumed = wanted.up or defined or "z"
    chosen, finding = _judge_up(xyz, axes, assumed, wanted.up is not None, name)
    report.findings.append(finding)
    report.up = chosen
    if chosen != (defined or "z"):
        report.options += ["--up", chosen]
    return chosen


def _judge_up(xyz: NDArray[np.float64], axes: Axes, assumed: str, given: bool, defined_by: str) -> tuple[str, Finding]:
    whose = "given" if given else f"defined by {defined_by}" if defined_by else "assumed"
    if assumed == "gravity":
        return assumed, fine("up", "found from the surfaces when it is read (--up gravity)")
    if axes.camera and not given:
        return "gravity", remark(
            "up",
            f"{assumed} is {whose}, but the cloud looks as a depth camera stores it: x right, y down, z forward",
            "read it with --up gravity, which finds the vertical from the surfaces",
        )
    if axes.up is None:
        return assumed, remark(
            "up", f"{assumed} is {whose}; there are too few flat places to tell whether that is right",
            "look at a picture (--picture); where it lies on its side, give --up y or another axis",
        )  # fmt: skip
    shares = "level surfaces: " + ", ".join(
        f"{100 * part:.0f} % by {axis}" for axis, part in zip("xyz", axes.level, strict=True)
    )
    same = axes.up.lstrip("-") == assumed.lstrip("-")
    may_tilt = (same or not axes.sure) and assumed == "z" and not given and not defined_by
    if may_tilt and (doubt := doubt_of_z(xyz)) is not None:
        return "gravity", remark(
            "up", f"z is assumed, but {doubt}", "read it with --up gravity, which turns it upright"
        )
    if same and axes.up != assumed and axes.sure:
        return assumed, remark(
            "up",
            f"{assumed} is {whose}, which fits ({shares}), but it may be upside down",
            f"look at a picture (--picture); where it is, give --up {axes.up}",
        )
    if same:
        sure = "clearly" if axes.sure else "rather"
        return assumed, fine("up", f"{assumed} ({whose}), which {sure} fits ({shares})")
    if axes.sure and not given and not defined_by:
        return axes.up, remark(
            "up",
            f"{assumed} is {whose}, but {axes.up} is much likelier ({shares}), and the cloud is lowest along it",
            f"read it with --up {axes.up}",
        )
    return assumed, remark(
        "up",
        f"{assumed} is {whose}, and {axes.up} may be right as well ({shares})",
        f"look at a picture (--picture); where it lies on its side, give --up {axes.up}",
    )


def judge_unit(file: Path, xyz: NDArray[np.float64], wanted: Wanted, named: str | None, report: CloudReport) -> str:
    """The unit by which all else is judged."""
    defined, _, name = DEFINED.get(file.suffix.lower(), (None, None, ""))
    guess = guess_unit(xyz)
    if wanted.unit not in (None, "auto"):
        chosen = str(wanted.unit)
        finding = fine("unit", f"{unit_name(chosen)}, as given")
        if guess.unit not in (None, chosen):
            finding = remark("unit", f"{unit_name(chosen)}, as given; the extent speaks for {guess.unit}: {guess.why}")
    elif named is not None:
        chosen, finding = (
            named,
            remark("unit", f"by the names of its columns {unit_name(named)}", f"give --unit {named}"),
        )
    elif defined is not None:
        chosen, finding = defined, fine("unit", f"{unit_name(defined)}, as {name} defines")
        if guess.unit != defined and defined not in guess.fitting:
            finding = remark(
                "unit",
                f"{unit_name(defined)}, as {name} defines, but {guess.why}",
                "give the true one, such as --unit mm",
            )
    else:
        chosen, finding = _guessed(guess)
    report.findings.append(finding)
    report.unit = chosen
    if chosen != (defined or "m"):
        report.options += ["--unit", chosen]
    return chosen


def _guessed(guess: UnitGuess) -> tuple[str, Finding]:
    if guess.unit == "m":
        return "m", fine("unit", f"metres are assumed: {guess.why}")
    if guess.unit is not None:
        name = unit_name(guess.unit)
        return guess.unit, remark(
            "unit", f"metres are assumed, but these are {name}: {guess.why}", f"give --unit {guess.unit}"
        )
    if not guess.fitting:
        return "m", remark(
            "unit",
            f"metres are assumed, and {guess.why}: are they kilometres, degrees, or without any unit?",
            "scale the cloud to metres first; degrees need a map projection, such as UTM",
        )
    choices = " or ".join(f"--unit {one}" for one in guess.fitting)
    chosen = "m" if "m" in guess.fitting else guess.fitting[0]
    return chosen, remark(
        "unit", f"not clear: {guess.why}; {unit_name(chosen)} are taken for all that follows", f"give {choices}"
    )
