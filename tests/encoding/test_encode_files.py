"""Many clouds → one output each: right, resumed, refused, remade, and whole at all times."""

import errno
import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppkt_zoo
from ppkt_zoo.encoding import encoder as encoder_module
from ppkt_zoo.encoding.results import FileResult, merge_lists
from ppkt_zoo.encoding.run import Share
from ppkt_zoo.encoding.sources import Source
from ppkt_zoo.errors import InputError, MissingLibraryError, UnknownNameError
from ppkt_zoo.files import writing
from ppkt_zoo.files.locks import sole_writer
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from tests.encoding.clouds import cloud, names_below, read_with_a_fault, read_without_colors, tree
from tests.support.small_weight import make_folder


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_folder(tmp_path_factory.mktemp("weights") / "small")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    tree(tmp_path / "scans", "a.ply", "b.npz", "deep/a.ply")
    return tmp_path / "scans"


def of(found: ppkt_zoo.encoding.results.EncodedFiles) -> dict[str, str]:
    return {Path(one.output).stem + ("*" if "deep" in one.output else ""): one.status for one in found.files}


def test_every_cloud_gets_the_features_that_encode_gives(scans: Path, tmp_path: Path, weight: str) -> None:
    told: list[tuple[int, int]] = []
    out = tmp_path / "out"
    found = ppkt_zoo.encode_files(scans, out, weight=weight, report=lambda _, done, total: told.append((done, total)))
    assert found.counts == {"written": 3, "skipped": 0, "failed": 0, "left": 0}
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert names_below(out) == ["a.npz", "b.npz", "deep/a.npz", "encode.json", "files.json"]
    backbone = ppkt_zoo.load_backbone(weight)
    for name, file in (("a", "a.ply"), ("b", "b.npz"), ("deep/a", "deep/a.ply")):
        xyz, rgb, _ = read_cloud(scans / file)
        with np.load(out / f"{name}.npz") as arrays:
            assert set(arrays) == {"xyz", "rgb", "features"}
            np.testing.assert_array_equal(arrays["xyz"], xyz)
            np.testing.assert_array_equal(arrays["rgb"], rgb)
            np.testing.assert_allclose(arrays["features"], backbone.encode(xyz, rgb), atol=1e-5)


@pytest.mark.parametrize("ending", ["ply", "parquet", "zarr"])
def test_other_formats_are_written_and_resumed(scans: Path, tmp_path: Path, weight: str, ending: Any) -> None:
    if ending != "ply":
        pytest.importorskip({"parquet": "pyarrow", "zarr": "zarr"}[ending])
    for status in ("written", "skipped"):
        found = ppkt_zoo.encode_files(scans / "deep", tmp_path / "out", weight=weight, format=ending)
        assert of(found) == {"a": status}
    assert (tmp_path / "out" / f"a.{ending}").exists()


def test_options_of_features_are_those_of_encode(scans: Path, tmp_path: Path, weight: str) -> None:
    ppkt_zoo.encode_files(
        scans / "a.ply", tmp_path / "out", weight=weight, levels="all", half=True, tile="auto", views=2
    )
    with np.load(tmp_path / "out" / "a.npz") as arrays:
        expected = ppkt_zoo.load_backbone(weight).encode(arrays["xyz"], arrays["rgb"], levels="all", views=2)
        assert set(arrays) == {"xyz", "rgb", "features", *(f"features.{level}" for level in expected)}
        assert arrays["features.stride16"].dtype == np.float16
        np.testing.assert_allclose(arrays["features.stride16"], expected["stride16"], atol=1e-2)


def test_the_same_call_makes_only_what_is_missing_or_not_whole(scans: Path, tmp_path: Path, weight: str) -> None:
    out = tmp_path / "out"
    encode = functools.partial(ppkt_zoo.encode_files, scans, out, weight=weight)
    encode()
    times = {name: (out / name).stat().st_mtime_ns for name in ("a.npz", "b.npz", "deep/a.npz")}
    assert set(of(encode()).values()) == {"skipped"}
    (out / "a.npz").unlink()
    (out / "b.npz").write_bytes((out / "b.npz").read_bytes()[:-9])
    (out / ".a.npz.0123abcd.part").touch()
    cloud(scans / "new.ply")
    assert of(encode()) == {"a": "written", "b": "written", "a*": "skipped", "new": "written"}
    assert (out / "deep" / "a.npz").stat().st_mtime_ns == times["deep/a.npz"]
    assert not [one for one in names_below(out) if "part" in one or "lock" in one], "what a kill left is swept"


def test_a_copied_or_touched_source_is_the_same_and_a_changed_one_is_refused_or_made_again(
    scans: Path, tmp_path: Path, weight: str
) -> None:
    encode = functools.partial(ppkt_zoo.encode_files, scans, tmp_path / "out", weight=weight)
    encode()
    os.utime(scans / "a.ply", (1, 1))
    assert of(encode())["a"] == "skipped"
    cloud(scans / "a.ply", seed=99)
    changed = encode()
    assert of(changed) == {"a": "failed", "b": "skipped", "a*": "skipped"}
    assert "made of other content" in str(changed.of("failed")[0].error)
    assert "--overwrite" in str(changed.of("failed")[0].error)
    assert of(encode(overwrite=True)) == {"a": "written", "b": "skipped", "a*": "skipped"}
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "a.npz")["xyz"], read_cloud(scans / "a.ply").xyz)


def test_outputs_of_another_making_are_refused_before_anything_is_done(
    scans: Path, tmp_path: Path, weight: str
) -> None:
    out = tmp_path / "out"
    ppkt_zoo.encode_files(scans, out, weight=weight)
    before = {name: (out / name).stat().st_mtime_ns for name in names_below(out)}
    other = make_folder(tmp_path / "other")
    for changed, told in (
        ({"levels": "stride4"}, "options levels: last then, stride4 now"),
        ({"read": read_without_colors}, "read_without_colors now"),
        ({"half": True}, "options half: False then, True now"),
        ({"format": "ply"}, "ending: .npz then, .ply now"),
    ):
        with pytest.raises(InputError, match=f"made otherwise.*{told}.*--overwrite"):
            ppkt_zoo.encode_files(scans, out, **{"weight": weight, **changed})  # type: ignore[arg-type]
    assert of(ppkt_zoo.encode_files(scans, out, weight=other)) == {"a": "skipped", "b": "skipped", "a*": "skipped"}, (
        "a weight is its tensors, not its place"
    )
    assert {name: (out / name).stat().st_mtime_ns for name in before if name.endswith("npz")} == {
        name: time for name, time in before.items() if name.endswith("npz")
    }
    again = ppkt_zoo.encode_files(scans, out, weight=weight, levels="stride4", overwrite=True)
    assert again.counts["written"] == 3
    assert np.load(out / "a.npz")["features"].shape[1] == ppkt_zoo.load_backbone(weight).level_channels["stride4"]
    assert ppkt_zoo.encode_files(scans, out, weight=weight, levels="stride4").counts["skipped"] == 3


def test_a_level_that_is_not_there_is_no_making(scans: Path, tmp_path: Path, weight: str) -> None:
    for wrong in ({"levels": "stride3"}, {"readout": "similarity"}, {"views": 0}):
        with pytest.raises(InputError):
            ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight, **wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    assert ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight).counts["written"] == 3


def test_a_file_that_somebody_laid_there_is_not_replaced(scans: Path, tmp_path: Path, weight: str) -> None:
    mine = cloud(tmp_path / "out" / "a.npz")
    content = mine.read_bytes()
    found = ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight)
    assert of(found) == {"a": "failed", "b": "written", "a*": "written"}
    assert "something else stands there" in str(found.of("failed")[0].error)
    assert mine.read_bytes() == content
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "encode.json").write_text('{"learning": "none"}')
    with pytest.raises(InputError, match="something else than ppkt-zoo wrote this file"):
        ppkt_zoo.encode_files(scans, tmp_path / "kept", weight=weight)


def test_bad_files_are_listed_and_the_others_go_on(tmp_path: Path, weight: str) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    tree(scans, "good.ply", "Räume & <b>.ply")
    (scans / "text.ply").write_text("no cloud")
    (scans / "empty.npz").touch()
    (scans / "itself.pcd").symlink_to(scans / "itself.pcd")
    os.mkfifo(scans / "pipe.ply")
    write_cloud(scans / "flat.ply", np.full((3, 3), np.nan, np.float32))
    found = ppkt_zoo.encode_files(scans, out, weight=weight)
    wrong = {Path(one.source).name: str(one.error) for one in found.of("failed")}
    assert set(wrong) == {"text.ply", "empty.npz", "itself.pcd", "pipe.ply", "flat.ply"}
    for name, told in {
        "text.ply": "not a .ply file",
        "empty.npz": "the file is empty",
        "itself.pcd": "cannot be read",
        "pipe.ply": "named pipe",
        "flat.ply": "no point with a finite position",
    }.items():
        assert told in wrong[name]
        assert str(scans / name) in wrong[name]
        assert "\n" not in wrong[name]
    assert names_below(out) == ["Räume & <b>.npz", "encode.json", "files.json", "good.npz"]
    listed = json.loads((out / "files.json").read_text(encoding="utf-8"))
    assert listed["counts"] == {"written": 2, "skipped": 0, "failed": 5, "left": 0}
    assert [FileResult(**{**row, "notes": (), "warnings": ()}).status for row in listed["files"]].count("failed") == 5
    assert {row["error"] for row in listed["files"]} == {*wrong.values(), None}


def test_a_file_that_disappears_or_changes_meanwhile_fails_alone(
    scans: Path, tmp_path: Path, weight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(result: FileResult, done: int, total: int) -> None:
        if done == 1:
            (scans / "b.npz").unlink()

    original = encoder_module.features_of

    def growing(*arguments: Any) -> Any:
        if len(arguments[1]) == 61:
            with open(scans / "deep" / "a.ply", "ab") as file:
                file.write(b" ")
        return original(*arguments)

    cloud(scans / "deep" / "a.ply", points=61)
    monkeypatch.setattr(encoder_module, "features_of", growing)
    found = ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight, report=tell)
    assert of(found) == {"a": "written", "b": "failed", "a*": "failed"}
    missing, changed = (str(one.error) for one in found.of("failed"))
    assert "this file is missing" in missing
    assert "changed while it was read" in changed


def test_warnings_and_notes_of_each_file_are_kept(tmp_path: Path, weight: str) -> None:
    xyz = np.random.default_rng(0).uniform(0, 3, (50, 3))
    write_cloud(tmp_path / "black.ply", xyz.astype(np.float32), np.zeros((50, 3), np.uint8))
    read = functools.partial(ppkt_zoo.load_cloud, unit="cm")
    found = ppkt_zoo.encode_files(tmp_path / "black.ply", tmp_path / "out", weight=weight, read=read)
    (only,) = found.files
    assert any("all colours are 0" in one for one in only.warnings)
    assert any("centimetre" in one for one in only.notes)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_ends_the_run_and_the_same_call_goes_on(
    scans: Path, tmp_path: Path, weight: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    original, written = os.replace, []

    def replace(source: Any, target: Any) -> None:
        if str(target).endswith(".npz"):
            written.append(target)
            if len(written) > 1:
                raise OSError(number, os.strerror(number))
        original(source, target)

    monkeypatch.setattr(writing.os, "replace", replace)
    with pytest.raises(InputError, match=f"cannot be written.*{os.strerror(number)}"):
        ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight)
    monkeypatch.undo()
    assert names_below(tmp_path / "out") == ["a.npz", "encode.json", "files.json"]
    counts = json.loads((tmp_path / "out" / "files.json").read_text())["counts"]
    assert counts == {"written": 1, "skipped": 0, "failed": 0, "left": 2}
    assert ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight).counts["written"] == 2


def test_a_name_that_is_too_long_for_an_output_fails_alone(tmp_path: Path, weight: str) -> None:
    scans = tmp_path / "scans"
    tree(scans, "a.ply", "b.ply")
    (scans / "b.ply").rename(scans / f"{'x' * 250}.ply")
    found = ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight)
    assert found.counts["written"] == 1
    assert "File name too long" in str(found.of("failed")[0].error)


def test_stopping_in_the_middle_leaves_whole_files_and_a_list(scans: Path, tmp_path: Path, weight: str) -> None:
    def stop(result: FileResult, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight, report=stop)
    assert names_below(tmp_path / "out") == ["a.npz", "b.npz", "encode.json", "files.json"]
    assert json.loads((tmp_path / "out" / "files.json").read_text())["counts"]["left"] == 1
    assert ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight).counts == {
        "written": 1, "skipped": 2, "failed": 0, "left": 0
    }  # fmt: skip


def test_what_another_process_is_at_work_on_comes_last(scans: Path, tmp_path: Path, weight: str) -> None:
    held = sole_writer(tmp_path / "out" / "a.npz", InputError)
    held.__enter__()
    order: list[str] = []

    def tell(result: FileResult, done: int, total: int) -> None:
        order.append(Path(result.source).relative_to(scans).as_posix())
        if done == 2:
            held.__exit__(None, None, None)

    found = ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight, report=tell)
    assert order == ["b.npz", "deep/a.ply", "a.ply"]
    assert found.counts["written"] == 3


def test_ranks_begin_with_their_own_share_help_each_other_and_their_lists_are_joined(
    scans: Path, tmp_path: Path, weight: str
) -> None:
    sources = [Source(Path(str(number)), str(number)) for number in range(7)]
    orders = [[int(one.name) for one in Share(rank, 3).order(sources)] for rank in range(3)]
    assert orders == [[0, 3, 6, 1, 4, 2, 5], [1, 4, 2, 5, 0, 3, 6], [2, 5, 0, 3, 6, 1, 4]]
    out = tmp_path / "out"
    (scans / "bad.ply").write_text("no")
    second = ppkt_zoo.encode_files(scans, out, weight=weight, rank=1, ranks=2)
    assert second.counts == {"written": 3, "skipped": 0, "failed": 1, "left": 0}
    first = ppkt_zoo.encode_files(scans, out, weight=weight, rank=0, ranks=2)
    assert first.counts == {"written": 0, "skipped": 3, "failed": 1, "left": 0}
    assert [one for one in names_below(out) if one.startswith("files")] == ["files.0-of-2.json", "files.1-of-2.json"]
    joined = merge_lists(out, 2)
    assert joined.counts == {"written": 3, "skipped": 0, "failed": 1, "left": 0}
    assert [one for one in names_below(out) if one.startswith("files")] == ["files.json"]
    assert [one.source for one in joined.files] == [one.source for one in first.files]


def test_frames_are_encoded_by_what_reads_them_and_resumed(tmp_path: Path, weight: str) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("a.color.png", "a.depth.png"):
        (folder / name).write_bytes(b"1")
    xyz = np.random.default_rng(0).uniform(0, 2, (50, 3)).astype(np.float32)
    read = functools.partial(_read_as, xyz=xyz)
    encode = functools.partial(ppkt_zoo.encode_files, folder, tmp_path / "out", weight=weight, read=read)
    assert of(encode()) == {"frames": "written"}
    assert of(encode()) == {"frames": "skipped"}
    (folder / "a.depth.png").write_bytes(b"2")
    assert of(encode()) == {"frames": "failed"}
    with pytest.raises(InputError, match="frames holds RGB-D frames, and load_cloud reads files: give a function"):
        ppkt_zoo.encode_files(folder, tmp_path / "other", weight=weight)


def _read_as(path: Path, xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return xyz, np.full(xyz.shape, 100, np.uint8)


def test_a_fault_of_the_code_is_not_taken_for_a_bad_file(scans: Path, tmp_path: Path, weight: str) -> None:
    with pytest.raises(ZeroDivisionError):
        ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight, read=read_with_a_fault)


def test_an_output_would_never_replace_a_source(tmp_path: Path, weight: str) -> None:
    tree(tmp_path, "scans/x.npz", "scans/deep/scans/x.npz")
    with pytest.raises(InputError, match="would replace the source"):
        ppkt_zoo.encode_files(
            [tmp_path / "scans" / "deep" / "scans" / "x.npz", tmp_path / "scans" / "x.npz"],
            tmp_path,
            weight=weight,
            base=tmp_path,
        )


def test_arguments_that_cannot_be_are_told_before_any_work(scans: Path, tmp_path: Path, weight: str) -> None:
    encode = functools.partial(ppkt_zoo.encode_files, scans, tmp_path / "out", weight=weight)
    for wrong, told in (
        ({"format": "pcd"}, "there is no format 'pcd'"),
        ({"format": "ply", "half": True}, "no 16-bit floats"),
        ({"workers": 0}, "workers must be 1 to"),
        ({"rank": 2, "ranks": 2}, "rank 2 of 2"),
        ({"device": "abacus"}, "not a torch device"),
    ):
        with pytest.raises(InputError, match=told):
            encode(**wrong)
    with pytest.raises(UnknownNameError):
        ppkt_zoo.encode_files(scans, tmp_path / "out", weight="no_such.weight")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is no folder"):
        ppkt_zoo.encode_files(scans, tmp_path / "file", weight=weight)
    assert not (tmp_path / "out").exists()


def test_a_format_without_its_library_is_told_before_any_work(
    scans: Path, tmp_path: Path, weight: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ppkt_zoo.files import optional

    def absent(name: str) -> Any:
        raise ModuleNotFoundError(name="pyarrow")

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(MissingLibraryError, match=r"ppkt-zoo\[parquet\]"):
        ppkt_zoo.encode_files(scans, tmp_path / "out", weight=weight, format="parquet")
    assert not (tmp_path / "out").exists()
