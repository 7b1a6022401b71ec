"""What commands look like on a real terminal of 80 columns, without colours, on a dumb one, and in a pipe."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ppkt_zoo.points.files.cloud_files import write_cloud

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
fcntl, struct, termios = (pytest.importorskip(name) for name in ("fcntl", "struct", "termios"))

COLOR = re.compile(r"\x1b\[[0-9;]*[34][0-7](;[0-9]+)*m")
ESCAPE = "\x1b"
WEIGHT = "sr_unet14_slim.ppkt_voc"


def on_terminal(*words: object, code: int = 0, columns: int = 80, **changed: str) -> str:
    """All that a command shows on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERMINAL_WIDTH", "GITHUB_ACTIONS", "PY_COLORS")
    }
    environment = {**kept, "TERM": "xterm-256color", "OMP_NUM_THREADS": "1", **changed}
    command = [sys.executable, "-m", "ppkt_zoo", *map(str, words)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as running:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    text = shown.decode().replace("\r\n", "\n")
    assert running.returncode == code, text
    return text


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    import numpy as np

    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (600, 3)).astype(np.float32)
    return write_cloud(tmp_path / "cloud.ply", xyz, rng.integers(0, 256, (600, 3)).astype(np.uint8))


def plain(text: str) -> str:
    """Without what moves or colours a terminal; of a line that was drawn again and again, its last look."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return "\n".join(line.rpartition("\r")[2] for line in text.splitlines())


@pytest.mark.parametrize("words", [["--help"], ["encode", "--help"], ["list"], ["show", WEIGHT], ["show", "nosuch"]])
def test_eighty_columns_are_enough(words: list[str]) -> None:
    code = 2 if "nosuch" in words else 0
    shown = on_terminal(*words, code=code)
    assert ESCAPE in shown, "there are colours, or bold letters, on a terminal"
    if words[0] != "show" or code == 0:  # a message is one line for the terminal to wrap
        assert max(map(len, plain(shown).splitlines())) <= 80
    bare = on_terminal(*words, code=code, NO_COLOR="1")
    assert not COLOR.search(bare)
    assert plain(bare) == plain(shown)


def test_encoding_shows_a_line_a_step_and_ends_with_the_file(cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.npz"
    shown = on_terminal("encode", cloud, "-w", WEIGHT, "-o", out)
    lines = [line for line in plain(shown).splitlines() if line.strip()]
    assert lines[-1] == str(out)
    for step in ("weight", "points", "features", "file"):
        assert any(line.startswith(f"{step} ") for line in lines), step
    dumb = on_terminal("encode", cloud, "-w", WEIGHT, "-o", out, TERM="dumb")
    assert ESCAPE not in dumb, "nothing moves and nothing is coloured"
    assert "\r" not in dumb
    quiet = on_terminal("encode", cloud, "-w", WEIGHT, "-o", out, "--quiet")
    assert quiet == f"{out}\n"


def test_a_dumb_terminal_is_sent_no_escapes() -> None:
    for words in (["list"], ["encode", "--help"], ["version"]):
        assert ESCAPE not in on_terminal(*words, TERM="dumb")


def test_json_on_a_terminal_is_json_alone() -> None:
    import json

    assert json.loads(on_terminal("version", "--json"))["command"] == "version"


def test_colours_can_be_forced_into_a_pipe_and_json_has_none() -> None:
    environment = {**os.environ, "FORCE_COLOR": "1"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "ppkt_zoo"]
    shown = [
        subprocess.run([*command, *words], capture_output=True, text=True, env=environment, timeout=120).stdout
        for words in (["encode", "--help"], ["list", "--json"])
    ]
    assert COLOR.search(shown[0])
    assert ESCAPE not in shown[1]
