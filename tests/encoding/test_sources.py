"""What files are meant: content decides, names of outputs mirror, nothing is passed over without a word."""

import os
from pathlib import Path

import pytest

from ppkt_zoo.encoding.own_outputs import MADE_BY, MARK
from ppkt_zoo.encoding.sources import find_sources
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.cloud_writers import write_arrays
from tests.encoding.clouds import cloud, tree


def names(*given: Path | str, out: Path, **more: Path) -> list[str]:
    return [one.name for one in find_sources(given, out, **more).sources]


def frames(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("a.color.png", "a.depth.png"):
        (folder / name).touch()
    return folder


def test_a_folder_is_looked_through_in_natural_order_and_its_own_names_are_kept(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    tree(scans, "s10.ply", "s9.npz", "b/s1.ply", "a/s1.ply", "a/deep/s1.PLY", "t.xyz")
    found = find_sources([scans], tmp_path / "out")
    assert [one.name for one in found.sources] == ["s9", "s10", "t", "a/s1", "a/deep/s1", "b/s1"]
    assert found.base == scans
    assert found.remarks == (f"{scans}: 6 point files (s9.npz, s10.ply, t.xyz, …), each a source of its own",)


def test_what_is_no_cloud_is_passed_over_and_told(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    tree(scans, "a.ply", "numbers.txt")
    for name, text in {
        "readme.txt": "Scans of a room.\n1 2\n",
        "poses.csv": "frame,scan\n1,a\n",
        "photo.jpg": "",
        "empty.txt": "",
        ".hidden.ply": "",
        "._a.ply": "",
    }.items():
        (scans / name).write_text(text)
    (scans / ".git").mkdir()
    cloud(scans / ".git" / "x.ply")
    found = find_sources([scans], tmp_path / "out")
    assert [one.name for one in found.sources] == ["a", "numbers"]
    assert "passed over: 4 files of other kinds (empty.txt, photo.jpg, poses.csv, …)" in found.remarks[0]


def test_frames_are_one_source_and_a_mixture_is_refused_with_the_mend(tmp_path: Path) -> None:
    kitchen = frames(tmp_path / "kitchen")
    (only,) = find_sources([kitchen], tmp_path / "out").sources
    assert (only.name, only.frames) == ("kitchen", True)
    cloud(kitchen / "mesh.ply")
    with pytest.raises(
        InputError, match=r"kitchen holds RGB-D frames \(plain .*1 point file \(mesh.ply\).*kitchen/\*.p"
    ):
        find_sources([kitchen], tmp_path / "out")
    assert names(kitchen / "*.ply", out=tmp_path / "out") == ["mesh"]
    house = tmp_path / "house"
    tree(house, "a.ply")
    frames(house / "hall")
    with pytest.raises(InputError, match=r"1 point file \(a.ply\) and folders of RGB-D frames \(hall\)"):
        find_sources([house], tmp_path / "out")
    (house / "a.ply").unlink()
    with pytest.raises(InputError, match=r"folders of RGB-D frames \(hall\) and no point files: .*house/\*"):
        find_sources([house], tmp_path / "out")
    frames(house / "room.v2")
    assert names(house / "*", out=tmp_path / "out") == ["hall", "room.v2"]


def test_clouds_that_are_called_color_are_no_frames(tmp_path: Path) -> None:
    tree(tmp_path / "scans", "a.color.ply")
    assert names(tmp_path / "scans", out=tmp_path / "out") == ["a.color"]


def test_several_sources_are_named_from_the_folder_that_they_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "x/1/a.ply", "x/2/a.ply", "y/a.ply")
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    assert names("x/1/a.ply", "x/2/a.ply", out=out) == ["1/a", "2/a"]
    assert names("x/*/*.ply", out=out) == ["1/a", "2/a"]
    assert names("x", "y", out=out) == ["x/1/a", "x/2/a", "y/a"]
    assert names("**/*.ply", out=out) == ["x/1/a", "x/2/a", "y/a"]
    assert names("x/1/a.ply", out=out) == ["a"]
    assert names("x/1/a.ply", out=out, base=Path(".")) == ["x/1/a"]
    with pytest.raises(InputError, match="does not lie below"):
        names("x/1/a.ply", out=out, base=Path("y"))


def test_a_list_has_a_path_on_each_line_from_its_own_folder(tmp_path: Path) -> None:
    tree(tmp_path, "data/x/a.ply", "data/b.ply", "c.ply")
    listed = tmp_path / "data" / "train.txt"
    listed.write_text(f"# of today\nx/a.ply\n\n  b.ply  \r\n{tmp_path / 'data' / 'gone.ply'}\n")
    assert names(out=tmp_path / "out", listed=listed) == ["x/a", "b", "gone"], "a file that is gone fails by itself"
    assert names(tmp_path / "c.ply", out=tmp_path / "out", listed=listed) == ["c", "data/x/a", "data/b", "data/gone"]
    listed.write_text("# nothing\n")
    with pytest.raises(InputError, match="this list is empty"):
        names(out=tmp_path / "out", listed=listed)
    listed.write_bytes(b"a\0b\n")
    with pytest.raises(InputError, match="NUL"):
        names(out=tmp_path / "out", listed=listed)


def test_what_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: give point files"):
        names(tmp_path / "a.ply", out=tmp_path / "out")
    with pytest.raises(InputError, match="no file of such a name"):
        names(tmp_path / "*.ply", out=tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="neither RGB-D frames nor point files here or below"):
        names(tmp_path / "empty", out=tmp_path / "out")
    with pytest.raises(InputError, match="nothing to encode"):
        names(out=tmp_path / "out")


def test_a_name_with_brackets_is_a_file_and_no_pattern(tmp_path: Path) -> None:
    tree(tmp_path, "a[1].ply", "a1.ply")
    assert names(tmp_path / "a[1].ply", out=tmp_path / "out") == ["a[1]"]


def test_the_same_file_is_one_source_however_often_it_is_given(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    tree(scans, "a.ply", "b.ply")
    (scans / "link.ply").symlink_to(scans / "a.ply")
    found = find_sources([scans, scans / "b.ply", scans / ".." / "scans" / "a.ply"], tmp_path / "out")
    assert [one.path.name for one in found.sources] == ["a.ply", "b.ply"]
    assert [Path(one).name for one, _ in found.duplicates] == ["link.ply", "b.ply", "a.ply"]


def test_loops_of_links_end(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    tree(scans, "a.ply", "deep/b.ply")
    (scans / "deep" / "up").symlink_to(scans)
    (scans / "itself.ply").symlink_to(scans / "itself.ply")
    found = find_sources([scans], tmp_path / "out")
    assert [one.name for one in found.sources] == ["a", "itself", "deep/b"]
    assert "what links lead to once more (deep/up)" in found.remarks[0]


def test_equal_names_of_outputs_are_refused(tmp_path: Path) -> None:
    tree(tmp_path / "scans", "a.ply", "a.npz")
    with pytest.raises(InputError, match=r"a.npz and .*a.ply would both be written to .*out/a"):
        names(tmp_path / "scans", out=tmp_path / "out")


def test_outputs_are_no_sources(tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "scans" / "out"
    tree(scans, "a.ply", "out/stray.ply")
    found = find_sources([scans], out)
    assert [one.name for one in found.sources] == ["a"]
    assert "the folder of outputs" in found.remarks[0]
    arrays = dict(zip(("xyz", "rgb"), read_cloud(scans / "a.ply")[:2], strict=True))
    for name in ("before/a.npz", "before/deep/b.ply"):
        (scans / name).parent.mkdir(parents=True)
        write_arrays(scans / name, arrays, {"made_by": MADE_BY})
    (scans / "before" / MARK).write_text("{}")
    (scans / "before" / "cut.npz").write_bytes((scans / "before" / "a.npz").read_bytes()[:500])
    cloud(scans / "before" / "own.npz")
    found = find_sources([scans], out)
    assert [one.name for one in found.sources] == ["a", "before/own"], "what someone laid beside outputs is a source"
    assert "3 outputs of earlier runs passed over" in found.remarks
    with pytest.raises(InputError, match="all that was given are outputs"):
        names(scans / "before" / "a.npz", out=out)
    with pytest.raises(InputError, match="the folder of outputs too"):
        names(scans, out=scans)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    tree(tmp_path / "scans", "deep/a.ply")
    (tmp_path / "scans" / "deep").chmod(0)
    try:
        with pytest.raises(InputError, match=r"deep.*cannot be read"):
            names(tmp_path / "scans", out=tmp_path / "out")
    finally:
        (tmp_path / "scans" / "deep").chmod(0o700)
