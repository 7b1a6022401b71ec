"""The fingerprint of a source changes with its frames, and with nothing else."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.data.fingerprint import fingerprint_of
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.data.subset import Joined, Subset
from ppkt_zoo.errors import FrameError
from ppkt_zoo.rooms import RoomsFrames
from tests.data.frame_folders import open3d, plain, seven_scenes


def _digits(folder: Path) -> str:
    return fingerprint_of(open_frames(folder))


def _edit(path: Path, place: int) -> None:
    """Another byte, no other size, and the times as they were."""
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("make", [seven_scenes, open3d, plain])
def test_an_edited_renamed_or_removed_frame_shows(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path / "frames")
    before = _digits(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".jpg", ".log", ".txt")]
    assert len(files) > 5
    for path in files:
        for place in (0, path.stat().st_size // 2, -1):
            good = path.read_bytes()
            source = open_frames(folder)
            _edit(path, place)
            assert fingerprint_of(source) != before, path
            path.write_bytes(good)
    assert _digits(folder) == before


def test_frames_that_are_gone_show(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    before = _digits(folder)
    for path in folder.glob("test2.*"):
        path.unlink()
    assert _digits(folder) != before


def test_a_copy_elsewhere_at_another_time_is_the_same(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    before = _digits(folder)
    shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copyfile)
    for path in (tmp_path / "elsewhere").iterdir():
        os.utime(path, (1, 1))
    assert _digits(tmp_path / "elsewhere") == before


def test_notes_hidden_files_and_a_run_below_the_data_change_nothing(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    source = open_frames(folder)
    before = fingerprint_of(source)
    (folder / "notes.md").write_text("mine")
    (folder / "._test2.color.jpg").write_bytes(b"macOS")
    (folder / ".trash").mkdir()
    (folder / ".trash" / "old.png").write_bytes(b"x")
    (folder / "run").mkdir()
    (folder / "run" / ".ppkt-zoo.lock").touch()
    (folder / "run" / "curve.png").write_bytes(b"x")
    assert fingerprint_of(source) == before


def test_slices_of_a_large_file_reach_its_beginning_middle_and_end(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    large = folder / "test2.color.jpg"
    large.write_bytes(large.read_bytes() + bytes(3_000_000))
    source = open_frames(folder)
    seen = {fingerprint_of(source)}
    for place in (10, 1_500_000, -1):
        _edit(large, place)
        seen.add(fingerprint_of(source))
    assert len(seen) == 4


def test_shards_subsets_joined_sources_and_rooms_have_their_own(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    frames = open_frames(folder)
    pack_frames(frames, tmp_path / "one")
    pack_frames(Subset(frames, [0, 1]), tmp_path / "two")
    sources = [
        frames,
        Subset(frames, [0, 1]),
        Subset(frames, [1, 0]),
        Joined([frames, frames], "twice"),
        open_frames(tmp_path / "one"),
        open_frames(tmp_path / "two"),
        RoomsFrames(0, 2, 2),
        RoomsFrames(1, 2, 2),
        RoomsFrames(0, 3, 2),
    ]
    digits = [fingerprint_of(source) for source in sources]
    assert len(set(digits)) == len(digits)
    assert digits == [fingerprint_of(source) for source in sources]


class InMemory:
    """Frames without files."""

    name = "memory"

    def __init__(self, last: int, damaged: bool = False) -> None:
        self._last, self._damaged = last, damaged

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> RGBDFrame:
        if self._damaged and index == 3:
            raise FrameError("damaged")
        color = np.full((4, 5, 3), self._last if index == 8 else index, np.uint8)
        return RGBDFrame(color, np.ones((4, 5), np.float32), np.eye(3), None, f"{index:02d}")


def test_a_source_without_files_is_known_by_its_frames() -> None:
    digits = {fingerprint_of(InMemory(8)), fingerprint_of(InMemory(9)), fingerprint_of(InMemory(8, damaged=True))}
    assert len(digits) == 3
    assert fingerprint_of(InMemory(8)) in digits


def test_pipes_and_links_that_lead_nowhere_or_in_circles_change_nothing(tmp_path: Path) -> None:
    source = open_frames(plain(tmp_path / "frames"))
    before = fingerprint_of(source)
    os.mkfifo(tmp_path / "frames" / "pipe.png")
    (tmp_path / "frames" / "lost.png").symlink_to("nowhere")
    (tmp_path / "frames" / "circle").symlink_to(tmp_path / "frames")
    assert fingerprint_of(source) == before


def test_images_in_a_linked_folder_count(tmp_path: Path) -> None:
    folder = open3d(tmp_path / "frames")
    (folder / "depth").rename(tmp_path / "elsewhere")
    (folder / "depth").symlink_to(tmp_path / "elsewhere")
    before = _digits(folder)
    _edit(next((tmp_path / "elsewhere").glob("*.png")), -1)
    assert _digits(folder) != before


def test_a_thousand_frames_take_about_a_second(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    content = (folder / "test2.color.jpg").read_bytes() + bytes(100_000)
    for number in range(1000):
        (folder / f"many{number}.color.jpg").write_bytes(content)
        (folder / f"many{number}.depth.png").write_bytes(content)
    source = open_frames(plain(tmp_path / "other"))
    source.folder = folder
    began = time.perf_counter()
    fingerprint_of(source)
    assert time.perf_counter() - began < 10  # 0.3 s where nothing else runs
