"""What a lab is told: losses of a short run by their steps, and hours that follow from what was counted."""

import json
from pathlib import Path

import pytest

from benchmarks.reports import lab
from benchmarks.speed.lab import smoke


def write_log(run: Path, steps: int) -> None:
    run.mkdir(exist_ok=True)
    lines = [{"step": step, "loss": 8.0 - step / 1000, "top1": step / 1e5} for step in range(1, steps + 1)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_losses_are_means_over_the_steps_before(tmp_path: Path) -> None:
    write_log(tmp_path, 1000)
    first, hundred, thousand = smoke(tmp_path)
    assert (first["step"], first["over"], first["loss"], first["spread"]) == (1, 1, pytest.approx(7.999), 0.0)
    assert (hundred["over"], hundred["loss"]) == (20, pytest.approx(8 - 0.0905))
    assert thousand["loss"] == pytest.approx(8 - 0.9905)
    assert thousand["spread"] > 0


def test_a_run_that_was_stopped_is_no_smoke_test(tmp_path: Path) -> None:
    write_log(tmp_path, 999)
    with pytest.raises(SystemExit, match="no line of step 1000"):
        smoke(tmp_path)


def test_hours_are_operations_by_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = {
        "lab": {"recipe": "scannet_rn50", "student_tflop": 2.0, "teacher_tflop": 1.6, "steps": 10_000, "batch": 24,
                "voxels": 9000.0, "frames": 5},
        "frames": {"rows": [{"side": "ours", "frames a second": 100.0}]},
        "sparse_conv": {"networks": [{"network": "sr_unet34", "pass": "forward", "voxels": 9, "gflop": 100.0}]},
    }  # fmt: skip
    for name, content in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.setattr(lab, "RESULTS", tmp_path)
    text = lab.hours()
    # 3.6·10¹² · 10 000 steps / 5·10¹² a second = 7 200 s.
    assert "| pretraining, `scannet_rn50` | 3.6 | 5 | 2.0 h | 0.5 h | 0.2 h |" in text
    assert "takes 33 and 133 frames a second; a loader process reads 50" in text
    assert lab.smoke() == "Nothing was measured yet."
