"""Streams of shards: every frame once over ranks and workers, and the same order after an interruption."""

import functools
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.shards.stream import ShardStream
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.errors import FrameError

FRAMES = 23


class Small:
    """Frames of a few pixels."""

    name = "small"

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, index: int) -> RGBDFrame:
        color = np.full((4, 5, 3), index, np.uint8)
        return RGBDFrame(color, np.ones((4, 5), np.float32), np.eye(3), None, f"{index:02d}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shards") / "small"
    index = pack_frames(Small(), path, shard_size=10_000)
    assert len(index.shards) >= 6
    return path


def names(stream: ShardStream, workers: int = 0, count: int | None = None) -> list[str]:
    loader = DataLoader(stream, batch_size=None, num_workers=workers)
    return [frame.name for frame in islice(loader, count)]


def test_an_epoch_has_every_frame_once_in_another_order_than_the_next(folder: Path) -> None:
    two = names(ShardStream(folder, epochs=2))
    first, second = two[:FRAMES], two[FRAMES:]
    assert sorted(first) == sorted(second) == [f"{index:02d}" for index in range(FRAMES)]
    assert first != second != sorted(second)
    assert two == names(ShardStream(folder, epochs=2))
    assert two != names(ShardStream(folder, seed=1, epochs=2))


@pytest.mark.parametrize(("world", "workers"), [(1, 2), (2, 0), (2, 2), (3, 3)])
def test_ranks_and_workers_share_every_frame_out(folder: Path, world: int, workers: int) -> None:
    given = Counter(
        name for rank in range(world) for name in names(ShardStream(folder, rank=rank, world=world, epochs=1), workers)
    )
    assert given == Counter(f"{index:02d}" for index in range(FRAMES))


@pytest.mark.parametrize(("workers", "epochs"), [(0, 2), (2, 1), (3, 2), (3, None)])
@pytest.mark.parametrize("seen", [0, 1, 7, 17, 22])
def test_a_stream_goes_on_where_it_stopped(folder: Path, workers: int, epochs: int | None, seen: int) -> None:
    whole = names(ShardStream(folder, epochs=epochs), workers, count=40)
    state = ShardStream(folder, epochs=epochs).state(seen, workers)
    rest = names(ShardStream(folder, epochs=epochs, resume=state.as_dict()), workers, count=len(whole) - seen)
    assert rest == whole[seen:]


def test_without_workers_a_stream_counts_by_itself(folder: Path) -> None:
    stream = ShardStream(folder)
    frames = iter(stream)
    before = [next(frames).name for _ in range(9)]
    again = iter(ShardStream(folder, resume=stream.state()))
    assert [next(frames).name for _ in range(30)] == [next(again).name for _ in range(30)]
    assert before == names(ShardStream(folder), count=9)


def test_a_state_of_another_stream_is_refused(folder: Path, tmp_path: Path) -> None:
    state = ShardStream(folder).state(5)
    with pytest.raises(FrameError, match="seed 0"):
        ShardStream(folder, seed=1, resume=state)
    with pytest.raises(FrameError, match="world 1"):
        ShardStream(folder, world=2, resume=state)
    pack_frames(Small(), tmp_path / "other", shard_size=50_000)
    with pytest.raises(FrameError, match="shards"):
        ShardStream(tmp_path / "other", resume=state)
    with pytest.raises(FrameError, match="saved with 1 workers and goes on with 2"):
        names(ShardStream(folder, resume=state), workers=2)


def test_too_few_shards_for_an_endless_stream_are_named(tmp_path: Path) -> None:
    pack_frames(Small(), tmp_path / "one")
    with pytest.raises(FrameError, match="1 shards cannot feed 2 streams"):
        next(iter(ShardStream(tmp_path / "one", world=2)))
    with pytest.raises(FrameError, match="rank must be"):
        ShardStream(tmp_path / "one", rank=2, world=2)


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_http_and_pipes_give_the_same_frames(folder: Path, server: str) -> None:
    expected = names(ShardStream(folder, epochs=1))
    assert names(ShardStream(f"{server}/", epochs=1)) == expected
    assert names(ShardStream(f"pipe:cat {folder}/{{}}", epochs=1)) == expected
    state = ShardStream(server, epochs=1).state(11)
    assert names(ShardStream(folder, epochs=1, resume=state)) == expected[11:]


def test_trouble_from_afar_is_named(folder: Path, server: str, tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=r"nowhere/shards.json: this cannot be fetched"):
        ShardStream(f"{server}/nowhere")
    with pytest.raises(FrameError, match=r"pipe:cat … shards.json: .*ended with 1: cat: .*No such file"):
        ShardStream(f"pipe:cat {tmp_path}/{{}}")


@pytest.mark.parametrize("local", [True, False])
def test_a_damaged_shard_is_named(folder: Path, tmp_path: Path, local: bool) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shard = tmp_path / "shard-000002.tar"
    content = shard.read_bytes()
    location = tmp_path if local else f"pipe:cat {tmp_path}/{{}}"
    shard.write_bytes(content[:700])
    with pytest.raises(FrameError, match=r"shard-000002.tar.*cut short"):
        names(ShardStream(location, epochs=1))
    shard.write_bytes(content.replace(b"IHDR", b"IHDX"))
    with pytest.raises(FrameError, match=r"shard-000002.tar.*(sha256|have changed)"):
        names(ShardStream(location, epochs=1))
