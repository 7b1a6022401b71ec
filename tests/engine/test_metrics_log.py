"""The log goes on without gaps or doubles."""

import math
from pathlib import Path

import pytest

from ppkt_zoo.engine.metrics_log import MetricsLog, read_metrics
from ppkt_zoo.errors import TrainingError


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    log = MetricsLog(file, 0)
    for step in (20, 40, 60):
        log.write(step, loss=1.0 / step)
    MetricsLog(file, 40).write(60, loss=0.5)
    assert [(line["step"], line["loss"]) for line in read_metrics(file)] == [(20, 0.05), (40, 0.025), (60, 0.5)]


def test_a_cut_last_line_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert read_metrics(file) == [{"step": 1, "loss": 2.0}]


@pytest.mark.parametrize(
    "line",
    [
        bytes(50),
        b'{"a": 1}',
        b"[]",
        b'{"step": "x"}',
        b'{"step": true}',
        b'{"step": 1e99}',
        b'{"step": 1, "a": [1]}',
        b"[" * 100_000,
        b"\xff",
        b'{"step": -1}',
    ],
)
def test_damaged_lines_are_left_out_with_a_word_and_kept_aside(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "metrics.jsonl"
    content = b'{"step": 1, "loss": 2.0}\n' + line + b'\n{"step": 2, "loss": 1.0}\n'
    file.write_bytes(content)
    with pytest.raises(TrainingError, match="line 2 is damaged"):
        read_metrics(file)
    said: list[str] = []
    MetricsLog(file, 2, say=said.append)
    assert [one["step"] for one in read_metrics(file)] == [1, 2]
    assert (tmp_path / "metrics.jsonl.damaged").read_bytes() == content
    assert "line 2 is damaged" in said[0]


def test_figures_that_are_no_numbers_come_back(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", 0)
    log.write(1, validation_miou=float("nan"))
    assert math.isnan(read_metrics(log.file)[0]["validation_miou"])


def test_a_log_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(TrainingError, match="a folder"):
        MetricsLog(tmp_path / "metrics.jsonl", 0)
