"""Reading, writing, locking and parsing files: what every reader of ours stands on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.checksums import sha256_of_tensors
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.locks import FolderLock
from ppkt_zoo.files.reading import read_file, read_text, usable_path
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.strict_yaml import parse_yaml
from ppkt_zoo.files.text import inline, one_line, without_secrets
from ppkt_zoo.files.writing import write_json, write_whole


@pytest.mark.parametrize("kind", ["named pipe", "device", "folder"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "named pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(InputError, match=kind):
        read_file(path, InputError, "cloud")


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "x", "wb") as file:
        file.truncate(100 << 30)
    with pytest.raises(InputError, match="PPKT_ZOO_MAX_BYTES"):
        read_file(tmp_path / "x", InputError)
    (tmp_path / "y").write_bytes(b"abc")
    monkeypatch.setenv(MAX_BYTES.variable, "2")
    with pytest.raises(InputError, match="more than the limit of 2"):
        read_file(tmp_path / "y", InputError)
    monkeypatch.setenv(MAX_BYTES.variable, "1KB")
    assert read_file(tmp_path / "y", InputError) == b"abc"
    monkeypatch.setenv(MAX_BYTES.variable, "much")
    with pytest.raises(InputError, match="is no size"):
        read_file(tmp_path / "y", InputError)


def test_a_file_that_says_nothing_of_its_size_is_read() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("this system has no /proc")
    assert b"Pid:" in read_file("/proc/self/status", InputError)


def test_text_is_utf8_with_or_without_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffä".encode())
    assert read_text(tmp_path / "a", InputError) == "ä"
    (tmp_path / "a").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        read_text(tmp_path / "a", InputError)


@pytest.mark.parametrize("text", ["", "a\0b", "~nosuchuser/x", "a" * 5000])
def test_names_that_are_no_paths(text: str) -> None:
    with pytest.raises(InputError, match="is no usable path"):
        usable_path(text, InputError)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 150 + "]" * 150, "9" * 5000, "1e400", "NaN", "-Infinity", "1" + "0" * 400, '{"a": ', "\xff"],
)
def test_json_that_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="x: this is not whole JSON"):
        parse_json(text, "x", InputError)


def test_json_that_is_read() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": [1, 2.5, null]}', "x", InputError) == {"a": [1, 2.5, None]}
    assert parse_json("[NaN]", "x", InputError, finite=False)[0] != 0


def test_yaml_bombs_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(9)
    )
    for text in (bomb, "[" * 1000, "9" * 5000, "a: b: c", "2020-13-45"):
        with pytest.raises(ValueError, match=r"\S"):
            parse_yaml(text)
    assert parse_yaml("a: [1, 2]") == {"a": [1, 2]}


def test_a_yaml_key_that_stands_twice_is_told_not_lost() -> None:
    for text in ("0: wall\n0: floor\n", "a: {b: 1, b: 2}", "[{x: 1, x: 1}]"):
        with pytest.raises(ValueError, match="stands twice in one mapping"):
            parse_yaml(text)
    assert parse_yaml("a: 1\n'1': 2\n1: {a: 3}\nd: 2026-01-01\n")[1] == {"a": 3}


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    write_whole(tmp_path / "deep" / "x", "ä", InputError)
    assert (tmp_path / "deep" / "x").read_text(encoding="utf-8") == "ä"
    write_whole(tmp_path / "x", lambda file: file.writelines([b"a", b"b"]), InputError)
    assert (tmp_path / "x").read_bytes() == b"ab"

    def fails(file: BinaryIO) -> None:
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        write_whole(tmp_path / "x", fails, InputError)
    assert (tmp_path / "x").read_bytes() == b"ab"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["deep", "x"], "nothing is left of the half"
    with pytest.raises(InputError, match="JSON"):
        write_json(tmp_path / "y.json", {"a": float("nan")}, InputError)
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "deep", b"", InputError)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["deep", "x", "x"]


_HOLD = """
import sys, time
from pathlib import Path
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.locks import FolderLock
with FolderLock(Path(sys.argv[1]), "this run", "or choose another --out", TrainingError):
    print("held", flush=True); time.sleep(60)
"""


def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"process {holder.pid} on .*or choose another --out"),
            FolderLock(tmp_path, "this run", "or choose another --out", InputError, wait=0.1),
        ):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    began = time.monotonic()
    with FolderLock(tmp_path, "this run", "or choose another --out", InputError):
        assert json.loads((tmp_path / ".ppkt-zoo.lock.json").read_text())["pid"] == os.getpid()
    assert time.monotonic() - began < 5
    assert not (tmp_path / ".ppkt-zoo.lock.json").exists()


def test_text_of_strangers_is_harmless() -> None:
    evil = "2\n\n# Official\n<script>alert(1)</script> ![x](http://y) \x1b[2J\u202e"
    shown = inline(evil)
    assert "\n" not in shown
    assert "<" not in shown
    assert "![" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in one_line(evil)
    assert str(PPKTZooError(f"{evil}")).count("\x1b") == 0
    assert without_secrets("at https://me:s3cret@host:8/x?token=abc, why") == "at https://host:8/x?… why"
    assert "s3cret" not in without_secrets("http://me:s3cret@[::1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a DeepLabv3 (VOC, 256 channels), not PointNet++ & co. of concat_projection; 1.5 m, -", None),
        ("# heading", "\\# heading"),
        ("- item", "\\- item"),
        ("12. item", "12\\. item"),
        ("2) item", "2\\) item"),
        ("=== ", "\\==="),
        ("> quote", "&gt; quote"),
        ("a | b", "a \\| b"),
        ("[a](b)", "\\[a\\]\\(b)"),
        ("_a_ *b* `c` ~~d~~ $e$", "\\_a\\_ \\*b\\* \\`c\\` \\~\\~d\\~\\~ \\$e\\$"),
        ("&lt;script&#62;", "&amp;lt;script&amp;#62;"),
        ("\\[x", "\\\\\\[x"),
    ],
)
def test_prose_keeps_its_look_and_markup_loses_its_meaning(text: str, shown: str | None) -> None:
    assert inline(text) == (text if shown is None else shown)


def test_running_out_of_memory_is_named() -> None:
    with (
        pytest.raises(InputError, match="the thing: there is not enough memory"),
        memory_named("the thing", InputError),
    ):
        raise MemoryError
    with pytest.raises(InputError, match="not enough memory"), memory_named("x", InputError):
        torch.empty(2**60, dtype=torch.uint8)
    with (
        pytest.raises(InputError, match=r"x: the system starts no more threads.*ulimit -u"),
        memory_named("x", InputError),
    ):
        raise RuntimeError("can't start new thread")
    with pytest.raises(RuntimeError, match="other"), memory_named("x", InputError):
        raise RuntimeError("other")


def test_tensors_have_a_checksum_that_any_change_moves() -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3), "c": torch.ones(2, dtype=torch.bfloat16)}
    first = sha256_of_tensors(tensors, "x")
    assert first == sha256_of_tensors(dict(reversed(tensors.items())), "x")
    assert first != sha256_of_tensors(tensors, "y")
    assert first != sha256_of_tensors({**tensors, "a": tensors["a"].reshape(3, 2)}, "x")
    assert first != sha256_of_tensors({**tensors, "b": torch.tensor(2)}, "x")


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "b": 2, "a": 1}}]'])
def test_a_json_name_that_stands_twice_is_told_not_lost(text: str) -> None:
    with pytest.raises(InputError, match="x: this is not whole JSON \\('a' stands twice in one object\\)"):
        parse_json(text, "x", InputError)


def test_names_of_one_object_can_be_bounded() -> None:
    assert parse_json('{"a": {"b": 1}, "c": 2}', "x", InputError, most_names=2) == {"a": {"b": 1}, "c": 2}
    with pytest.raises(InputError, match="3 names in one object, where 2 are the most"):
        parse_json('[{"a": 1, "b": 2, "c": 3}]', "x", InputError, most_names=2)
