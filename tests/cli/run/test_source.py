"""What the commands read, and where their results may go."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.cli.options import Reading
from ppkt_zoo.cli.run.source import Points, camera, check_out, read_points
from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.pca import ColorBasis
from tests.support.commands import run

WEIGHT = "sr_unet14_slim.ppkt_voc"


def a_cloud(path: Path) -> Path:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (600, 3)).astype(np.float32)
    xyz[:, 2] *= 0.1
    return write_cloud(path, xyz, rng.integers(0, 256, (600, 3)).astype(np.uint8))


def read(path: Path, **how: Any) -> Points:
    return read_points(Reading(path=path, **how))


def some_frames(folder: Path, scale: int) -> Path:
    """Four frames before a slanted floor, depth with so many stored units in a millimetre, and no intrinsics."""
    folder.mkdir()
    v, u = np.mgrid[:48, :64]
    for number in range(4):
        Image.fromarray(np.stack([4 * u, 5 * v, u], -1).astype(np.uint8)).save(folder / f"f{number}.color.png")
        Image.fromarray(((1500 + 10 * u + 5 * v) * scale).astype(np.uint16)).save(folder / f"f{number}.depth.png")
        pose = np.array([[1, 0, 0, 0.1 * number], [0, 0, 1, 0], [0, -1, 0, 1.4], [0, 0, 0, 1]])
        np.savetxt(folder / f"f{number}.pose.txt", pose)
    return folder


def test_depth_of_other_units_and_intrinsics_of_every_form(tmp_path: Path) -> None:
    fine, plain = some_frames(tmp_path / "fine", 5), some_frames(tmp_path / "plain", 1)
    expected = read(plain, up="world-z", intrinsics="50,50,31.5,23.5").xyz
    found = read(fine, up="world-z", intrinsics="50 50 31.5 23.5", depth_scale=5000).xyz
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.savetxt(tmp_path / "k.txt", np.array([[50, 0, 31.5], [0, 50, 23.5], [0, 0, 1]]))
    for given in ("50,50,31.5,23.5", "50,0,31.5,0,50,23.5,0,0,1", str(tmp_path / "k.txt")):
        found = read(plain, up="world-z", intrinsics=given).xyz
        np.testing.assert_allclose(found, expected, atol=1e-5)
    for wrong in ("wide", "1,2,3", "no/such/file.txt"):
        with pytest.raises(InputError, match="--intrinsics"):
            camera(wrong)
    out = tmp_path / "f.npz"
    options = ("-w", WEIGHT, "-o", out, "--up", "world-z", "--intrinsics", "50,50,31.5,23.5", "--depth-scale", 5000)
    run("encode", fine, *options)
    np.testing.assert_allclose(np.load(out)["xyz"], expected, atol=1e-5)
    assert "for folders" in run("encode", a_cloud(tmp_path / "c.ply"), "--depth-scale", 5000, code=2).stderr
    for command in (("similar",), ("segment",), ("detect",), ("data", "inspect"), ("data", "pack")):
        assert "--depth-scale" in run(*command, "--help").stdout


def test_a_lost_frame_is_left_out_and_told(tmp_path: Path) -> None:
    folder = some_frames(tmp_path / "frames", 1)
    (folder / "f2.pose.txt").write_text("nan nan nan nan\n" * 4)
    told = read(folder, up="world-z", intrinsics="50,50,31.5,23.5").told
    assert "3 of 4 frames" in told
    assert "1 left out" in told
    assert "f2" in told


def test_a_folder_of_clouds_says_what_to_give(tmp_path: Path) -> None:
    first = a_cloud(tmp_path / "a.ply")
    a_cloud(tmp_path / "b.ply")
    for command in (("data", "inspect", tmp_path), ("similar", tmp_path, "--at=0,0,0")):
        told = run(*command, code=2).stderr
        assert "2 point files (a.ply, b.ply)" in told
        assert f"such as {first}" in told
    above = tmp_path / "above"
    above.mkdir()
    some_frames(above / "scene", 1)
    assert f"give {above / 'scene'}" in run("encode", above, code=2).stderr


def test_files_are_turned_upright_by_gravity(shared: Path) -> None:
    table = shared / "clouds" / "kinect_table_rgb.pcd"
    with pytest.warns(InputWarning, match="--up gravity"):
        read(table)
    points = read(table, up="gravity")
    assert "turned upright" in points.told
    np.testing.assert_array_equal(points.sensor, 0)
    near = points.xyz[points.xyz[:, 1] < 2.5]
    assert np.ptp(np.percentile(near[:, 2], (5, 60))) < 0.1, "the floor is level"
    assert np.median(near[:, 2]) < -0.5, "and it lies below the camera"


def test_targets_are_refused_before_any_work(tmp_path: Path) -> None:
    cloud = a_cloud(tmp_path / "cloud.npz")
    (tmp_path / "folder.ply").mkdir()
    (tmp_path / "file").write_text("")
    for out, said in (
        (cloud, "is the source itself"),
        (tmp_path / "folder.ply", "is a folder"),
        (tmp_path / "file" / "a.npz", "is no folder"),
        (tmp_path / os.fsdecode(b"\xff.npz"), "UTF-8"),
    ):
        with pytest.raises(InputError, match=said):
            check_out("features", out, (".npz", ".ply"), cloud)
    told = run("encode", cloud, "-o", tmp_path / "a.npz", "-p", tmp_path / "file" / "a.png", code=2).stderr
    assert told.startswith("error: --picture"), "nothing was loaded before"
    assert run("detect", cloud, "-m", tmp_path, "-o", tmp_path / "no.ply", code=2).stderr.startswith("error: boxes")


def test_half_precision_and_one_basis_for_several_pictures(tmp_path: Path) -> None:
    cloud, out, basis = a_cloud(tmp_path / "cloud.ply"), tmp_path / "f.npz", tmp_path / "b.safetensors"
    run("encode", cloud, "-w", WEIGHT, "-o", tmp_path / "whole.npz", "--save-basis", basis)
    run("encode", cloud, "-w", WEIGHT, "-o", out, "--half", "-p", tmp_path / "f.png", "--basis", basis)
    held, whole = np.load(out)["features"], np.load(tmp_path / "whole.npz")["features"]
    assert held.dtype == np.float16
    np.testing.assert_allclose(held, whole, atol=2e-2)
    # The weight's basis knows nothing of the cloud.
    other = a_cloud(tmp_path / "other.npz")
    run("encode", other, "-w", WEIGHT, "-o", out, "--save-basis", tmp_path / "c.safetensors")
    assert basis.read_bytes() == (tmp_path / "c.safetensors").read_bytes()
    run("encode", cloud, "-w", WEIGHT, "-o", out, "--basis", "own", "--save-basis", tmp_path / "o.safetensors")
    expected = ColorBasis.fit(whole)
    np.testing.assert_allclose(ColorBasis.load(tmp_path / "o.safetensors").axes, expected.axes, atol=1e-3)
    assert "for .npz" in run("encode", cloud, "-o", tmp_path / "f.ply", "--half", code=2).stderr
    assert "--picture" in run("encode", cloud, "-o", out, "--basis", "own", code=2).stderr
    ColorBasis.fit(np.eye(5, dtype=np.float32)).save(basis)
    told = run("encode", cloud, "-w", WEIGHT, "-o", out, "-p", tmp_path / "f.png", "--basis", basis, code=2).stderr
    assert "with 5 channels" in told


def test_a_model_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    cloud = a_cloud(tmp_path / "cloud.ply")
    model = tmp_path / "runs" / "first" / "model"
    model.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    for command in ("segment", "detect"):
        told = run(command, cloud, "--model", tmp_path / "runs" / "frist" / "model", code=2).stderr
        assert f"did you mean {model}?" in told
        assert "OUT/model" in told
        assert f"the model in it is {model}" in run(command, cloud, "--model", model.parent, code=2).stderr
        assert "is a file" in run(command, cloud, "--model", cloud, code=2).stderr
        assert "is not there" in run(command, cloud, "--model", "nowhere", code=2).stderr


def test_an_unknown_name_in_data_is_told_with_the_nearest(tmp_path: Path) -> None:
    told = run(
        "pretrain", "sr_unet14_slim_ppkt_voc", "-d", f"icl_livingrom={tmp_path}", "-o", tmp_path / "run", code=2
    ).stderr
    assert "did you mean 'icl_livingroom'?" in told
    told = run("segmentation", "train", "s3dis", "-d", f"s3di={tmp_path}", "-o", tmp_path / "run", code=2).stderr
    assert "no use for the folder of s3di: give --data s3dis=PATH" in told
    assert "twice" in run("segmentation", "train", "s3dis", "-d", "s3dis=a", "-d", "s3dis=b", code=2).stderr
