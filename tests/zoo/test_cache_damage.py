"""What an editor, a copy or a kill can leave in the caches of the Hub and of a mirror: fetched again, or named."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ppkt_zoo.errors import InputError, PPKTZooError, WeightError
from ppkt_zoo.rooms import PartialScans, RoomScenes, RoomsFrames
from ppkt_zoo.zoo import mirror as room
from ppkt_zoo.zoo.load import load_backbone, open_weight, verify
from ppkt_zoo.zoo.local_cache import clear, list_kept
from ppkt_zoo.zoo.mirror import make_way, only_regular
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import REPO, REVISION

NAME = f"hf-hub:{REPO}@{REVISION}"
FILES = ("config.json", "model.safetensors", "golden.safetensors", "record.json")


@pytest.fixture(params=["hub", "mirror"])
def snapshot(request: pytest.FixtureRequest, hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the files of a fetched weight lie."""
    monkeypatch.setattr(room, "_TRIES", 2)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("PPKT_ZOO_CACHE", str(tmp_path / "own"))
    if request.param == "mirror":
        monkeypatch.setenv("PPKT_ZOO_MIRROR", f"{hub.endpoint}/mirror/")
    return open_weight(NAME).path


def _a_copy_cut_short(file: Path) -> None:
    data = file.read_bytes()
    file.unlink()
    file.write_bytes(data[:-10])


def _a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _a_blob_that_is_a_folder(file: Path) -> None:
    _a_folder(file.resolve())


def _a_pipe(file: Path) -> None:
    blob = file.resolve()
    blob.unlink()
    os.mkfifo(blob)


def _a_device(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def _a_link_to_itself(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def _a_link_to_nothing(file: Path) -> None:
    file.unlink()
    file.symlink_to("/nowhere/at/all")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(
    "damage",
    [
        _a_copy_cut_short,
        _a_folder,
        _a_blob_that_is_a_folder,
        _a_pipe,
        _a_device,
        _a_link_to_itself,
        _a_link_to_nothing,
    ],
)
@pytest.mark.parametrize("name", FILES)
def test_whatever_stands_in_the_place_of_a_file_is_fetched_again(
    snapshot: Path, name: str, damage: Callable[[Path], None]
) -> None:
    good = (snapshot / name).read_bytes()
    damage(snapshot / name)
    assert verify(NAME).ok
    assert (snapshot / name).read_bytes() == good


@pytest.mark.parametrize("name", FILES)
def test_a_folder_that_holds_something_is_named_and_kept(snapshot: Path, name: str) -> None:
    _a_folder(snapshot / name)
    (snapshot / name / "thesis.txt").write_text("mine")
    with pytest.raises(WeightError, match=rf"{name}: this stands where a file belongs .*: remove it"):
        load_backbone(NAME)
    assert (snapshot / name / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "change",
    [
        {"input_spec": {"voxel_size": 0.07}},
        {"levels": {"coarse": 8, "fine": 7}},
        {"levels": {"coarse": 8, "fjne": 6}},
        {"arguments": {"width": 9}},
        {"name": "tiny_net.tesu"},
    ],
)
def test_a_config_that_fits_itself_but_not_its_weight_is_fetched_again(
    snapshot: Path, change: dict[str, dict[str, object]]
) -> None:
    """No hash of it is known: what the tensors' own headers say is held against it."""
    config = (snapshot / "config.json").resolve()
    good = config.read_bytes()
    fields = json.loads(good)
    for key, value in change.items():
        fields[key] = {**fields[key], **value} if key == "input_spec" else value
    config.write_text(json.dumps(fields))
    assert open_weight(NAME).config.input_spec.voxel_size == 0.05
    assert config.read_bytes() == good


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "outside"])
def test_what_lies_where_a_download_begins_is_neither_waited_for_nor_written_through(
    snapshot: Path, tmp_path: Path, kind: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in FILES:
        file = snapshot / name
        blob = file.resolve()
        part = blob.with_name(f"{blob.name}.incomplete" if file.is_symlink() else f"{name}.part")
        blob.unlink()
        file.unlink(missing_ok=True)
        if kind == "folder":
            part.mkdir()
        elif kind == "pipe" and "mirror" in part.parts:
            os.mkfifo(part)
        elif kind == "loop":
            part.symlink_to(part.name)
        elif kind == "outside":
            part.symlink_to(victim)
    assert verify(NAME).ok
    assert victim.read_text() == "mine"


def test_locks_that_are_folders_are_told_or_passed_over(snapshot: Path) -> None:
    if "mirror" not in snapshot.parts:
        pytest.skip("the Hub's client keeps its own locks")
    for name in FILES:
        (snapshot / name).unlink()
        (snapshot / f"{name}.lock").unlink(missing_ok=True)
        (snapshot / f"{name}.lock").mkdir()
    assert verify(NAME).ok


def test_a_file_where_a_folder_belongs_is_named(snapshot: Path) -> None:
    shutil.rmtree(snapshot)
    snapshot.write_text("no folder")
    with pytest.raises(WeightError, match=rf"{REVISION}: File exists\): remove what is in the way"):
        load_backbone(NAME)


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right on Windows")
def test_a_cache_that_is_a_link_to_itself_is_named(tmp_path: Path, hub: HubServer) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(PPKTZooError, match="loop' is no usable folder of the Hub's cache"):
        load_backbone(NAME, cache_dir=loop)
    with pytest.raises(InputError, match="loop' is no usable folder of the Hub's cache"):
        list_kept(loop)


def test_what_others_left_in_the_shared_cache_hides_no_weight(hub: HubServer, tmp_path: Path) -> None:
    cache = tmp_path / "hf"
    snapshot = open_weight(NAME, cache_dir=cache).path
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_bytes(b"\xff\xfe no commit")
    (snapshot / "model.safetensors").resolve().unlink()
    (cache / "models--file").write_text("")
    (cache / "models--a--b" / "snapshots").mkdir(parents=True)
    (cache / "models--a--b" / "snapshots" / "x").write_text("")
    (cache / "stray").mkdir()
    kept = [one for one in list_kept(cache) if one.kind == "hub"]
    assert [one.name for one in kept] == [REPO]
    assert kept[0].size == sum(blob.stat().st_size for blob in (snapshot.parents[1] / "blobs").iterdir()) + 12
    clear(["hub"], cache)
    assert not snapshot.exists()
    assert (cache / "models--a--b").is_dir()


def test_only_what_is_in_the_way_is_removed(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("kept")
    only_regular(file)
    only_regular(tmp_path / "nothing")
    make_way(tmp_path / "nothing")
    link.symlink_to(file)
    only_regular(link)
    assert not link.is_symlink()
    assert file.read_text() == "kept"


def test_everything_that_rooms_leave_behind_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPKT_ZOO_CACHE", str(tmp_path))
    sources = (
        RoomScenes(1, 1, tmp_path),
        PartialScans(1, 1, 1, tmp_path),
        RoomsFrames(1, 1, 1, cache=tmp_path / "rooms"),
    )
    for source in sources:
        assert source.folder is not None
        source.folder.mkdir(parents=True)
        (source.folder / "one.npz").write_bytes(b"x" * 7)
    (tmp_path / "notes").mkdir()
    kept = [one for one in list_kept(tmp_path / "no hub") if one.kind == "rooms"]
    assert sum(one.size for one in kept) == 3 * 7
    clear(["rooms"], tmp_path / "no hub")
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]
