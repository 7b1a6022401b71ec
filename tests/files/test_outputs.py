"""Outputs of several processes: folders that appear whole, locks that go with what they guard, leftovers swept."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.locks import sole_writer
from ppkt_zoo.files.writing import sweep_parts, write_whole_folder


def fill(folder: Path) -> None:
    (folder / "mark").write_text("new")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x"
    write_whole_folder(target, fill, InputError, "mark")
    assert (target / "mark").read_text() == "new"

    def fails(folder: Path) -> None:
        (folder / "mark").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left"):
        write_whole_folder(target, fails, InputError, "mark")
    assert (target / "mark").read_text() == "new"
    (target / "old").touch()
    write_whole_folder(target, fill, InputError, "mark")
    assert [one.name for one in target.iterdir()] == ["mark"], "the old one is replaced as a whole"
    assert [one.name for one in target.parent.iterdir()] == ["x"]


def test_a_folder_or_file_of_another_kind_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("photos", "file", "link"):
        with pytest.raises(InputError, match="something else stands there"):
            write_whole_folder(tmp_path / name, fill, InputError, "mark")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "link", "photos"]


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a[1].npz"
    (tmp_path / ".a[1].npz.0123abcd.part").touch()
    (tmp_path / ".a[1].npz.0123abce.part").mkdir()
    (tmp_path / ".a[1].npz.0123abce.part" / "x").touch()
    kept = [".a1.npz.0123abcd.part", ".a[1].npz.part", "b.npz", ".b.npz.0123abcd.part"]
    for name in kept:
        (tmp_path / name).touch()
    sweep_parts(target)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(kept)


_HOLD = """
import sys, time
from pathlib import Path
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.locks import sole_writer
with sole_writer(Path(sys.argv[1]), InputError) as alone:
    print(alone, flush=True); time.sleep(60)
"""


def test_one_process_at_a_time_makes_a_file_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.npz"
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "True\n"
        with sole_writer(target, InputError) as alone:
            assert not alone
        with sole_writer(target.with_name("b.npz"), InputError) as alone:
            assert alone, "another file is nobody's"
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with sole_writer(target, InputError, wait=10) as alone:
        assert alone
    assert list(target.parent.iterdir()) == [], "no lock stays"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written"), sole_writer(tmp_path / "a", InputError):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_lock_below_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), sole_writer(tmp_path / "file" / "a", InputError):
        pass
