"""What one command for many files saves: measured on a few tiny clouds, told as it was measured."""

from pathlib import Path

import pytest

from benchmarks.reports import many_files as report
from benchmarks.speed import many_files


def test_clouds_are_as_many_and_as_large_as_asked_and_each_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ppkt_zoo.points.files.cloud_files import read_cloud
    from tests.support.doc_stand_ins import a_cloud

    monkeypatch.setattr(many_files, "room", a_cloud)
    many_files.make_clouds(tmp_path / "clouds", 3, 100)
    clouds = [read_cloud(file).xyz for file in sorted((tmp_path / "clouds").iterdir())]
    assert [len(one) for one in clouds] == [100] * 3
    assert (clouds[0] != clouds[1]).any()


def test_each_way_is_run_on_the_same_clouds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clouds").mkdir()
    for number in range(5):
        (tmp_path / "clouds" / f"cloud{number}.ply").touch()
    called: list[tuple[str, ...]] = []

    def stand_in(*words: str) -> dict[str, float]:
        called.append(words)
        return {"wall s": 2.0, "processor s": 1.0, "peak MB": float(len(called))}

    monkeypatch.setattr(many_files, "run", stand_in)
    rows = many_files.compare(tmp_path, 4)
    assert [row["how"] for row in rows] == [
        "a command for each", "one command, 1 worker", "one command, 2 workers", "the same again, all skipped"
    ]  # fmt: skip
    assert [row["how"] for row in many_files.compare(tmp_path, 4, 3)] == ["the same again, all skipped"]
    called = called[:7]
    assert (rows[0]["wall s"], rows[0]["processor s"], rows[0]["peak MB"]) == (8.0, 4.0, 4.0)
    listed = (tmp_path / "list4.txt").read_text().splitlines()
    assert listed == [words[1] for words in called[:4]]
    assert [words[-1] for words in called[4:]] == ["1", "2", "2"]
    assert called[5] == called[6], "the second time finds what the first one wrote"


def test_a_command_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ended with 2"):
        many_files.run("encode", str(tmp_path / "nothing.ply"))


def test_the_section_tells_what_was_measured() -> None:
    rows = [{"how": "one command", "wall s": 12.4, "processor s": 7.6, "peak MB": 501.2, "load": 9.9}]
    here = {"date": "2026-11-29T22:00:00", "processor": "a chip", "cores": 2}
    memory = [{"clouds": 10, "peak MB": 500.4}, {"clouds": 40, "peak MB": 501.2}]
    told = report.section({"machine": here, "clouds": 40, "points": 10_000, "rows": rows, "memory": memory})
    assert "| one command | 8 | 12 | 9.9 | 501 MB |" in told
    assert "500 MB for 10 clouds, 501 MB for 40 clouds" in told
