"""The command line: what it prints, what it writes, how it fails."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ppkt_zoo
import ppkt_zoo.zoo.hub
import ppkt_zoo.zoo.manifest
from ppkt_zoo.cli.main import app
from ppkt_zoo.cli.options import PurposeName, SamplingName
from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.readout_spec import PURPOSES, SAMPLINGS, ReadOut
from tests.support.commands import run
from tests.support.made_up_dry_run import RUN
from tests.support.small_weight import NAME, make_folder, make_manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small"
    make_folder(path)
    return path


@pytest.fixture
def _listed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small weight is bundled."""
    manifest = make_manifest(tmp_path / "manifest.json", folder)
    monkeypatch.setattr(ppkt_zoo.zoo.manifest, "MANIFEST_PATHS", (manifest,))
    monkeypatch.setattr(ppkt_zoo.zoo.hub, "BUNDLED", folder.parent)


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (800, 3)).astype(np.float32)
    xyz[:, 2] *= 0.1
    return write_cloud(tmp_path / "cloud.ply", xyz, rng.integers(0, 256, (800, 3)).astype(np.uint8))


def error_line(*arguments: object) -> str:
    """The one line by which a failing command says what is wrong, after the steps that were done before it."""
    result = run(*arguments, code=2)
    lines = [line for line in result.stderr.splitlines() if line]
    assert [line.startswith("error: ") for line in lines].count(True) == 1, result.stderr
    assert lines[-1].startswith("error: "), result.stderr
    assert all(line.endswith(" s") for line in lines[:-1]), result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    return lines[-1]


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom ppkt_zoo.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'PIL', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for command in ("demo", "encode", "list", "show", "verify", "pretrain", "version"):
        assert command in done.stdout


def test_module_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ppkt_zoo", "version"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.startswith(f"ppkt-zoo {ppkt_zoo.__version__}")


def test_no_command_shows_the_help() -> None:
    assert "encode" in CliRunner().invoke(app, []).output


@pytest.mark.usefixtures("_listed")
def test_list() -> None:
    weights = run("list").stdout
    for part in (NAME, "5.23 M", "nobody", "thin air", "Apache-2.0", "bundled", "mIoU 0.5 [0.4, 0.6]", "random 0.25"):
        assert part in weights
    assert NAME in run("list", "weights", "sr_*").stdout
    assert "no weight is listed that matches 'nothing*'" in run("list", "weights", "nothing*").stdout
    backbones = run("list", "backbones").stdout
    for name in ppkt_zoo.list_backbones():
        assert name in backbones
    assert "sr_unet34" not in run("list", "backbones", "sr_unet14*").stdout


@pytest.mark.usefixtures("_listed")
def test_show(folder: Path) -> None:
    for name in (NAME, f"local-dir:{folder}"):
        shown = run("show", name).stdout
        for part in (NAME, "Random parameters, for tests.", "thin air: 1 frames", "5 cm", "mIoU"):
            assert part in shown
    assert NAME in run("show", "sr_unet14_small").stdout
    assert "did you mean" in error_line("show", "sr_unet15_small")


@pytest.mark.usefixtures("_listed")
def test_verify(folder: Path) -> None:
    assert "verified on cpu" in run("verify").stdout
    assert "verified on cpu" in run("verify", f"local-dir:{folder}").stdout
    assert "not both" in error_line("verify", NAME, "--all")


@pytest.mark.usefixtures("_listed")
def test_verify_finds_damage(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    broken = tmp_path / "weights" / folder.name
    shutil.copytree(folder, broken)
    data = bytearray((broken / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (broken / "model.safetensors").write_bytes(data)
    monkeypatch.setattr(ppkt_zoo.zoo.hub, "BUNDLED", broken.parent)
    assert "model.safetensors" in error_line("verify")


def test_an_empty_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ppkt_zoo.zoo.manifest, "MANIFEST_PATHS", (make_manifest(tmp_path / "empty.json", None),))
    assert "no weight is listed" in run("list").stdout
    assert "nothing to verify" in run("verify").stdout
    assert "no weight is bundled" in error_line("demo", "--out", tmp_path / "out")


@pytest.mark.usefixtures("_listed")
def test_encode_a_file(cloud: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "new" / "features.npz", tmp_path / "new" / "features.png"
    done = run("encode", cloud, "--out", out, "--picture", picture)
    said = done.stderr
    assert done.stdout.splitlines() == [str(out), str(picture)], "results alone are on standard output"
    arrays = np.load(out)
    assert set(arrays) == {"xyz", "rgb", "features"}
    assert arrays["features"].shape == (800, 64)
    assert picture.stat().st_size > 1000
    assert "800 points with colour" in said
    expected = ppkt_zoo.load_backbone(NAME).encode(arrays["xyz"], arrays["rgb"])
    np.testing.assert_allclose(arrays["features"], expected, atol=1e-4)


def test_encode_in_tiles_of_every_kind(
    folder: Path, cloud: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, weight = tmp_path / "features.npz", f"local-dir:{folder}"
    found = {}
    monkeypatch.setattr("ppkt_zoo.backbones.base.VoxelBackbone.tile_voxels", 200)
    for tile in ("none", "auto", "1.5"):
        run("encode", cloud, "-w", weight, "-o", out, "--tile", tile)
        found[tile] = np.load(out)["features"]
        np.testing.assert_allclose(found[tile], found["none"], atol=1e-3)
    run("encode", cloud, "-w", weight, "-o", out, "--half", "--tile", "auto")
    np.testing.assert_array_equal(np.load(out)["features"], found["auto"].astype(np.float16))
    for wrong in ("big", "0", "-2", "nan"):
        line = error_line("encode", cloud, "-w", weight, "-o", out, f"--tile={wrong}")
        assert f"--tile {wrong} must be auto, none, or the edge" in line


def test_encode_every_level(folder: Path, cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npz"
    run("encode", cloud, "-w", f"local-dir:{folder}", "-o", out, "--levels")
    arrays = np.load(out)
    assert arrays["features.stride16"].shape == (800, 128)
    np.testing.assert_array_equal(arrays["features"], arrays["features.stride1"])


def test_encode_reads_out_as_asked(folder: Path, cloud: Path, tmp_path: Path) -> None:
    from ppkt_zoo.zoo.add_readout import add_readout

    copied, out = Path(shutil.copytree(folder, tmp_path / "weight")), tmp_path / "features.npz"
    wide = ReadOut(levels="concat", sampling="trilinear", extras=("color", "height"), views=2)
    add_readout(copied, [PointCloud.from_arrays(*read_cloud(cloud)[:2])], "one cloud", {"few_labels": wide})
    weight = ("-w", f"local-dir:{copied}", "-o", out)
    backbone, (xyz, rgb) = ppkt_zoo.load_backbone(f"local-dir:{copied}"), read_cloud(cloud)[:2]
    expected = backbone.encode(xyz, rgb, **wide.arguments())
    single = ("--levels", "concat", "--sampling", "trilinear", "--extras", "color,height", "--views", "2")
    for asked in (single, ("--read-out", "few_labels")):
        run("encode", cloud, *weight, *asked)
        np.testing.assert_allclose(np.load(out)["features"], expected, atol=1e-4)
    run("encode", cloud, *weight, *single, "--half", "--tile", "auto")
    np.testing.assert_allclose(np.load(out)["features"], expected, rtol=2e-3, atol=1e-2)
    picture, basis = tmp_path / "features.png", tmp_path / "basis.safetensors"
    run("encode", cloud, *weight, "--read-out", "few_labels", "-p", picture, "--save-basis", basis)
    assert picture.stat().st_size > 10_000
    run("encode", cloud, *weight, "--levels=stride4")
    assert set(np.load(out)) == {"xyz", "rgb", "features"}
    np.testing.assert_array_equal(np.load(out)["features"], backbone.encode(xyz, rgb, "stride4"))
    assert "leave these out" in error_line("encode", cloud, *weight, *single, "--read-out", "few_labels")
    assert "records no read-out for 'similarity'" in error_line("encode", cloud, *weight, "--read-out", "similarity")
    assert "no extra 'normals'" in error_line("encode", cloud, *weight, "--extras", "color,normals")
    plain = ("-w", f"local-dir:{folder}", "-o", out)
    assert "comes without" in error_line("encode", cloud, *plain, "--levels", "concat")


def test_levels_alone_may_stand_anywhere(folder: Path, cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "features.npz"
    run("encode", "--levels", cloud, "-w", f"local-dir:{folder}", "-o", out)
    assert "features.stride16" in np.load(out)
    run("encode", cloud, "--levels", "all", "-w", f"local-dir:{folder}", "-o", out)
    assert "features.stride16" in np.load(out)


def test_purposes_and_samplings_are_those_that_a_weight_records() -> None:
    assert [one.value for one in PurposeName] == list(PURPOSES)
    assert [one.value for one in SamplingName] == list(SAMPLINGS)


def test_encode_turns_a_file_upright(folder: Path, cloud: Path, tmp_path: Path) -> None:
    from ppkt_zoo.cli.options import Reading
    from ppkt_zoo.cli.run.source import read_points
    from ppkt_zoo.data.own_cloud import UP_AXES

    rng = np.random.default_rng(0)
    for axis, rotation in UP_AXES.items():
        matrix = np.array(rotation)
        assert round(np.linalg.det(matrix)) == 1
        up = (-1 if axis.startswith("-") else 1) * np.eye(3)["xyz".index(axis[-1])]
        np.testing.assert_array_equal(matrix @ up, [0, 0, 1])
    xyz = rng.normal(size=(5, 3))
    np.save(tmp_path / "cloud.npy", xyz)
    np.testing.assert_allclose(read_points(Reading(path=tmp_path / "cloud.npy", up="-y")).xyz[:, 2], -xyz[:, 1])
    assert "--up q" in error_line("encode", cloud, "-w", f"local-dir:{folder}", "-o", tmp_path / "f.npz", "--up", "q")


def test_encode_frames(shared: Path, folder: Path, tmp_path: Path) -> None:
    common = ("-w", f"local-dir:{folder}", "-o", tmp_path / "f.npz")
    kitchen = shared / "frames" / "seven_scenes_redkitchen"
    said = run("encode", kitchen, *common, "--every", 50, "-p", tmp_path / "f.png").stderr
    assert "2 of 100 frames" in said
    arrays = np.load(tmp_path / "f.npz")
    assert arrays["features"].shape == (len(arrays["xyz"]), 64)
    assert 1.0 < np.ptp(arrays["xyz"][:, 2]) < 3.5, "z is up: a kitchen is not higher"

    assert "there is no frame 100" in error_line("encode", kitchen, *common, "--frame", 100)
    tables = shared / "frames" / "mosd"
    camera = ("--intrinsics", "525,525,319.5,239.5")
    assert "intrinsics" in error_line("encode", tables, *common)
    assert "must be numbers" in error_line("encode", tables, *common, "--intrinsics", "wide")
    assert "--frame 0" in error_line("encode", tables, *common, *camera)
    assert "not both" in error_line("encode", tables, *common, *camera, "--frame", 3, "--every", 2)
    run("encode", tables, *common, *camera, "--frame", 3)
    assert np.load(tmp_path / "f.npz")["features"].shape[1] == 64


def test_encode_refuses(folder: Path, cloud: Path, tmp_path: Path) -> None:
    weight = ("-w", f"local-dir:{folder}")
    assert "does not exist" in error_line("encode", tmp_path / "nothing.ply", *weight)
    assert ".npz or .ply" in error_line("encode", cloud, *weight, "--out", "features.csv")
    assert ".png" in error_line("encode", cloud, *weight, "--picture", "features.jpg")
    assert "for folders" in error_line("encode", cloud, *weight, "--every", 3)
    (tmp_path / "empty").mkdir()
    assert "no frames" in error_line("encode", tmp_path / "empty", *weight)
    assert "local-dir:" in error_line("encode", cloud, "-w", folder)
    assert "not a torch device" in error_line("encode", cloud, *weight, "--device", "abacus")
    bare = write_cloud(tmp_path / "bare.ply", np.random.default_rng(0).uniform(size=(50, 3)).astype(np.float32))
    assert "colour" in error_line("encode", bare, *weight, "-o", tmp_path / "f.npz")


def test_warnings_are_one_line(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = (rng.uniform(0, 2000, (300, 3))).astype(np.float32)
    city = write_cloud(tmp_path / "city.ply", xyz, np.zeros((300, 3), np.uint8))
    result = run("encode", city, "-w", f"local-dir:{folder}", "-o", tmp_path / "f.npz")
    told = ("weight ", "points ", "features ", "file ")
    lines = [line for line in result.stderr.splitlines() if not line.startswith(told)]
    assert sum(line.startswith("warning: ") for line in lines) == len(lines) >= 1
    assert "m wide" in result.stderr


def test_debug_lets_errors_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPKT_ZOO_DEBUG", "1")
    result = CliRunner().invoke(app, ["show", f"local-dir:{tmp_path}"])
    assert isinstance(result.exception, WeightError)


def test_pretrain_refuses(tmp_path: Path) -> None:
    assert "no recipe 'nothing'" in error_line("pretrain", "nothing")
    recipe = Path(__file__).parents[2] / "recipes" / "pretraining" / "sr_unet14_slim_ppkt_voc.yaml"
    assert "NAME=PATH" in error_line("pretrain", recipe, "--data", "icl", "--out", tmp_path / "run")
    assert "no checkpoint" in error_line("pretrain", recipe, "--resume", "--out", tmp_path / "run")
    twice = error_line("pretrain", recipe, "-t", "a.safetensors", "-t", "b.safetensors", "--out", tmp_path / "run")
    assert "write NAME=FILE" in twice
    assert "stepz" in error_line("pretrain", recipe, "stepz=3", "--out", tmp_path / "run")


def test_pretrain_passes_everything_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.engine.interrupt import Stopped
    from ppkt_zoo.pretraining import trainer as module

    recipe = Path(__file__).parents[2] / "recipes" / "pretraining" / "sr_unet14_slim_ppkt_voc.yaml"
    seen: dict[str, object] = {}

    def stand_in(recipe: object, **rest: object) -> Path:
        seen.update(rest, recipe=recipe)
        if rest["stop_after"]:
            raise Stopped("stopped after 5 of 7 steps")
        return tmp_path / "run" / "weight"

    monkeypatch.setattr(module, "pretrain", stand_in)
    command = ("pretrain", recipe, "steps=7", "--data", "icl=a/b", "-d", "own=c", "-t", "t.safetensors")
    said = run(*command, "--out", tmp_path / "run", "--workers", 0).stdout
    assert seen["recipe"].steps == 7  # type: ignore[attr-defined]
    assert seen["data"] == {"icl": Path("a/b"), "own": Path("c")}
    assert (seen["teacher"], seen["teachers"]) == (Path("t.safetensors"), {})
    assert seen["out"] == tmp_path / "run"
    assert seen["workers"] == 0
    assert (seen["tensorboard"], seen["watch"], seen["start"]) == (False, None, None)
    assert f"local-dir:{tmp_path / 'run' / 'weight'}" in said
    stopped = run(*command, "--out", tmp_path / "run", "--stop-after", 5, code=3)
    assert stopped.stderr.startswith("stopped: ")
    run(*command, "watch={every: 9, rooms: 2}", "--out", tmp_path / "run", "--tensorboard", "--cache", tmp_path)
    assert seen["tensorboard"] is True
    assert callable(seen["watch"])
    assert seen["cache"] == tmp_path
    run(*command, "--out", tmp_path / "run", "--start", "sr_unet14_slim.ppkt_voc")
    assert seen["start"] == "sr_unet14_slim.ppkt_voc"
    run(*command, "-t", "imagenet=i.safetensors", "--out", tmp_path / "run", "--start", tmp_path)
    assert (seen["teacher"], seen["teachers"]) == (Path("t.safetensors"), {"imagenet": Path("i.safetensors")})
    assert seen["start"] == tmp_path


def test_pretrain_dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.pretraining import dry_run as module

    recipe = Path(__file__).parents[2] / "recipes" / "pretraining" / "sr_unet14_slim_ppkt_voc.yaml"
    seen: dict[str, object] = {}

    def stand_in(recipe: object, **rest: object) -> object:
        seen.update(rest)
        return replace(RUN, cores=1)

    monkeypatch.setattr(module, "dry_run", stand_in)
    command = ("pretrain", recipe, "--dry-run", "--out", tmp_path / "run", "-d", "icl=a/b", "--workers", 2)
    done = run(*command)
    assert "1.50 s a step: data 0.50, student 1.00" in done.stdout
    assert done.stderr.startswith("warning: 33 % of a step is waiting for data")
    assert (seen["data"], seen["workers"], seen["out"]) == ({"icl": Path("a/b")}, 2, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    monkeypatch.setenv("RANK", "1")
    assert run(*command).output == ""
