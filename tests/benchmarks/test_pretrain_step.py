"""The script that splits a pretraining step's time: what belongs to which part."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.speed import pretrain_step as script
from ppkt_zoo.backbones.base import PointFeatures


def test_the_loss_has_come_back_before_the_student_begins() -> None:
    """Marks in the order in which autograd passes them, with two losses on two levels."""
    order: list[str] = []
    student, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2)
    features = student(torch.randn(6, 3))
    features.register_hook(lambda gradient: order.append("student"))
    levels = {"coarse": features[:3], "fine": features}
    points = script.WatchedFeatures(
        PointFeatures(levels, lambda level: torch.arange(3 if level == "coarse" else 6)),
        lambda: order.append("loss came back"),
    )
    embedded = head(points.at("fine", torch.tensor([0, 5])))
    embedded.register_hook(lambda gradient: order.append("head"))
    other = head(points.at("coarse"))
    (embedded.sum() + other.square().sum()).backward()
    # The younger loss comes back first; the last mark closes the losses' part, and only then the student begins.
    assert order == ["loss came back", "head", "loss came back", "student"]
    with torch.no_grad():  # nothing to wait for
        points.at("fine")


def test_a_step_is_the_sum_of_its_parts() -> None:
    steps = [dict.fromkeys(script.PARTS, 1.0), dict.fromkeys(script.PARTS, 1.0) | {"data": 7.0}]
    found = script.summary(steps)
    assert found["data"] == 4.0
    assert found["step"] == pytest.approx(4.0 + len(script.PARTS) - 1)
    assert found["share of data"] == pytest.approx(0.4)


def test_the_share_of_a_run_leaves_its_beginning_out(tmp_path: Path) -> None:
    log = tmp_path / "a_run" / "metrics.jsonl"
    log.parent.mkdir()
    lines = [{"step": 1, "data_seconds": 90.0, "step_seconds": 100.0}]
    lines += [{"step": step, "data_seconds": 0.1, "step_seconds": 2.0} for step in range(2, 11)]
    lines.append({"step": 10, "validation_loss": 1.0})
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = script.share_of_log(log)
    assert found["run"] == "a_run"
    assert found["share of data"] == pytest.approx(0.05)
    log.write_text(json.dumps(lines[-1]) + "\n")
    with pytest.raises(SystemExit, match="no line with step_seconds"):
        script.share_of_log(log)


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    asked = script.read_arguments(["recipe.yaml", "steps=3", "--data", "icl=/a/b"])
    assert asked.data == {"icl": Path("/a/b")}
    assert asked.overrides == ["steps=3"]
    for words, named in ((["r", "--data", "icl"], "NAME=PATH, got 'icl'"), ([], "give a recipe to time, or the --log")):
        with pytest.raises(SystemExit):
            script.read_arguments(words)
        assert named in capsys.readouterr().err
