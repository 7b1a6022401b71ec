"""RoomsFrames: numbering, purity, cache."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.errors import InputError, TrainingError
from ppkt_zoo.rooms import RoomsFrames, make_room, source

FIELDS = ("color", "depth", "label", "instance", "intrinsics", "pose")


def small(**changes) -> RoomsFrames:
    return RoomsFrames(**{"seed": 5, "rooms": 3, "frames_per_room": 2, "height": 60, "width": 80, **changes})


def equal(first: RGBDFrame, second: RGBDFrame) -> bool:
    return first.name == second.name and all(
        np.array_equal(getattr(first, field), getattr(second, field)) for field in FIELDS
    )


def test_a_frame_depends_on_seed_and_number_only() -> None:
    frames, backwards = small(), small(rooms=2)
    assert len(frames) == 6
    first = [frames[index] for index in range(4)]
    second = [backwards[index] for index in (3, 2, 1, 0)][::-1]
    assert all(equal(one, two) for one, two in zip(first, second, strict=True))
    assert not equal(first[0], first[1])
    assert not np.array_equal(small(seed=6)[0].color, first[0].color)
    assert equal(frames[-1], frames[5])


def test_frame_names_its_room_and_view() -> None:
    frames = small()
    frame = frames[3]
    assert frame.name == f"rooms-{frames.room_seed(1)}-1"
    assert frame.instance is not None
    assert frame.label is not None
    room = make_room(frames.room_seed(1))
    for item in room.objects:
        assert (frame.label[frame.instance == item.instance] == item.label).all()


def test_field_of_view_varies() -> None:
    frames = small()
    focal = [frames[index].intrinsics[0, 0] for index in range(6)]
    view = np.degrees(2 * np.arctan(40 / np.array(focal)))
    assert (view >= 50).all()
    assert (view <= 70).all()
    assert view.std() > 0.5


def test_cache_gives_the_same_frames_without_rendering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [small()[index] for index in range(3)]
    frames = small(cache=tmp_path)
    written = [frames[index] for index in range(3)]

    def no_rendering(*_: object) -> None:
        raise AssertionError("the cache was not read")

    monkeypatch.setattr(source, "render", no_rendering)
    read = [small(cache=tmp_path)[index] for index in range(3)]
    for one, two, three in zip(plain, written, read, strict=True):
        assert equal(one, two)
        assert equal(one, three)
    assert not list(tmp_path.rglob("*.part"))


def test_cache_of_other_settings_is_another_folder(tmp_path: Path) -> None:
    folders = {
        small(cache=tmp_path).folder,
        small(cache=tmp_path, seed=6).folder,
        small(cache=tmp_path, frames_per_room=3).folder,
        small(cache=tmp_path, width=96).folder,
        small(cache=tmp_path, sensor_noise=False).folder,
    }
    assert len(folders) == 5
    # More rooms only add frames at the end, so they share.
    assert small(cache=tmp_path, rooms=9).folder == small(cache=tmp_path).folder


@pytest.mark.parametrize("workers", [1, 2])
def test_fill_renders_what_is_missing(tmp_path: Path, workers: int) -> None:
    frames = small(cache=tmp_path)
    frames[1]
    assert frames.folder is not None
    before = (frames.folder / "frame-000001.npz").stat().st_mtime_ns
    frames.fill(workers)
    assert len(list(frames.folder.glob("frame-*.npz"))) == 6
    assert (frames.folder / "frame-000001.npz").stat().st_mtime_ns == before
    assert equal(frames[4], small()[4])


def test_fill_needs_a_cache() -> None:
    with pytest.raises(InputError, match="give RoomsFrames a cache folder"):
        small().fill()


def _cached(tmp_path: Path) -> tuple[RoomsFrames, RGBDFrame, Path]:
    frames = small(cache=tmp_path)
    frame = frames[0]
    assert frames.folder is not None
    return frames, frame, frames.folder / "frame-000000.npz"


@pytest.mark.parametrize("keep", [0, 100, -200])
def test_a_cut_file_of_the_cache_is_made_again_with_a_word(tmp_path: Path, keep: int) -> None:
    frames, frame, path = _cached(tmp_path)
    good = path.read_bytes()
    path.write_bytes(good[:keep])
    with pytest.warns(RuntimeWarning, match=r"frame-000000\.npz is damaged, it is made again"):
        assert equal(frames[0], frame)
    assert path.read_bytes() == good


def test_changed_byte_in_the_cache_is_found(tmp_path: Path) -> None:
    frames, frame, path = _cached(tmp_path)
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    found = 0
    for place in [*rng.integers(0, len(good), 30), len(good) // 2]:
        damaged = bytearray(good)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert equal(frames[0], frame)  # a changed time stamp of the archive is no damage
        found += bool(caught)
        assert not caught or path.read_bytes() == good
    assert found > 20
    assert caught


def _zip(path: Path, arrays: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in arrays.items():
            archive.writestr(name, content)


def test_archives_that_unfold_or_announce_gigabytes_are_made_again(tmp_path: Path) -> None:
    frames, frame, path = _cached(tmp_path)
    header = (
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(127)
        + b"\n"
    )
    with zipfile.ZipFile(path) as archive:
        good = {name: archive.read(name) for name in archive.namelist()}
    for color in (header, header + bytes(10**6), bytes(50_000_000)):
        _zip(path, {**good, "color.npy": color})
        with pytest.warns(RuntimeWarning, match="made again"):
            assert equal(frames[0], frame)


def test_a_frame_of_another_size_or_kind_is_made_again(tmp_path: Path) -> None:
    frames, frame, path = _cached(tmp_path)
    wide = small(cache=tmp_path, width=96)
    wide[0]
    assert wide.folder is not None
    for content in ((wide.folder / path.name).read_bytes(), b"no archive"):
        path.write_bytes(content)
        with pytest.warns(RuntimeWarning, match="made again"):
            assert equal(frames[0], frame)
    with np.load(path) as stored:
        parts = dict(stored)
    for field, value in (("pose", np.eye(3)), ("color", parts["depth"][:50]), ("intrinsics", np.zeros((3, 3)))):
        np.savez(path, **{**parts, field: value})
        with pytest.warns(RuntimeWarning, match="made again"):
            assert equal(frames[0], frame)


def test_a_cache_that_cannot_be_written_ends_the_run_and_skips_no_frame(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"frame-000000.npz: this file cannot be written"):
        small(cache=tmp_path / "file")[0]


def test_index_outside_and_bad_arguments() -> None:
    frames = small()
    with pytest.raises(IndexError):
        frames[6]
    with pytest.raises(InputError, match="at least 1"):
        small(rooms=0)
    with pytest.raises(InputError, match="16×16"):
        small(height=4)


def test_clean_frames_have_exact_depth() -> None:
    frame = small(sensor_noise=False)[0]
    assert (frame.depth > 0).all()


def test_close_ups_look_down_on_what_lies_on_a_top() -> None:
    far, near = small(rooms=6, frames_per_room=1), small(rooms=6, frames_per_room=1, close_ups=1.0)
    nearer, seen = 0, 0
    for index in range(6):
        objects = make_room(near.room_seed(index)).objects
        on_tops = [item.instance for item in objects if item.name in ("clutter", "bottle")]
        frame = near[index]
        assert frame.pose is not None
        assert frame.instance is not None
        if on_tops:  # else an ordinary view
            seen += 1
            assert frame.pose[2, 2] < -0.4  # the optical axis points down
            assert np.isin(frame.instance, on_tops).mean() > 0.005
            nearer += int(np.median(frame.depth) < np.median(far[index].depth))
    assert seen >= 4
    assert nearer >= seen - 1


def test_a_share_of_close_ups_is_drawn_and_has_a_cache_of_its_own(tmp_path: Path) -> None:
    frames, mixed = small(cache=tmp_path), small(cache=tmp_path, close_ups=0.5)
    assert frames.folder != mixed.folder
    down = [pose[2, 2] < -0.4 for pose in (mixed[index].pose for index in range(6)) if pose is not None]
    assert 0 < sum(down) < 6


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_of_close_ups_beyond_0_to_1_is_named(share: float) -> None:
    with pytest.raises(InputError, match="close_ups"):
        small(close_ups=share)
