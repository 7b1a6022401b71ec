"""Several processes: the same outputs, one killed is told, Ctrl-C and kills leave nothing half, runs share a folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ppkt_zoo
from ppkt_zoo.encoding import workers as workers_module
from ppkt_zoo.errors import InputError
from tests.encoding.clouds import names_below, read_and_be_killed, read_slowly, read_with_a_fault, tree
from tests.support.small_weight import make_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_folder(tmp_path_factory.mktemp("weights") / "small")


def test_two_workers_write_what_one_does_and_one_that_is_killed_takes_its_file_alone(
    tmp_path: Path, weight: str
) -> None:
    scans = tmp_path / "scans"
    tree(scans, "a.ply", "b.ply", "greedy.ply", "deep/c.ply", "deep/d.ply")
    (scans / "bad.ply").write_text("no")
    found = ppkt_zoo.encode_files(scans, tmp_path / "two", weight=weight, workers=2, read=read_and_be_killed)
    assert found.counts == {"written": 4, "skipped": 0, "failed": 2, "left": 0}
    wrong = {Path(one.source).name: str(one.error) for one in found.of("failed")}
    assert "the process that encoded it was killed (SIGKILL), most likely since memory ran out" in wrong["greedy.ply"]
    assert "not a .ply file" in wrong["bad.ply"]
    assert [Path(one.source).name for one in found.files] == [
        "a.ply", "b.ply", "bad.ply", "greedy.ply", "c.ply", "d.ply"
    ], "in their order, whoever is done first"  # fmt: skip
    for one in ("bad.ply", "greedy.ply"):
        (scans / one).unlink()
    ppkt_zoo.encode_files(scans, tmp_path / "one", weight=weight)
    for name in ("a", "b", "deep/c", "deep/d"):
        ours, theirs = (np.load(tmp_path / out / f"{name}.npz")["features"] for out in ("one", "two"))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert not [one for one in names_below(tmp_path / "two") if "part" in one or "lock" in one]


def test_no_process_is_started_where_every_output_is_there(
    tmp_path: Path, weight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path / "scans", "a.ply", "b.ply")
    ppkt_zoo.encode_files(tmp_path / "scans", tmp_path / "out", weight=weight)
    monkeypatch.setattr(workers_module.multiprocessing, "get_context", None)
    again = ppkt_zoo.encode_files(tmp_path / "scans", tmp_path / "out", weight=weight, workers=2)
    assert again.counts["skipped"] == 2


def test_a_reader_that_no_other_process_can_have_is_told(tmp_path: Path, weight: str) -> None:
    tree(tmp_path / "scans", "a.ply", "b.ply")
    with pytest.raises(InputError, match=r"cannot be handed to other processes.*or workers=1"):
        ppkt_zoo.encode_files(
            tmp_path / "scans", tmp_path / "out", weight=weight, workers=2, read=lambda path: (None, None)
        )


def test_a_fault_of_the_code_in_a_worker_ends_the_run(
    tmp_path: Path, weight: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tree(tmp_path / "scans", "a.ply", "b.ply")
    with pytest.raises(RuntimeError, match="its traceback stands above"):
        ppkt_zoo.encode_files(tmp_path / "scans", tmp_path / "out", weight=weight, workers=2, read=read_with_a_fault)
    assert "ZeroDivisionError" in capfd.readouterr().err


_RUN = """
import sys
import ppkt_zoo
from tests.encoding.clouds import read_slowly
if __name__ == "__main__":
    told = lambda result, done, total: print(result.status, flush=True)
    scans, out, weight, workers = sys.argv[1:]
    ppkt_zoo.encode_files(scans, out, weight=weight, workers=int(workers), read=read_slowly, report=told)
"""


def start(tmp_path: Path, weight: str, workers: int) -> "subprocess.Popen[str]":
    script = tmp_path / "run.py"
    script.write_text(_RUN)
    words = [sys.executable, str(script), str(tmp_path / "scans"), str(tmp_path / "out"), weight, str(workers)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
        # Tests that run in the background of a shell have it ignored, and children inherit that.
        preexec_fn=None if os.name == "nt" else lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_until_gone(group: int) -> None:
    """Fail where a process of a group lives on."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a process lives on")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends other signals")
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_leaves_whole_files_and_no_process(tmp_path: Path, weight: str, workers: int) -> None:
    tree(tmp_path / "scans", "a.ply", "b.ply", "z_endless.ply", "z_endless2.ply")
    run = start(tmp_path, weight, workers)
    assert run.stdout is not None
    assert run.stderr is not None
    assert [run.stdout.readline() for _ in range(2)] == ["written\n"] * 2
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does, to all processes in the foreground
    told = run.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in told
    assert told.count("Traceback") == 1, told
    assert names_below(tmp_path / "out") == ["a.npz", "b.npz", "encode.json", "files.json"]
    counts = json.loads((tmp_path / "out" / "files.json").read_text())["counts"]
    assert counts == {"written": 2, "skipped": 0, "failed": 0, "left": 2}
    wait_until_gone(run.pid)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
def test_ctrl_c_while_processes_start_is_told_once(tmp_path: Path, weight: str) -> None:
    tree(tmp_path / "scans", "a.ply", "b.ply")
    run = start(tmp_path, weight, 2)
    _starting(run.pid)
    os.killpg(run.pid, signal.SIGINT)
    told = run.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in told
    assert told.count("Traceback") == 1, told
    wait_until_gone(run.pid)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
def test_a_process_that_starts_leaves_ctrl_c_to_the_one_that_started_it(tmp_path: Path, weight: str) -> None:
    """The one that started it cannot be faster here than what a process of its own would say."""
    tree(tmp_path / "scans", "a.ply", "b.ply")
    run = start(tmp_path, weight, 2)
    os.kill(_starting(run.pid), signal.SIGINT)
    out, told = run.communicate(timeout=120)
    assert (out.split(), told) == (["written", "written"], "")


def _starting(parent: int) -> int:
    """The first process that ``parent`` started and that has come to its imports, and not to its work."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in _words(Path(f"/proc/{parent}/task/{parent}/children")):
            # Until its program is loaded, a child shows its parent's; Python's own helper never loads this one.
            if any("multiprocessing.spawn" in word for word in _words(Path(f"/proc/{child}/cmdline"))) and any(
                "numpy" in word for word in _words(Path(f"/proc/{child}/maps"))
            ):
                return int(child)
        time.sleep(0.01)
    pytest.fail("no process has started")


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().replace("\0", " ").split()
    except (FileNotFoundError, ProcessLookupError):
        return []


@pytest.mark.skipif(os.name == "nt", reason="Windows kills otherwise")
def test_workers_end_when_what_started_them_is_killed(tmp_path: Path, weight: str) -> None:
    tree(tmp_path / "scans", *(f"{number}.ply" for number in range(40)))
    run = start(tmp_path, weight, 2)
    assert run.stdout is not None
    assert run.stdout.readline() == "written\n"
    run.kill()
    run.communicate(timeout=60)
    wait_until_gone(run.pid)
    again = ppkt_zoo.encode_files(tmp_path / "scans", tmp_path / "out", weight=weight, read=read_slowly)
    assert again.counts["skipped"] >= 1
    assert again.counts["written"] + again.counts["skipped"] == 40
    assert not [one for one in names_below(tmp_path / "out") if "part" in one or "lock" in one]


def test_two_runs_in_one_folder_make_each_output_once(tmp_path: Path, weight: str) -> None:
    tree(tmp_path / "scans", *(f"{number:02}.ply" for number in range(30)))
    runs = [start(tmp_path, weight, 1) for _ in range(2)]
    said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    statuses = [out.split() for out, _ in said]
    assert [len(one) for one in statuses] == [30, 30], "each run tells of every file"
    assert sum(one.count("written") for one in statuses) == 30
    assert sum(one.count("skipped") for one in statuses) == 30
    assert len(names_below(tmp_path / "out")) == 32
