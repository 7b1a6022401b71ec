"""Curves of training runs."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.plots import CurvePanel, curve, curves_picture

LINES = [
    {"step": 10, "loss": 8.0},
    {"step": 20, "loss": 6.0},
    {"step": 20, "validation_top1": 0.1},
    {"step": 30, "loss": 4.0},
    {"step": 40, "loss": 0.0},
]


def test_a_curve_holds_the_lines_of_its_field_and_a_trailing_mean() -> None:
    steps, values = curve(LINES, "loss")
    np.testing.assert_array_equal(steps, [10, 20, 30, 40])
    np.testing.assert_array_equal(values, [8, 6, 4, 0])
    np.testing.assert_allclose(curve(LINES, "loss", smooth=3)[1], [8, 7, 6, 10 / 3])
    assert [len(part) for part in curve(LINES, "absent")] == [0, 0]
    with pytest.raises(InputError, match="smooth must be at least 1, got 0"):
        curve(LINES, "loss", smooth=0)


def test_picture_has_a_panel_for_each_field_and_a_colour_for_each_run() -> None:
    panels = [CurvePanel("loss", "Loss"), CurvePanel("validation_top1", "Retrieval")]
    other = [{"step": line["step"], "loss": line["loss"] + 1} for line in LINES if "loss" in line]
    one = curves_picture({"a": LINES}, panels[:1])
    two = curves_picture({"a": LINES, "b": other}, panels)
    assert two.width == pytest.approx(2 * one.width, abs=2)
    second = (209, 96, 61)
    assert not any(color == second for _, color in one.getcolors(1 << 20))
    # The second run is in the first panel and in the legend, not in the second panel, whose field it lacks.
    rows, columns = (np.asarray(two) == second).all(axis=2).nonzero()
    plots = rows < 0.8 * two.height
    assert plots.sum() > 100
    assert columns[plots].max() < two.width / 2


def test_what_nobody_measured_is_named() -> None:
    with pytest.raises(InputError, match="no run has measured 'top1': known are loss, validation_top1"):
        curves_picture({"a": LINES}, [CurvePanel("top1", "Retrieval")])
    with pytest.raises(InputError, match="at least one run"):
        curves_picture({}, [CurvePanel("loss", "Loss")])
