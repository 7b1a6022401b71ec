"""What goes where: results on standard output, talk on standard error, and readers that leave early."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.cli.run.steps import Steps
from ppkt_zoo.cli.streams import talk_console
from ppkt_zoo.points.files.cloud_files import write_cloud

WEIGHT = "sr_unet14_slim.ppkt_voc"
COMMAND = f"'{sys.executable}' -m ppkt_zoo"


def shell(line: str, **changed: str) -> subprocess.CompletedProcess[str]:
    """A line of bash; its exit code is that of the first command of the pipe."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **changed}
    return subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
        check=False,
    )


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (600, 3)).astype(np.float32)
    xyz[:, 2] *= 0.1
    return write_cloud(tmp_path / "cloud.ply", xyz, rng.integers(0, 256, (600, 3)).astype(np.uint8))


@pytest.mark.parametrize("pipe", ["| head -1", "2>&1 | head -1", "| true", "2>&1 | true", ">&- 2>&-"])
def test_a_reader_that_leaves_early_costs_no_file(cloud: Path, tmp_path: Path, pipe: str) -> None:
    out, picture = tmp_path / "o.npz", tmp_path / "o.png"
    done = shell(f"{COMMAND} encode {cloud} -w {WEIGHT} -o {out} -p {picture} {pipe}")
    assert done.returncode == 0, done.stderr
    assert out.is_file()
    assert picture.is_file()
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_tables_are_whole_rows_in_a_pipe() -> None:
    done = shell(f"{COMMAND} list | cat")
    rows = [line for line in done.stdout.splitlines() if line.split()[:1] == [WEIGHT]]
    assert len(rows) == 1
    assert "CC" in rows[0] or "Apache" in rows[0], "name and licence stand in one line"
    narrow = shell(f"{COMMAND} list | cat", COLUMNS="40", FORCE_COLOR="1")
    assert any(WEIGHT in line and "mIoU" in line for line in narrow.stdout.splitlines())


@pytest.mark.parametrize("words", ["list", "--help", "--version", "list --help"])
def test_output_that_cannot_be_written_is_a_failure(words: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(f"{COMMAND} {words} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == "error: standard output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("words", ["show nosuch", "list --nope"])
def test_talk_that_cannot_be_written_changes_no_exit_code(words: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    assert shell(f"{COMMAND} {words} 2> /dev/full").returncode == 2
    assert shell(f"{COMMAND} version 2> /dev/full").returncode == 0


def test_a_full_disk_behind_standard_output_costs_no_file(cloud: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    out, picture = tmp_path / "o.npz", tmp_path / "o.png"
    done = shell(f"{COMMAND} encode {cloud} -w {WEIGHT} -o {out} -p {picture} > /dev/full")
    assert done.returncode == 2, "the paths of the files were asked for, and are lost"
    assert out.is_file()
    assert picture.is_file()


def test_a_terminal_of_ascii_shows_plain_letters(cloud: Path, tmp_path: Path) -> None:
    line = f"{COMMAND} encode {cloud} -w {WEIGHT} -o {tmp_path / 'o.npz'}"
    done = shell(line, PYTHONIOENCODING="ascii", LANG="C", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert " x " in done.stderr, "a cross for ×"
    assert shell(f"{COMMAND} list | cat", PYTHONIOENCODING="ascii").returncode == 0
    assert shell(f"{COMMAND} --help | cat", PYTHONIOENCODING="ascii").returncode == 0


def test_sigterm_ends_with_143_and_leaves_no_part_of_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = write_cloud(tmp_path / "large.ply", rng.uniform(0, 9, (400_000, 3)), np.zeros((400_000, 3), np.uint8))
    command = [sys.executable, "-m", "ppkt_zoo", "encode", str(large), "-w", WEIGHT, "-o", str(tmp_path / "o.npz")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if line.startswith("points"):
                break
        time.sleep(0.2)
        running.send_signal(signal.SIGTERM)
        said = running.communicate(timeout=120)[1]
    assert running.returncode == 143
    assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.ply"]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), 2, "not enough memory"),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 2, "not enough memory"),
        (RecursionError(), 2, "nested too deeply"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device", "big.npz"), 2, "big.npz: No space left on device"),
    ],
)
def test_what_ends_a_command_is_one_line(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ppkt_zoo.cli.run import tables

    def stand_in(pattern: str) -> object:
        raise raised

    monkeypatch.setattr(tables, "weights_lines", stand_in)
    done = CliRunner().invoke(app, ["list"])
    assert done.exit_code == code
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_nothing_in_a_name_is_obeyed_by_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(talk_console())
    with steps.step("file", "writing") as step:
        step.text = "a\x1b[2Jb\n[red]c[/red]‮d"
    steps.listing("what", [("\x1b]0;title\x07", "[bold]x[/bold]")])
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "‮" not in said
    assert "[red]c[/red]" in said
    assert len([line for line in said.splitlines() if line.startswith("file")]) == 1


def test_the_version_is_an_option_too_and_says_which_engine_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    import ppkt_zoo
    from ppkt_zoo.native.library import describe

    said = CliRunner().invoke(app, ["--version"]).stdout
    assert said == f"ppkt-zoo {ppkt_zoo.__version__}\nengine on the CPU: {describe()}\n"
    monkeypatch.setenv("PPKT_ZOO_ENGINE", "torch")
    for word in ("--version", "version"):
        last = CliRunner().invoke(app, [word]).stdout.splitlines()[-1]
        assert last == "engine on the CPU: torch (PPKT_ZOO_ENGINE=torch turns the native engine off)"


def test_the_help_lists_the_exit_codes() -> None:
    said = " ".join(CliRunner().invoke(app, ["--help"]).stdout.split())
    for code in ("0 success", "2 ", "3 ", "130 ", "143 "):
        assert code in said
