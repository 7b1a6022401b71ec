"""Exit codes are what the help and the page say, from real processes."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ppkt_zoo.cli import group, streams
from tests.support.commands import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
# What a child process does instead of listing weights.
_STAND_IN = """
import sys
from ppkt_zoo.cli.run import weights
def stand_in(pattern):
    {body}
weights.list_weights = stand_in
from ppkt_zoo.cli.main import main
sys.argv = ["ppkt-zoo", "list"]
main()
"""


def code_of(body: str) -> tuple[int, str]:
    """Exit code and standard error of ``ppkt-zoo list`` that does this."""
    done = subprocess.run(
        [sys.executable, "-c", _STAND_IN.format(body=body)], capture_output=True, text=True, timeout=240
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_the_page_and_the_help_list_the_codes() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    codes = {0, group.FAULT, group.FAILED, group.STOPPED, group.INTERRUPTED, streams.TERMINATED}
    assert {int(code) for code in table} == codes
    told = " ".join(run("--help").stdout.split())
    for code in codes:
        assert re.search(rf"[ ;:] {code} ", told), code


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ("from ppkt_zoo.errors import InputError; raise InputError('bad')", 2, "error: bad"),
        ("from ppkt_zoo.engine.interrupt import Stopped; raise Stopped('after 5 steps')", 3, "stopped: after 5 steps"),
        ("raise KeyboardInterrupt", 130, "stopped: interrupted"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM); import time; time.sleep(60)", 143, ""),
        ("1 / 0", 1, "Traceback"),
    ],
)
def test_what_ends_a_process_gives_its_code(body: str, code: int, word: str) -> None:
    if code == 143 and os.name == "nt":
        pytest.skip("this system has no SIGTERM")
    found, told = code_of(body)
    assert found == code, told
    assert told.startswith(word)
    assert (code == 1) == ("Traceback" in told)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C of a Windows console reaches every process of it")
def test_ctrl_c_in_the_middle_ends_with_130() -> None:
    body = "print('working', file=sys.stderr, flush=True); import time; time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", _STAND_IN.format(body=body)],
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in the background ignore it, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == "working\n"
        time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        told = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert told == "stopped: interrupted; unfinished files were not written\n"


def test_a_command_that_does_not_exist_ends_with_2() -> None:
    assert "No such command" in run("encoed", code=2).stderr
    assert run("encoed", code=2).stdout == ""
