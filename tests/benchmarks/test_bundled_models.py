"""How the bundled models' figures are made: intervals over scenes, classes that the VOC segmenter knows, the table."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation.bundled_models import TO_VOC, _map, _miou, bootstrap, read_arguments
from benchmarks.evaluation.material import KITCHEN_CLASSES
from benchmarks.reports.models import section
from ppkt_zoo.rooms import CLASSES


def test_an_interval_is_over_scenes() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0] * 25)
    found = bootstrap(lambda rows: float(values[rows].mean()), len(values), 400)
    assert found["value"] == 0.5
    # A mean of 100 coins: 0.5 ± 1.96 · 0.05.
    assert found["low"] == pytest.approx(0.402, abs=0.02)
    assert found["high"] == pytest.approx(0.598, abs=0.02)
    alike = bootstrap(lambda rows: float(np.ones(7)[rows].mean()), 7, 50)
    assert (alike["low"], alike["value"], alike["high"]) == (1.0, 1.0, 1.0)


def test_one_matrix_over_all_scenes() -> None:
    right, wrong = np.array([[30, 0], [0, 10]]), np.array([[0, 10], [0, 0]])
    found = _miou([right, wrong])
    assert found["iou"] == [0.75, 0.5]
    assert found["value"] == 0.625
    assert found["accuracy"] == 0.8
    assert found["low"] <= found["value"] <= found["high"]


def test_boxes_of_all_scenes_are_ranked_together() -> None:
    box, label = np.array([[0, 0, 0, 1, 1, 1, 0.0]]), np.array([0])
    missed = (box, label, box + np.eye(7)[0] * 5, label, np.array([0.9]))
    hit = (box, label, box, label, np.array([0.5]))
    assert _map([hit, hit], 1)["value"] == 1.0
    # The surer one is wrong: half of the true boxes are found, at a precision of a half.
    assert _map([missed, hit], 1)["value"] == 0.25
    assert _map([missed, hit], 1)["map50"] == 0.25


def test_classes_are_those_of_both_sides() -> None:
    assert set(TO_VOC) <= set(CLASSES)
    assert set(TO_VOC.values()) == set(KITCHEN_CLASSES) - {"background"}


def test_the_table_says_all_that_was_measured() -> None:
    one = {"value": 0.5, "low": 0.4, "high": 0.6}
    each = {"iou": [0.9, None, 0.1], "ap25": [0.3, 0.8, None]}
    both = {"with colour": one | each, "without colour": one | {"value": 0.45}}
    text = section(
        {
            "scenes": 50,
            "segmentation": {
                "classes": ["a", "b", "c"],
                "rooms": both,
                "partial": both,
                "kitchen": both | {"background everywhere": one | {"value": 0.2}},
                "kitchen frames": 25,
                "kitchen classes": ["background", "chair"],
            },
            "detection": {"rooms": both, "partial": both, "classes": ["d", "e", "f"]},
            "models": {"segmentation": {"name": "a.seg"}, "detection": {"name": "a.det"}},
            "machine": {"date": "2026-11-30T00:00:00+00:00"},
        }
    )
    assert text.count("| 0.500 [0.400, 0.600] | 0.450 [0.400, 0.600] |") == 5
    assert text.count("`a.seg`") == 3
    assert "Segmenter (IoU): a 0.90, c 0.10; c 0.10, a 0.90." in text
    assert "Detector (AP@0.25): e 0.80, d 0.30; d 0.30, e 0.80." in text
    assert "background everywhere would score 0.200" in text
    assert "2026-11-30." in text


@pytest.mark.parametrize("words", [["--validation"], ["--detector", "local-dir:somewhere"]])
def test_other_figures_never_replace_those_of_the_table(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        read_arguments(words)
    assert read_arguments([*words, "--out", str(tmp_path)]).out == tmp_path
