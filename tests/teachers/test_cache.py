"""The cache of a teacher's features: filled by one process at a time, gone on with, and never believed when damaged."""

import json
import os
import pickle
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import FrameError, TrainingError
from ppkt_zoo.teachers.cache import TeacherCache

FRAMES = 12


class Source:
    """Frames of one grey each; some cannot be read."""

    def __init__(self, name: str = "frames", unreadable: tuple[int, ...] = (), frames: int = FRAMES) -> None:
        self.name, self._unreadable, self._frames = name, unreadable, frames

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int) -> RGBDFrame:
        if index in self._unreadable:
            raise FrameError(f"frame {index} is cut short")
        color = np.full((16, 16, 3), index, np.uint8)
        return RGBDFrame(color, np.ones((16, 16), np.float32), np.eye(3), None, str(index))


class Grey:
    """A teacher that tells how grey an image is, and counts how often it was asked."""

    spec, sha256 = SimpleNamespace(model_dump=lambda mode: {}), "x"

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds, self.asked = seconds, 0

    def __call__(self, image: Tensor) -> Tensor:
        time.sleep(self.seconds)
        self.asked += 1
        return (image.mean() * 255 + 1).reshape(1, 1, 1, 1).expand(1, 4, 2, 2)


def filled(folder: Path, source: Source | None = None, teacher: Grey | None = None, **said: list[str]) -> TeacherCache:
    cache = TeacherCache(folder, teacher or Grey(), source or Source())  # type: ignore[arg-type]
    say = said.get("said", []).append
    cache.fill(lambda done, total: None, lambda: False, say)
    return cache


def check(cache: TeacherCache, source: Source | None = None, but: tuple[int, ...] = ()) -> None:
    source = source or Source()
    for index in set(range(len(source))) - set(but):
        features = cache.features(index, source[index].color)
        assert features.dtype == torch.float16
        assert features.shape == (4, 2, 2)
        assert bool((features == index + 1).all()), index


def files(folder: Path) -> tuple[Path, Path]:
    (maps,) = folder.glob("*.f16")
    return maps, maps.with_suffix(".json")


def test_features_are_those_that_the_teacher_gave_and_are_computed_once(tmp_path: Path) -> None:
    check(filled(tmp_path))
    teacher = Grey()
    check(pickle.loads(pickle.dumps(filled(tmp_path, teacher=teacher))))
    assert teacher.asked == 0


def test_the_cache_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    first, second = Grey(), Grey()
    cache = TeacherCache(tmp_path, first, Source())  # type: ignore[arg-type]
    cache.fill(lambda done, total: None, lambda: first.asked == 5)
    assert cache.done == 5
    check(filled(tmp_path, teacher=second))
    assert (first.asked, second.asked) == (5, FRAMES - 5)


def test_a_frame_that_cannot_be_read_is_a_hole(tmp_path: Path) -> None:
    source = Source(unreadable=(0, 3, FRAMES - 1))
    check(filled(tmp_path, source), source, but=(0, 3, FRAMES - 1))
    check(filled(tmp_path, source), source, but=(0, 3, FRAMES - 1))
    with pytest.raises(TrainingError, match="the image of frame 3 has changed"):
        filled(tmp_path, source).features(3, Source()[3].color)
    files(tmp_path)[0].unlink()  # as the message says
    check(filled(tmp_path, Source()))
    with pytest.raises(TrainingError, match="not one of its 2 frames can be read"):
        filled(tmp_path, Source("none", unreadable=(0, 1), frames=2))


def test_another_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the image of frame 2 has changed"):
        filled(tmp_path).features(2, Source()[3].color)


@pytest.mark.parametrize("name", ["../../escaped/evil", "/tmp/evil", "a/b", "..", "a\0b", "x" * 300])
def test_a_source_s_name_never_leads_out_of_the_cache(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "teacher"
    check(filled(folder, Source(name)))
    made = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert made
    assert {path.parent for path in made} == {folder}


def test_a_safe_name_keeps_its_file(tmp_path: Path) -> None:
    filled(tmp_path, Source("rooms-11-walk"))
    assert files(tmp_path)[0].name.startswith("rooms-11-walk-")


def test_noise_in_a_whole_file_is_never_learned_from(tmp_path: Path) -> None:
    filled(tmp_path)
    maps, _ = files(tmp_path)
    maps.write_bytes(np.random.default_rng(0).normal(size=maps.stat().st_size // 2).astype(np.float16).tobytes())
    cache = filled(tmp_path)
    for index in range(FRAMES):
        with pytest.raises(TrainingError, match=rf"{maps.name}: the features of frame {index} are damaged: delete"):
            cache.features(index, Source()[index].color)
    maps.unlink()
    check(filled(tmp_path))


def test_each_flipped_bit_of_the_maps_is_found(tmp_path: Path) -> None:
    cache = filled(tmp_path)
    maps, _ = files(tmp_path)
    good = maps.read_bytes()
    size = len(good) // FRAMES
    for place in range(0, len(good), 7):
        damaged = bytearray(good)
        damaged[place] ^= 1 << place % 8
        maps.write_bytes(damaged)
        for index in range(FRAMES):
            if index == place // size:
                with pytest.raises(TrainingError, match="are damaged"):
                    cache.features(index, Source()[index].color)
            else:
                cache.features(index, Source()[index].color)


@pytest.mark.parametrize("left", [0, 1, 100, -1])
def test_of_a_cut_file_what_is_missing_is_computed_again(left: int, tmp_path: Path) -> None:
    cache = filled(tmp_path)
    maps, _ = files(tmp_path)
    whole = maps.read_bytes()
    maps.write_bytes(whole[:left])
    with pytest.raises(TrainingError, match="are damaged"):
        cache.features(FRAMES - 1, Source()[FRAMES - 1].color)
    said: list[str] = []
    teacher = Grey()
    check(filled(tmp_path, teacher=teacher, said=said))
    assert maps.read_bytes() == whole
    assert teacher.asked == FRAMES - len(whole[:left]) // (len(whole) // FRAMES)
    assert "are damaged or cut off: they are computed again" in said[0]


def _changed(content: bytes, **facts: object) -> bytes:
    return json.dumps({**json.loads(content), **facts}).encode()


STATES = {
    "empty": lambda good: b"",
    "cut": lambda good: good[:20],
    "nul": lambda good: bytes(len(good)),
    "nested": lambda good: b"[" * 100_000,
    "list": lambda good: b"[]",
    "digits": lambda good: b'{"done": ' + b"9" * 5000 + b"}",
    "done a text": lambda good: _changed(good, done="12"),
    "done negative": lambda good: _changed(good, done=-1),
    "done huge": lambda good: _changed(good, done=10**9),
    "shape huge": lambda good: _changed(good, shape=[10**9] * 3),
    "a checksum changed": lambda good: _changed(good, maps=[1] * FRAMES),
    "earlier format": lambda good: json.dumps(
        {"done": FRAMES, "shape": [4, 2, 2], "checks": json.loads(good)["images"]}
    ).encode(),
}


@pytest.mark.parametrize("case", STATES)
def test_a_damaged_state_is_named_and_made_again(case: str, tmp_path: Path) -> None:
    filled(tmp_path)
    maps, state = files(tmp_path)
    whole, good = maps.read_bytes(), state.read_bytes()
    state.write_bytes(STATES[case](good))
    cache = TeacherCache(tmp_path, Grey(), Source())  # type: ignore[arg-type]
    assert cache.done == 0
    with pytest.raises(TrainingError, match=rf"{state.name}: this state of a teacher's cache.*delete it"):
        cache.features(0, Source()[0].color)
    said: list[str] = []
    check(filled(tmp_path, said=said))
    assert f"{state.name}: this state of a teacher's cache" in said[0]
    assert (maps.read_bytes(), state.read_bytes()) == (whole, good)


def test_a_state_of_other_kinds_with_a_right_checksum_is_named(tmp_path: Path) -> None:
    from ppkt_zoo.teachers import cache_state as teacher_state

    path = tmp_path / "x.json"
    good = {"done": 2, "shape": [4, 2, 2], "images": [1, None], "maps": [2, None]}
    wrong = [
        {**good, "done": True},
        {**good, "done": 3},
        {**good, "shape": [4, 2]},
        {**good, "shape": [0, 2, 2]},
        {**good, "shape": [10**6] * 3},
        {**good, "images": [1]},
        {**good, "maps": ["1", None]},
        {**good, "maps": [2**32, None]},
        {**good, "more": 1},
    ]
    for facts in [good, *wrong]:
        path.write_text(json.dumps({"format": 2, "sha256": teacher_state._digest(facts), **facts}))
        if facts is good:
            assert teacher_state.read_state(path, 2) is not None
            continue
        with pytest.raises(TrainingError, match="of another kind"):
            teacher_state.read_state(path, 2)


def _wait_for(teacher: Grey, asked: int) -> None:
    end = time.monotonic() + 20
    while teacher.asked < asked:
        assert time.monotonic() < end
        time.sleep(0.005)


def test_two_at_once_give_what_one_gives(tmp_path: Path) -> None:
    slow, fast = Grey(0.02), Grey()
    said: list[str] = []
    one = threading.Thread(target=filled, args=(tmp_path, None, slow))
    one.start()
    _wait_for(slow, 2)
    check(filled(tmp_path, teacher=fast, said=said))
    one.join()
    assert (slow.asked, fast.asked) == (FRAMES, 0)
    assert said == ["another process lets the teacher look at frames: waiting until it has ended"]


def test_who_waits_may_be_stopped(tmp_path: Path) -> None:
    slow, begun = Grey(0.3), time.monotonic()
    one = threading.Thread(target=filled, args=(tmp_path, None, slow), daemon=True)
    one.start()
    _wait_for(slow, 1)
    TeacherCache(tmp_path, Grey(), Source()).fill(lambda *_: None, lambda: True, lambda line: None)  # type: ignore[arg-type]
    assert time.monotonic() - begun < 3
    one.join()
    check(filled(tmp_path))


def test_a_killed_process_leaves_no_lock_and_its_work_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ppkt_zoo.teachers.cache._FRAMES", 2)
    cache = TeacherCache(tmp_path, Grey(0.05), Source())  # type: ignore[arg-type]
    child = os.fork()
    if child == 0:
        cache.fill(lambda done, total: None, lambda: False)
        os._exit(0)
    end = time.monotonic() + 20
    while cache.done < 6 and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    teacher = Grey()
    check(filled(tmp_path, teacher=teacher))
    assert 0 < teacher.asked <= FRAMES - 6


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match="cannot be written"):
        filled(tmp_path / "file")
    filled(tmp_path / "cache")
    maps, state = files(tmp_path / "cache")
    maps.unlink()
    state.unlink()
    maps.mkdir()
    with pytest.raises(TrainingError, match=r"\.f16: the teacher's features cannot be written"):
        filled(tmp_path / "cache")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    maps, state = files(tmp_path)
    maps.unlink()
    state.unlink()
    maps.symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"No space left on device.*make room"):
        filled(tmp_path)


def test_a_whole_cache_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    filled(tmp_path)
    lock = next(tmp_path.glob("*.lock"), None)
    if lock is not None:
        lock.unlink()
    before = sorted(tmp_path.iterdir())
    check(filled(tmp_path))
    assert sorted(tmp_path.iterdir()) == before
