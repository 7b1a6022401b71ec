"""Tables of single weights: every figure stands where it belongs, and what was not measured is said to be so."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluation import kept
from benchmarks.evaluation.kept import summary
from benchmarks.machine import ROOT
from benchmarks.reports import frozen
from ppkt_zoo.zoo.manifest import load_manifest


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(frozen, "read_kept", lambda name: kept.read_kept(name, tmp_path))
    return tmp_path


def write(folder: Path, name: str, weight: dict[str, Any]) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"weights": [{"name": "net.a", "seeds": [0, 1], **weight}]}))


def rows_of(text: str, first: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [line for line in lines if line[0] == first]


def test_what_was_not_measured_is_said_to_be_so(results: Path) -> None:
    assert [section() for section in frozen.SECTIONS.values()] == ["Nothing was measured yet."] * 4


def test_changed_clouds_stand_beside_the_clean_score(results: Path) -> None:
    rows = [
        {"title": "as it is", **summary([0.4, 0.4]), "points": 100},
        {"title": "half", **summary([0.3, 0.3]), "points": 50},
    ]
    write(results, "robustness", {"read_out": {"name": "all levels"}, "sets": {"rooms": rows}})
    assert rows_of(frozen.robustness(), "half") == [["half", "0.300 [0.300, 0.300]", "75%", "× 0.5"]]


def test_the_chosen_read_out_is_bold_and_compared_with_today_s_by_the_same_seeds(results: Path) -> None:
    tasks = list(frozen._TASKS)
    names = ["last level, nearest", "all levels"]
    validation = {
        task: {name: {"mean": 0.1 * (1 + at), "values": [0.1] * 3} for at, name in enumerate(names)} for task in tasks
    }
    ours = {"last level, nearest": summary([0.2, 0.4]), "all levels": summary([0.3, 0.5])}
    one = {"net.a": ours, "untrained": ours, "colour and height": {"colour and height": summary([0.3, 0.5])}}
    chosen = {"many_classes": "all levels", "few_labels": "last level, nearest", "similarity": "all levels"}
    weight = {
        "candidates": [{"name": name} for name in names],
        "validation": validation,
        "chosen": {purpose: {"name": name} for purpose, name in chosen.items()},
        "test": dict.fromkeys(tasks, one),
    }
    write(results, "readouts", weight)
    text = frozen.readouts()
    assert rows_of(text, "all levels") == [["all levels", "**0.200**", "**0.200**", "0.200", "**0.200**", "**0.200**"]]
    (row,) = rows_of(text, "unseen rooms, linear")
    assert row[1] == "all levels"
    assert row[4] == "+0.100 [+0.100, +0.100]"
    assert row[7].startswith("+0.000") or row[7].startswith("-0.000")
    (row,) = rows_of(text, "table tops, 5 labelled frames")
    assert row[1] == "last level, nearest"
    assert row[4] == ""


def test_real_frames_tell_held_out_from_seen(results: Path) -> None:
    names = [name.format(half) for name in frozen._REAL.values() for half in ("held out", "seen")]
    names += ["objects, held out, other laboratories"]
    names += [f"{what}same place, {name}" for name in frozen._PLACES for what in ("", "chance of the ")]
    figures = {name: summary([0.01 * at, 0.01 * at]) for at, name in enumerate(names)}
    pixels = {"pairs": 100, "sets": {"held out": {top: summary([0.2, 0.2]) for top in ("top1", "top5")}}}
    write(results, "real_permissive", {"students": {"net.a, last level": figures}, "pixels": pixels})
    text = frozen.permissive()
    first, second = rows_of(text, "net.a, last level")
    assert [cell[:5] for cell in first[1:]] == ["0.000", "0.010", "0.020", "0.030", "0.040", "0.060", "0.050"]
    assert [cell[:5] for cell in second[1:]] == ["0.070", "0.090", "0.110"]
    assert rows_of(text, "chance") == [["chance", "0.080", "0.100", "0.120"]]
    assert "among 100: held out 0.2000" in text
    assert text.endswith("chance is 0.0100.")


def test_figures_of_an_earlier_training_are_not_told(results: Path) -> None:
    rows = [{"title": "as it is", **summary([0.4, 0.4]), "points": 100}]
    weight = {"name": frozen.FLAGSHIP, "read_out": {"name": "all levels"}, "sets": {"rooms": rows}}
    write(results, "robustness", weight | {"key": "0" * 64})
    assert frozen.robustness() == "Nothing was measured yet."
    write(results, "robustness", weight | {"key": bundled_key()})
    assert "0.400 [0.400, 0.400]" in frozen.robustness()


def bundled_key() -> str:
    """Which training of the flagship the package has."""
    (found,) = (one for one in load_manifest(ROOT / "weights_manifest.json").weights if one.name == frozen.FLAGSHIP)
    return found.files["model.safetensors"].sha256


def test_goals_of_the_flagship_are_judged_by_its_chosen_read_outs(results: Path) -> None:
    def both(better: list[float]) -> dict[str, Any]:
        one = {"last level, nearest": summary([0.1, 0.1]), "all levels": summary(better)}
        return {frozen.FLAGSHIP: one, "colour and height": {"colour and height": summary([0.97, 0.98])}}

    chosen = {purpose: {"name": "all levels"} for purpose in ("many_classes", "few_labels", "similarity")}
    test = {"rooms": both([0.33, 0.34]), "kitchen": both([0.5, 0.5]), "mosd": both([0.96, 0.961])}
    key = bundled_key()
    write(results, "readouts", {"name": frozen.FLAGSHIP, "key": key, "chosen": chosen, "test": test})
    rows = [
        {"key": "clean", "title": "as it is", **summary([0.4, 0.5]), "points": 9},
        {"key": "no_colour_probe_without", "title": "none", **summary([0.36, 0.44]), "points": 9},
    ]
    changed = {"read_out": {"name": "x"}, "sets": {"rooms": rows}}
    write(results, "robustness", {"name": frozen.FLAGSHIP, "key": key, **changed})
    found = [line.strip("| ").split(" | ") for line in frozen.goals().splitlines()[2:]]
    assert [line[2] for line in found] == ["reached", "**not reached**", "reached", "reached", "reached"]
    assert found[4][1].startswith("0.890 [")
    assert found[3][1].startswith("-0.01")
