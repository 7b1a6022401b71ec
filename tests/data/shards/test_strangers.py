"""Shards from strangers: nothing in an index is a path or a command, and every kind is checked."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.shards.folder import ShardFrames
from ppkt_zoo.data.shards.samples import decode_sample, encode_sample
from ppkt_zoo.data.shards.stream import ShardStream
from ppkt_zoo.data.shards.writer import pack_frames
from ppkt_zoo.errors import FrameError, PPKTZooError


class Tiny:
    """Frames of a few pixels, with labels."""

    name = "tiny"

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> RGBDFrame:
        color = np.full((4, 5, 3), index, np.uint8)
        label = np.full((4, 5), index, np.int16)
        return RGBDFrame(color, np.ones((4, 5), np.float32), np.eye(3), None, f"{index:02d}", label)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    pack_frames(Tiny(), tmp_path / "packed", shard_size=5000)
    return tmp_path / "packed"


def _change(folder: Path, change: Any) -> None:
    index = json.loads((folder / "shards.json").read_text())
    change(index)
    (folder / "shards.json").write_text(json.dumps(index))


NAMES = [
    "x; touch PWNED #", "x`touch PWNED`.tar", "$(touch PWNED).tar", "x|touch PWNED.tar", "x\ntouch PWNED.tar",
    "--output=PWNED.tar", "-.tar", ".tar", ".hidden.tar", "../x.tar", "a/b.tar", "a\\b.tar", "C:x.tar", "x.tar\n",
    "x.tar\0", "a b.tar", "file:x.tar", "http://host/x.tar", "x", "x.tar.gz", "ä.tar", "{}.tar", "", "a" * 300 + ".tar",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_shard_s_name_is_a_plain_file_s_and_never_reaches_a_shell(
    name: str, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _change(packed, lambda index: index["shards"][0].update(file=name))
    for location in (f"pipe:cat {packed}/{{}}", f"pipe:cat '{packed}/{{}}'", str(packed)):
        with pytest.raises(FrameError, match=r"shards.json: this index of shards is damaged \(shards.0.file"):
            next(iter(ShardStream(location, epochs=1)))
    with pytest.raises(FrameError, match=r"shards.0.file"):
        ShardFrames(packed)
    assert not (tmp_path / "PWNED").exists()


def test_a_command_s_arguments_stay_arguments(packed: Path, tmp_path: Path) -> None:
    """Quotes and spaces in the user's own command hold together, as in a shell."""
    there = tmp_path / "a folder; touch PWNED"
    packed.rename(there)
    stream = ShardStream(f"pipe:cat '{there}/{{}}'", epochs=1)
    assert len(list(stream)) == 3
    assert len(list(ShardStream(f'pipe:cat "{there}/"', epochs=1))) == 3


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("cat {} | zcat", r"holds \|, and no shell reads it: put it into a script"),
        ("cat {} > x", "holds >"),
        ("cat $HOME/{}", r"holds \$"),
        ('cat "$HOME/{}"', r"holds \$"),
        ("cat `pwd`/{}", "holds `"),
        ("cat {}; ls", "holds ;"),
        ("cat ~/{}", "holds ~"),
        ("cat '{}", "cannot be read"),
        ("PASSWORD=s3cret cat {}", "sets a variable before its program"),
        ("", "wants a command"),
        ("{} x", "cannot be the program"),
        ("no-such-program {}", "cannot be started"),
    ],
)
def test_what_only_a_shell_understands_is_refused(command: str, message: str) -> None:
    with pytest.raises(FrameError, match=message) as caught:
        ShardStream(f"pipe:{command}", epochs=1)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("location", ["s3://bucket/x", "file:///etc", "ftp://host/x", "gs://me:s3cret@host/x"])
def test_an_address_of_another_kind_is_refused(location: str) -> None:
    with pytest.raises(FrameError, match="shards are read from a folder") as caught:
        ShardStream(location)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "location",
    ["http://me:s3cret@127.0.0.1:9/x", "http://127.0.0.1:9/{}?token=s3cret", "pipe:false --password s3cret {}"],
)
def test_no_message_holds_a_password(location: str) -> None:
    with pytest.raises(FrameError) as caught:
        ShardStream(location, epochs=1)
    assert "s3cret" not in str(caught.value)
    assert "shards.json" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index["shards"].append(index["shards"][0]),
        lambda index: index["shards"][0].update(size=10**30),
        lambda index: index["shards"][0].update(size="5000"),
        lambda index: index["shards"][0].update(size=True),
        lambda index: index["shards"][0]["samples"][0].update(key="../x"),
        lambda index: index["shards"][0]["samples"][0].update(name="x" * 2000),
        lambda index: index["shards"][0]["samples"][0].update(parts={}),
        lambda index: index["shards"][0]["samples"][0]["parts"].update({"../x": [0, 1, 2]}),
        lambda index: index["shards"][0]["samples"][0]["parts"].update(json=[-1, 5, 0]),
        lambda index: index["shards"][0]["samples"][0]["parts"].update(json=[0, 2**62, 0]),
        lambda index: index["shards"][0]["samples"][0]["parts"].update(json=[2**63 - 1, 2**63 - 1, 0]),
        lambda index: index.update(name=["x"]),
        lambda index: index.update(shards={"file": "x.tar"}),
    ],
)
def test_an_index_of_wrong_kinds_is_named(change: Any, packed: Path) -> None:
    _change(packed, change)
    with pytest.raises(FrameError, match=r"shards.json: this index of shards is damaged"):
        ShardFrames(packed)


@pytest.mark.parametrize("content", [b"[" * 200_000, b"\xff\xfe", b'{"format": 1e999}', b"9" * 10_000, b"null", b""])
def test_an_index_that_is_no_json_is_named(content: bytes, packed: Path) -> None:
    (packed / "shards.json").write_bytes(content)
    with pytest.raises(FrameError, match=r"shards.json: this index of shards is damaged"):
        ShardFrames(packed)


def test_an_index_and_a_part_beyond_the_limits_are_named(packed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPKT_ZOO_MAX_PART", "10")
    with pytest.raises(FrameError, match="PPKT_ZOO_MAX_PART"):
        ShardFrames(packed)[0]
    monkeypatch.setenv("PPKT_ZOO_MAX_TEXT", "100")
    for reading in (lambda: ShardFrames(packed), lambda: ShardStream(f"pipe:cat {packed}/{{}}")):
        with pytest.raises(FrameError, match="PPKT_ZOO_MAX_TEXT"):
            reading()


def test_a_pipe_in_place_of_a_shard_or_index_does_not_hang(packed: Path) -> None:
    shards = ShardFrames(packed)
    file = packed / shards.shards[0].file
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(FrameError, match="it is a named pipe"):
        shards[0]
    with pytest.raises(FrameError, match="it is a named pipe"):
        ShardFrames(packed)
    (packed / "shards.json").unlink()
    os.mkfifo(packed / "shards.json")
    with pytest.raises(FrameError, match="it is a named pipe"):
        ShardFrames(packed)


def test_a_shard_from_afar_that_is_longer_than_its_index_says_is_not_read_on(packed: Path) -> None:
    with open(packed / "shard-000000.tar", "ab") as file:
        file.write(bytes(100_000))
    with pytest.raises(FrameError, match=r"shard-000000.tar: this shard is longer than it should be"):
        list(ShardStream(f"pipe:cat {packed}/{{}}", epochs=1))


GOOD = {"name": "x", "intrinsics": np.eye(3).tolist(), "pose": None, "depth_scale": 1000}
WRONG: dict[str, Any] = {
    "nested": b"[" * 100_000,
    "digits": b'{"name": "x", "depth_scale": ' + b"9" * 5000 + b"}",
    "long": b'{"name": "' + b"x" * 100_000 + b'"}',
    "no object": b"[1, 2]",
    "text": b"\xff",
    "name": {**GOOD, "name": 3},
    "name missing": {"intrinsics": 1},
    "intrinsics text": {**GOOD, "intrinsics": "abc"},
    "intrinsics flat": {**GOOD, "intrinsics": [1] * 9},
    "intrinsics ragged": {**GOOD, "intrinsics": [[1, 0, 0], [0, 1], [0, 0, 1]]},
    "intrinsics booleans": {**GOOD, "intrinsics": [[True] * 3] * 3},
    "intrinsics texts": {**GOOD, "intrinsics": [["1"] * 3] * 3},
    "pose object": {**GOOD, "pose": {"a": 1}},
    "pose 3×3": {**GOOD, "pose": np.eye(3).tolist()},
    "pose huge": {**GOOD, "pose": [[10**300] * 4] * 4},
    "scale text": {**GOOD, "depth_scale": "x"},
    "scale zero": {**GOOD, "depth_scale": 0},
    "scale negative": {**GOOD, "depth_scale": -1000},
    "scale null": {**GOOD, "depth_scale": None},
    "scale true": {**GOOD, "depth_scale": True},
    "scale tiny": {**GOOD, "depth_scale": 1e-300},
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.filterwarnings("error")
def test_facts_of_wrong_kinds_are_named(case: str) -> None:
    _, parts = encode_sample(Tiny(), 0)
    wrong = WRONG[case]
    parts["json"] = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
    with pytest.raises(FrameError, match=r"^(here.json|frame x): "):
        decode_sample(parts, "here")


def test_labels_that_do_not_fit_are_named_not_wrapped(packed: Path) -> None:
    import io

    from PIL import Image

    _, parts = encode_sample(Tiny(), 0)
    file = io.BytesIO()
    Image.fromarray(np.full((4, 5), 40_000, np.uint16)).save(file, "PNG")
    with pytest.raises(FrameError, match=r"here.label.png: labels end at 32767, this one is 39999"):
        decode_sample({**parts, "label.png": file.getvalue()}, "here")


def test_flipped_bits_anywhere_in_a_shard_or_its_index_are_never_believed(packed: Path) -> None:
    """A frame comes as it was packed, or an error of ours names the file."""
    source, rng = Tiny(), np.random.default_rng(0)
    for file in sorted(path for path in packed.iterdir() if path.stat().st_size):  # the lock is empty
        good = file.read_bytes()
        for place in rng.integers(0, len(good), 60):
            damaged = bytearray(good)
            damaged[place] ^= 1 << int(rng.integers(8))
            file.write_bytes(damaged)
            caught: list[PPKTZooError] = []
            try:
                frames = ShardFrames(packed)
                same = [np.array_equal(frames[index].color, source[index].color) for index in range(len(frames))]
            except PPKTZooError as error:
                caught.append(error)
            assert all(str(packed) in str(error) for error in caught)
            assert caught or all(same)
        file.write_bytes(good)


@pytest.mark.parametrize(
    "change",
    [{"seen": "5"}, {"seen": -1}, {"seen": True}, {"workers": 0}, {"workers": 1.5}, {"shards": None}, {"more": 1}],
)
def test_a_saved_state_of_wrong_kinds_is_named(change: dict[str, Any], packed: Path) -> None:
    saved = {**ShardStream(packed).state(1).as_dict(), **change}
    with pytest.raises(FrameError, match="resume"):
        ShardStream(packed, resume=saved)
    with pytest.raises(FrameError, match="resume"):
        ShardStream(packed, resume={"seen": 1})


@pytest.mark.parametrize(
    "text",
    [
        '{"format":1,"name":"x","shards":[' + "{}," * 300_000 + "{}]}",
        '{"format":1,"name":"x","skipped":[' + "0," * 300_000 + "0]}",
        '{"format":1,"name":"x",' + ",".join(f'"{number}":0' for number in range(100_000)) + "}",
    ],
)
def test_an_index_of_a_million_faults_is_refused_at_the_first(text: str, packed: Path) -> None:
    """pydantic makes an error of each before it raises: minutes, and gigabytes, for a few megabytes."""
    (packed / "shards.json").write_text(text)
    began = time.process_time()
    with pytest.raises(FrameError, match=r"shards\.json: this (index of shards is damaged|is not whole JSON)|names in"):
        ShardFrames(packed)
    assert time.process_time() - began < 5


def test_an_index_that_names_something_twice_is_refused_and_one_with_a_mark_is_read(packed: Path) -> None:
    text = (packed / "shards.json").read_text()
    (packed / "shards.json").write_text("\ufeff" + text)
    assert len(ShardFrames(packed)) == len(list(ShardStream(str(packed), epochs=1))) == 3
    (packed / "shards.json").write_text(text.replace('"name"', '"name": "x", "name"', 1))
    with pytest.raises(FrameError, match="'name' stands twice"):
        ShardFrames(packed)
