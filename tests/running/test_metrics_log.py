"""The log goes on without gaps or doubles."""

from pathlib import Path

from ppkt_zoo.running.metrics_log import MetricsLog, read_metrics


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
