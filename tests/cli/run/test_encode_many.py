"""``encode`` with several sources: what is one and what are many, options, what is said, and several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ppkt_zoo
from ppkt_zoo.cli.run.which_sources import are_many
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from tests.data.frame_folders import looking, render, save_color, save_depth
from tests.encoding.clouds import cloud, names_below, tree
from tests.support.commands import answer, run
from tests.support.small_weight import make_folder

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def weight(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_folder(tmp_path_factory.mktemp("weights") / "small")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    tree(tmp_path / "scans", "a.ply", "deep/a.npz")
    return tmp_path / "scans"


def frames(folder: Path) -> Path:
    """One RGB-D frame of a box, with its intrinsics."""
    folder.mkdir(parents=True)
    camera = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])
    pose = looking((0.0, 0.2, 1.4), 0.0, -20.0)
    color, depth = render(pose, camera, (48, 64))
    save_color(folder / "a.color.png", color)
    save_depth(folder / "a.depth.png", np.where(np.isfinite(depth), depth, 0))
    np.savetxt(folder / "a.pose.txt", pose)
    return folder


CAMERA = ("--intrinsics", "60,60,32,24")


def test_content_decides_what_is_one_source_and_what_are_many(scans: Path, tmp_path: Path) -> None:
    kitchen, file, out = frames(tmp_path / "kitchen"), scans / "a.ply", Path("out.npz")
    assert not are_many([file], None, None, False)
    assert not are_many([file], None, out, False)
    assert not are_many([kitchen], None, out, False)
    assert not are_many([tmp_path / "nothing.ply"], None, out, False)
    (tmp_path / "empty").mkdir()
    assert not are_many([tmp_path / "empty"], None, out, False)
    assert are_many([scans], None, None, False)
    assert are_many([file, kitchen], None, None, False)
    assert are_many([file], None, Path("folder"), False), "whatever is written into a folder"
    assert are_many([file], None, out, True)
    assert are_many([], tmp_path / "list.txt", None, False)
    assert are_many([scans / "*.ply"], None, None, False)
    (scans / "b[1].ply").touch()
    assert not are_many([scans / "b[1].ply"], None, None, False)


def test_a_folder_a_list_and_patterns(scans: Path, tmp_path: Path, weight: str) -> None:
    done = run("encode", scans, "-w", weight, "-o", tmp_path / "one")
    outputs = [str(tmp_path / "one" / name) for name in ("files.json", "a.npz", "deep/a.npz")]
    assert done.stdout.splitlines() == outputs, "results alone are on standard output"
    assert f"sources: {scans}: 2 point files (a.ply, a.npz), each a source of its own" in done.stderr
    assert "encoded: 2 written; " in done.stderr
    again = run("encode", scans, "-w", weight, "-o", tmp_path / "one")
    assert again.stdout.splitlines() == outputs[:1]
    assert "encoded: 2 skipped; " in again.stderr
    (tmp_path / "list.txt").write_text("scans/a.ply\nscans/deep/a.npz\n")
    run("encode", "--list", tmp_path / "list.txt", "-w", weight, "-o", tmp_path / "two", "--half", "--workers", 1)
    assert names_below(tmp_path / "two") == ["encode.json", "files.json", "scans/a.npz", "scans/deep/a.npz"]
    assert np.load(tmp_path / "two" / "scans" / "a.npz")["features"].dtype == np.float16
    run("encode", f"{scans}/**/*.*", "-w", weight, "-o", tmp_path / "three", "--format", "ply", "--base", tmp_path)
    assert names_below(tmp_path / "three")[2:] == ["scans/a.ply", "scans/deep/a.ply"]


def test_bad_files_are_counted_and_listed_and_the_exit_code_says_so(scans: Path, tmp_path: Path, weight: str) -> None:
    for number in range(25):
        (scans / f"bad{number}.ply").write_text("no")
    words = ("encode", scans, "-w", weight, "-o", tmp_path / "out")
    done = run(*words, code=2)
    assert "encoded: 2 written, 25 failed; " in done.stderr
    lines = done.stderr.splitlines()
    assert sum(line.startswith("failed: ") for line in lines) == 21
    assert lines[-1] == f"failed: and 5 more: {tmp_path / 'out' / 'files.json'} lists them all"
    found = answer(*words, code=2)
    assert (found.written, found.skipped, len(found.failed)) == (0, 2, 25)
    assert str(found.out) == str(tmp_path / "out")
    assert str(found.failed[0].source) == str(scans / "bad0.ply")
    assert json.loads(Path(found.list).read_text())["counts"]["failed"] == 25


def test_options_count_for_each_source(scans: Path, tmp_path: Path, weight: str) -> None:
    run("encode", scans, "-w", weight, "-o", tmp_path / "out", "--up", "y", "--unit", "cm", "--levels", "all")
    arrays = np.load(tmp_path / "out" / "a.npz")
    expected = ppkt_zoo.load_cloud(scans / "a.ply", unit="cm", up="y").xyz
    np.testing.assert_array_equal(arrays["xyz"], expected)
    assert "features.stride16" in arrays
    kept = json.loads((tmp_path / "out" / "encode.json").read_text())["options"]["read"]
    assert (kept["unit"], kept["up"]) == ("cm", "y")
    row = json.loads((tmp_path / "out" / "files.json").read_text())["files"][0]
    assert any("centimetre" in note for note in row["notes"]), "what was done to a file is told"
    assert (
        "made otherwise (options read unit: cm then, None now"
        in run("encode", scans, "-w", weight, "-o", tmp_path / "out", "--up", "y", "--levels", "all", code=2).stderr
    )
    run("encode", scans, "-w", weight, "-o", tmp_path / "out", "--overwrite")
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "a.npz")["xyz"], read_cloud(scans / "a.ply").xyz)


def test_frames_and_files_together_each_with_the_options_that_are_for_it(
    scans: Path, tmp_path: Path, weight: str
) -> None:
    kitchen = frames(tmp_path / "kitchen")
    run("encode", kitchen, scans / "a.ply", "-w", weight, "-o", tmp_path / "out", *CAMERA, "--unit", "m")
    assert names_below(tmp_path / "out") == ["encode.json", "files.json", "kitchen.npz", "scans/a.npz"]
    run("encode", kitchen, "-w", weight, "-o", tmp_path / "alone.npz", *CAMERA)
    ours, theirs = (np.load(tmp_path / name)["features"] for name in ("out/kitchen.npz", "alone.npz"))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_folder_of_frames_is_one_source_as_ever_and_what_lies_beside_them_is_told(
    tmp_path: Path, weight: str
) -> None:
    kitchen = frames(tmp_path / "kitchen")
    cloud(kitchen / "mesh.ply")
    done = run("encode", kitchen, "-w", weight, "-o", tmp_path / "f.npz", *CAMERA)
    assert "holds RGB-D frames and a point file: the frames are encoded, as one cloud" in done.stderr
    assert f"'{kitchen}/*.ply' and --out FOLDER" in done.stderr
    told = run("encode", kitchen, "-w", weight, "-o", tmp_path / "out", *CAMERA, code=2).stderr
    assert "say which are meant" in told


def test_what_does_not_go_with_several_sources_is_told(scans: Path, tmp_path: Path, weight: str) -> None:
    words = ("encode", scans, "-w", weight)
    assert "give it by --out" in run(*words, code=2).stderr
    assert "is a file's name: give a folder" in run(*words, "-o", tmp_path / "a.npz", code=2).stderr
    out = ("-o", tmp_path / "out")
    for option in (("-p", tmp_path / "a.png"), ("--html", tmp_path / "a.html"), ("--basis", "own")):
        assert "cannot go with several sources" in run(*words, *out, *option, code=2).stderr
    told = run(*words, *out, "--every", 2, "--depth-scale", 1000, code=2).stderr
    assert "--every, --depth-scale: for RGB-D frames, and no source is such" in told
    assert "no 16-bit floats" in run(*words, *out, "--half", "--format", "ply", code=2).stderr
    assert "--list FILE" in run("encode", "-w", weight, *out, code=2).stderr
    assert not (tmp_path / "out").exists()


def test_warnings_are_told_and_stand_in_json(tmp_path: Path, weight: str) -> None:
    xyz = np.random.default_rng(0).uniform(0, (3, 3, 0.2), (50, 3)).astype(np.float32)
    for number in range(5):
        (tmp_path / "scans").mkdir(exist_ok=True)
        write_cloud(tmp_path / "scans" / f"{number}.ply", xyz, np.zeros((50, 3), np.uint8))
    done = run("encode", tmp_path / "scans", "-w", weight, "-o", tmp_path / "out", "--json")
    told = json.loads(done.stdout)["warnings"]
    assert len(told) == 4
    assert "all colours are 0" in told[0]
    assert told[3] == "2 more warnings, 5 of 5 sources in all"


def test_one_file_is_written_as_a_table_or_a_group_too(scans: Path, tmp_path: Path, weight: str) -> None:
    parquet, zarr = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("zarr")
    for _ in range(2):  # the second time in place of the first
        run("encode", scans / "a.ply", "-w", weight, "-o", tmp_path / "a.parquet", "--half")
        run("encode", scans / "a.ply", "-w", weight, "-o", tmp_path / "a.zarr")
    assert parquet.read_schema(tmp_path / "a.parquet").names[-1] == "features"
    assert zarr.open_group(str(tmp_path / "a.zarr"), mode="r")["features"].shape == (60, 64)


def test_backbones_of_ones_own_are_known_to_all_processes(
    scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ppkt_zoo.cli.run import user_modules
    from ppkt_zoo.zoo import registry

    monkeypatch.setattr(user_modules, "_imported", [])
    # What this module registers is nothing to other tests.
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    module = tmp_path / "mine_for_many.py"
    module.write_text("import ppkt_zoo\nppkt_zoo.register_backbone('mine_for_many')(lambda *, input_spec: None)\n")
    user_modules.import_user_module(str(module))
    assert user_modules.imported_modules() == (str(module),)


@pytest.mark.slow
def test_processes_of_accelerate_launch_share_the_sources(tmp_path: Path, weight: str) -> None:
    tree(tmp_path / "scans", *(f"{number}.ply" for number in range(6)))
    (tmp_path / "scans" / "bad.ply").write_text("no")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    launch += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    words = [*launch, "-m", "ppkt_zoo", "encode", str(tmp_path / "scans"), "-w", weight, "-o", str(tmp_path / "out")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=280, env=environment)
    assert "encoded: 6 written, 1 failed; " in done.stderr, done.stderr
    assert done.stderr.count("encoded: ") == 1, "one process tells"
    assert len([line for line in done.stdout.splitlines() if line.endswith(".npz")]) == 6
    assert names_below(tmp_path / "out") == [*(f"{number}.npz" for number in range(6)), "encode.json", "files.json"]
