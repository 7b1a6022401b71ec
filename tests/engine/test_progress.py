"""What a run tells where nobody sees bars."""

import pytest

from ppkt_zoo.engine import progress
from ppkt_zoo.engine.progress import TrainingProgress

FIGURES = {"loss": 2.5, "lr": 0.001, "step_seconds": 0.5, "data_seconds": 0.1}


def _run(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, *seconds])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    shown = TrainingProgress()
    with shown.task("teacher features", 4) as report:
        report(1, 4)
    shown.start(0, 600)
    for done in range(1, len(seconds)):
        shown.advance(done, **FIGURES)


def test_a_file_gets_a_line_every_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _run([31.0, 40.0, 62.0, 70.0, 93.0], monkeypatch)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "teacher features: 1 of 4"
    assert [line.split("  ")[0] for line in told[1:]] == ["pretrain: step 2 of 600", "pretrain: step 4 of 600"]
    assert "loss 2.500" in told[1]


def test_a_terminal_gets_bars_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _run([31.0, 62.0, 93.0], monkeypatch)
    assert "step" not in capsys.readouterr().err
