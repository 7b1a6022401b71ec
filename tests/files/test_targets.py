"""Places for results, looked at before any work."""

import os
from pathlib import Path

import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.targets import check_file_target, check_folder_target
from ppkt_zoo.files.text import unbroken


def test_what_can_be_written_is_let_through(tmp_path: Path) -> None:
    check_file_target(tmp_path / "new" / "deep" / "a.npz", InputError, "--out")
    check_folder_target(tmp_path / "new" / "deep", InputError)
    check_folder_target(tmp_path, InputError)
    (tmp_path / "old.npz").write_bytes(b"")
    check_file_target(tmp_path / "old.npz", InputError)
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.npz").mkdir()
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "lost.npz").symlink_to(tmp_path / "file" / "x")
    for path, said in (
        (tmp_path / "folder.npz", "is a folder"),
        (tmp_path / "file" / "a.npz", "is no folder"),
        (tmp_path / "file" / "deep" / "a.npz", "is no folder"),
        (tmp_path / "pipe.npz", "no regular file"),
        (tmp_path / os.fsdecode(b"caf\xe9.npz"), "no name in UTF-8"),
        (tmp_path / ("x" * 300 + ".npz"), "no usable --out"),
        (Path("a\0b.npz"), "NUL"),
    ):
        with pytest.raises(InputError, match=said):
            check_file_target(path, InputError, "--out")
    with pytest.raises(InputError, match="is no folder"):
        check_folder_target(tmp_path / "file", InputError, "--out")


def test_a_folder_without_rights_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As root every folder can be written: what the system answers stands in for it.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(InputError, match="no right to write"):
        check_file_target(tmp_path / "a.npz", InputError, "--out")


def test_a_line_is_unbroken_and_keeps_its_spaces() -> None:
    assert unbroken("a  b\n  c\x1b[0m\r\nd") == "a  b c\\x1b[0m d"
