"""Shards: the same frames as their source, readable by webdataset, checked byte by byte."""

import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.shards.folder import ShardFrames
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import HEIGHT, WIDTH, open3d, plain, seven_scenes


class Drawn:
    """Frames of noise with labels and instances, in depths that millimetres do not hold; the second is damaged."""

    name = "drawn"

    def __init__(self, scale: float = 5000.0, damaged: tuple[int, ...] = ()) -> None:
        self._scale, self._damaged = np.float32(scale), damaged

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> RGBDFrame:
        if index in self._damaged:
            raise FrameError(f"frame {index} is cut short")
        rng = np.random.default_rng(index)
        return RGBDFrame(
            color=rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8),
            depth=rng.integers(0, 20000, (HEIGHT, WIDTH)).astype(np.uint16) / self._scale,
            intrinsics=np.array([[50.123456789, 0, 31.5], [0, 51.0, 23.5], [0, 0, 1]]),
            pose=None if index % 2 else np.eye(4),
            name=f"drawn/{index}",
            label=rng.integers(-1, 40, (HEIGHT, WIDTH)).astype(np.int16),
            instance=rng.integers(0, 3000, (HEIGHT, WIDTH)).astype(np.int32),
        )


def same(one: FrameSource, other: FrameSource) -> None:
    assert len(one) == len(other)
    for index in range(len(one)):
        for field, value in vars(one[index]).items():
            again = getattr(other[index], field)
            if isinstance(value, np.ndarray):
                assert np.array_equal(value, again), f"frame {index}: {field}"
                assert value.dtype == again.dtype
            else:
                assert value == again, f"frame {index}: {field}"


@pytest.mark.parametrize("make", [seven_scenes, open3d, plain])
def test_frames_come_back_as_the_source_gives_them(make, tmp_path: Path) -> None:
    source = open_frames(make(tmp_path / "frames"))
    pack_frames(source, tmp_path / "shards", shard_size=30_000)
    shards = open_frames(tmp_path / "shards")
    assert isinstance(shards, ShardFrames)
    assert len(shards.shards) > 1 or len(source) == 3
    assert shards.name == source.name
    same(source, shards)
    same(source, pickle.loads(pickle.dumps(shards)))


@pytest.mark.parametrize("scale", [1000.0, 5000.0, 10000.0])
def test_labels_poses_and_finer_depth_come_back(scale: float, tmp_path: Path) -> None:
    pack_frames(Drawn(scale), tmp_path / "shards", shard_size=40_000)
    same(Drawn(scale), open_frames(tmp_path / "shards"))


def test_depth_of_no_grid_is_kept_to_half_a_millimetre(tmp_path: Path) -> None:
    pack_frames(Drawn(7321.7), tmp_path / "shards")
    read = open_frames(tmp_path / "shards")[0].depth
    np.testing.assert_allclose(read, Drawn(7321.7)[0].depth, atol=0.00051)


def test_the_files_of_the_source_are_packed_as_they_are(tmp_path: Path) -> None:
    folder = plain(tmp_path / "frames")
    pack_frames(open_frames(folder), tmp_path / "shards")
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as tar:
        names = tar.getnames()
        assert names[:5] == [f"00000000.{part}" for part in _PARTS]
        stored = tar.extractfile("00000001.color.jpg").read()
    assert stored == (folder / "test2.color.jpg").read_bytes()


_PARTS = ("color.jpg", "depth.png", "label.png", "instance.png", "json")


def test_the_index_names_the_very_bytes_and_packing_repeats(tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack_frames(Drawn(), tmp_path / name, shard_size=40_000)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    index = json.loads((tmp_path / "one" / "shards.json").read_text())
    shard = index["shards"][0]
    with tarfile.open(tmp_path / "one" / shard["file"]) as tar:
        for sample in shard["samples"]:
            for part, (offset, size, _) in sample["parts"].items():
                member = tar.getmember(f"{sample['key']}.{part}")
                assert (member.offset_data, member.size) == (offset, size)


def test_webdataset_reads_the_shards(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    index = pack_frames(Drawn(), tmp_path / "shards", shard_size=40_000)
    urls = [str(tmp_path / "shards" / shard.file) for shard in index.shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [f"{number:08d}" for number in range(7)]
    for number, sample in enumerate(samples):
        assert np.array_equal(sample["color.png"], Drawn()[number].color)
        assert sample["json"]["name"] == f"drawn/{number}"


def test_frames_that_cannot_be_read_are_left_out_and_named(tmp_path: Path) -> None:
    index = pack_frames(Drawn(damaged=(1, 4)), tmp_path / "shards")
    assert index.frames == 5
    assert index.skipped == ("frame 1 is cut short", "frame 4 is cut short")
    assert [open_frames(tmp_path / "shards")[i].name for i in (1, -1)] == ["drawn/2", "drawn/6"]
    with pytest.raises(FrameError, match="not one of its 7 frames"):
        pack_frames(Drawn(damaged=tuple(range(7))), tmp_path / "none")


def test_there_is_nothing_beyond_the_ends(tmp_path: Path) -> None:
    pack_frames(Drawn(), tmp_path / "shards", shard_size=40_000)
    shards = ShardFrames(tmp_path / "shards")
    assert len(list(shards)) == 7
    for index in (7, -8, 10**9):
        with pytest.raises(FrameError, match="there is no frame"):
            shards[index]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    pack_frames(Drawn(), tmp_path / "shards", shard_size=40_000)
    return tmp_path / "shards"


def test_a_shard_that_is_cut_short_is_named(packed: Path) -> None:
    shard = packed / "shard-000001.tar"
    shard.write_bytes(shard.read_bytes()[:-2000])
    with pytest.raises(FrameError, match=r"shard-000001.tar: this shard is cut short \(\d+ of \d+ bytes\)"):
        open_frames(packed)


def test_a_missing_shard_is_named(packed: Path) -> None:
    (packed / "shard-000001.tar").unlink()
    with pytest.raises(FrameError, match=r"shard-000001.tar: this shard is missing"):
        open_frames(packed)


def test_changed_bytes_are_named_when_read_and_when_verified(packed: Path) -> None:
    shards = ShardFrames(packed)
    shards.verify()
    number = len(shards.shards[0].samples)
    shard = packed / "shard-000001.tar"
    content = bytearray(shard.read_bytes())
    content[shards.shards[1].samples[0].parts["color.png"][0] + 100] ^= 1
    shard.write_bytes(content)
    shards[number - 1]
    with pytest.raises(FrameError, match=rf"shard-000001.tar: {number:08d}.color.png: the bytes .* have changed"):
        shards[number]
    with pytest.raises(FrameError, match=r"shard-000001.tar: this shard has sha256 .* shards.json says"):
        shards.verify()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: text.replace('"format":1', '"format":2'), "format"),
        (lambda text: text[:-1], "damaged"),
        (lambda text: text.replace('"color.png":[', '"color.png":[99'), "lies outside"),
        (lambda text: text.replace("shard-000000.tar", "../shard-000000.tar"), "file"),
    ],
)
def test_a_damaged_index_is_named(packed: Path, damage, message: str) -> None:
    index = packed / "shards.json"
    index.write_text(damage(index.read_text()))
    with pytest.raises(FrameError, match=rf"shards.json.*{message}"):
        open_frames(packed)


def test_shards_without_their_index_are_named(packed: Path) -> None:
    (packed / "shards.json").unlink()
    with pytest.raises(FrameError, match=r"shards.json: this index of shards cannot be read"):
        open_frames(packed)


def test_what_shards_carry_cannot_be_given_anew(packed: Path) -> None:
    for given in ({"intrinsics": (50, 50, 30, 20)}, {"up": "camera-y"}, {"depth_scale": 5000}):
        with pytest.raises(FrameError, match="of their own"):
            open_frames(packed, **given)


def test_packing_into_a_used_folder_is_refused(packed: Path) -> None:
    with pytest.raises(FrameError, match="not empty"):
        pack_frames(Drawn(), packed)
    with pytest.raises(FrameError, match="shard_size"):
        pack_frames(Drawn(), packed, shard_size=0)


def test_the_command_packs(tmp_path: Path) -> None:
    folder, out = seven_scenes(tmp_path / "frames"), tmp_path / "shards"
    result = CliRunner().invoke(app, ["data", "pack", str(folder), str(out), "--every", "2"])
    assert result.exit_code == 0, result.output
    assert "6 frames, 0.0 MB in 1 tar file and an index" in result.output
    assert len(open_frames(out)) == 6
    again = CliRunner().invoke(app, ["data", "pack", str(folder), str(out)])
    assert again.exit_code == 2
    assert "not empty" in again.stderr
