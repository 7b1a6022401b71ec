"""A pack that a kill or a full disk stops is gone on with, to the same bytes; nothing of others is touched."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.shards import writer as shard_writer
from ppkt_zoo.data.shards.folder import ShardFrames
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import plain, seven_scenes

FRAMES, SIZE = 11, 5000


class Killed(BaseException):
    """What ends a process, as far as a test can."""


class Source:
    """Frames of few pixels; the second cannot be read; it may end the process, and be slow."""

    def __init__(self, dies_at: int = -1, shift: int = 0, name: str = "frames", seconds: float = 0) -> None:
        self.name, self._dies_at, self._shift, self._seconds = name, dies_at, shift, seconds

    def __len__(self) -> int:
        return FRAMES

    def fingerprint(self) -> str:
        return str(self._shift)

    def __getitem__(self, index: int) -> RGBDFrame:
        time.sleep(self._seconds)
        if index == self._dies_at:
            raise Killed
        if index == 1:
            raise FrameError("frame 1 is cut short")
        color = np.full((4, 5, 3), index + self._shift, np.uint8)
        return RGBDFrame(color, np.ones((4, 5), np.float32), np.eye(3), None, f"{index:02d}")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole") / "out"
    pack_frames(Source(), folder, SIZE)
    found = contents(folder)
    assert {name for name in found if not name.endswith(".tar")} == {"shards.json", ".ppkt-zoo.lock"}
    assert len(found) > 4
    return found


@pytest.mark.parametrize("at", range(0, FRAMES, 2))
def test_the_same_call_goes_on_to_the_same_bytes(at: int, tmp_path: Path, whole: dict[str, bytes]) -> None:
    with pytest.raises(Killed):
        pack_frames(Source(dies_at=at), tmp_path, SIZE)
    assert not (tmp_path / "shards.json").exists()
    if any(tmp_path.glob("*.tar")):
        with pytest.raises(FrameError, match=r"packing was not finished: give the same command again"):
            open_frames(tmp_path)
    said: list[str] = []
    pack_frames(Source(), tmp_path, SIZE, say=said.append)
    assert contents(tmp_path) == whole
    assert bool(said) == (at > 3)


def test_a_killed_process_is_gone_on_with(tmp_path: Path, whole: dict[str, bytes]) -> None:
    child = os.fork()
    if child == 0:
        pack_frames(Source(seconds=0.1), tmp_path, SIZE)
        os._exit(0)
    end = time.monotonic() + 20
    while len(list(tmp_path.glob("*.tar"))) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert not (tmp_path / "shards.json").exists()
    pack_frames(Source(), tmp_path, SIZE)
    assert contents(tmp_path) == whole


def test_a_journal_cut_in_a_line_is_gone_on_with(tmp_path: Path, whole: dict[str, bytes]) -> None:
    with pytest.raises(Killed):
        pack_frames(Source(dies_at=8), tmp_path, SIZE)
    journal = tmp_path / "unfinished-pack.jsonl"
    good, shards = journal.read_bytes(), contents(tmp_path)
    for left in range(0, len(good), 97):
        for name, content in shards.items():
            (tmp_path / name).write_bytes(content)
        journal.write_bytes(good[:left])
        pack_frames(Source(), tmp_path, SIZE)
        assert contents(tmp_path) == whole
        (tmp_path / "shards.json").unlink()


def test_an_unfinished_pack_of_other_frames_is_named_and_overwritten_on_request(
    tmp_path: Path, whole: dict[str, bytes]
) -> None:
    with pytest.raises(Killed):
        pack_frames(Source(dies_at=8, shift=100), tmp_path, SIZE)
    before = contents(tmp_path)
    for source, size in ((Source(), SIZE), (Source(shift=100), SIZE + 1), (Source(shift=100, name="x"), SIZE)):
        with pytest.raises(FrameError, match=r"unfinished pack of other frames, or with other options.*--overwrite"):
            pack_frames(source, tmp_path, size)
    assert {name: content for name, content in contents(tmp_path).items() if "lock" not in name} == {
        name: content for name, content in before.items() if "lock" not in name
    }
    pack_frames(Source(), tmp_path, SIZE, overwrite=True)
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("damage", [b"[" * 100_000, b"\0" * 50, b"null", b'{"format": 2}', b'{"shard": {}, "next": 3}'])
@pytest.mark.parametrize("place", [0, 1])
def test_a_damaged_journal_is_named(damage: bytes, place: int, tmp_path: Path, whole: dict[str, bytes]) -> None:
    with pytest.raises(Killed):
        pack_frames(Source(dies_at=8), tmp_path, SIZE)
    journal = tmp_path / "unfinished-pack.jsonl"
    lines = journal.read_bytes().split(b"\n")
    lines[place] = damage
    journal.write_bytes(b"\n".join(lines))
    with pytest.raises(FrameError, match="unfinished pack"):
        pack_frames(Source(), tmp_path, SIZE)
    pack_frames(Source(), tmp_path, SIZE, overwrite=True)
    assert contents(tmp_path) == whole


def test_a_shard_that_is_gone_or_a_name_that_climbs_is_named(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        pack_frames(Source(dies_at=8), tmp_path, SIZE)
    journal = tmp_path / "unfinished-pack.jsonl"
    good = journal.read_bytes()
    journal.write_bytes(good.replace(b"shard-000000.tar", b"../x/sh-0000.tar"))
    with pytest.raises(FrameError, match="is damaged"):
        pack_frames(Source(), tmp_path, SIZE)
    journal.write_bytes(good)
    (tmp_path / "shard-000001.tar").unlink()
    with pytest.raises(FrameError, match=r"shard-000001.tar: this shard of an unfinished pack is gone"):
        pack_frames(Source(), tmp_path, SIZE)


def test_overwriting_removes_shards_and_nothing_else(tmp_path: Path, whole: dict[str, bytes]) -> None:
    pack_frames(Source(shift=100), tmp_path, 10**6)
    (tmp_path / "mine.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FrameError, match=r"not empty \(mine.txt\)"):
            pack_frames(Source(), tmp_path, SIZE, overwrite=overwrite)
    assert len(ShardFrames(tmp_path)) == FRAMES - 1
    (tmp_path / "mine.txt").unlink()
    with pytest.raises(FrameError, match=r"not empty, it holds a whole set.*--overwrite"):
        pack_frames(Source(), tmp_path, SIZE)
    pack_frames(Source(), tmp_path, SIZE, overwrite=True)
    assert contents(tmp_path) == whole


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    class Another(Source):
        def __getitem__(self, index: int) -> RGBDFrame:
            if index == 5:
                with pytest.raises(FrameError, match=r"another process .*is at work in this folder of shards"):
                    pack_frames(Source(), tmp_path, SIZE, overwrite=True)
            return super().__getitem__(index)

    pack_frames(Another(), tmp_path, SIZE)
    assert len(ShardFrames(tmp_path)) == FRAMES - 1


def test_a_disk_that_is_full_is_named_and_gone_on_with(
    tmp_path: Path, whole: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    add, count = shard_writer._Shard.add, [0]

    def full(self, key, name, parts):  # type: ignore[no-untyped-def]
        count[0] += 1
        if count[0] == 6:
            raise OSError(28, "No space left on device", str(tmp_path / "x"))
        add(self, key, name, parts)

    monkeypatch.setattr(shard_writer._Shard, "add", full)
    with pytest.raises(
        FrameError, match=r"cannot be written \(No space left on device\): make room, and give the same"
    ):
        pack_frames(Source(), tmp_path, SIZE)
    assert not list(tmp_path.glob("*.part"))
    pack_frames(Source(), tmp_path, SIZE)
    assert contents(tmp_path) == whole


def test_names_that_are_no_utf_8_are_refused_before_work_begins(tmp_path: Path) -> None:
    with pytest.raises(FrameError, match="the name of these frames is no UTF-8"):
        pack_frames(Source(name="\udcff"), tmp_path / "out", SIZE)
    folder = plain(tmp_path / "frames")
    for path in list(folder.glob("test2.*")):
        path.rename(path.with_name(path.name.replace("test2", "test\udcff")))
    with pytest.raises(FrameError, match=r"(is no|not in) UTF-8"):
        pack_frames(open_frames(folder), tmp_path / "out", SIZE)
    with pytest.raises(FrameError, match="UTF-8"):
        pack_frames(Source(), tmp_path / "out\udcff", SIZE)
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FrameError, match="file"):
        pack_frames(Source(), tmp_path / "file", SIZE)


def test_the_command_overwrites_and_counts_what_it_leaves_out(tmp_path: Path) -> None:
    folder, out = seven_scenes(tmp_path / "frames"), tmp_path / "shards"
    broken = sorted(folder.rglob("*.depth.png"))[0]
    broken.write_bytes(broken.read_bytes()[:50])
    arguments = ["data", "pack", str(folder), str(out), "--up", "world-z"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert f"left out: 1 of {len(open_frames(folder))} frames" in result.stderr
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert CliRunner().invoke(app, [*arguments, "--overwrite"]).exit_code == 0
