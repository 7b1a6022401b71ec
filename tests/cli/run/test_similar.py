"""Similarity search: what is alike to a point, from Python and by `ppkt-zoo similar`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ppkt_zoo import load_backbone
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.similarity import nearest_point, similarity, top_matches
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.files.ply import parse_vertices
from ppkt_zoo.visualization.similarity import heat_colors, similarity_picture
from tests.support.commands import run

WEIGHT = "sr_unet14_slim.ppkt_voc"


def test_similarity_is_the_cosine_whatever_the_length() -> None:
    features = np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], np.float32)
    np.testing.assert_allclose(similarity(features, 0), [1, 0, -1, 0, np.sqrt(0.5)], atol=1e-6)
    np.testing.assert_allclose(similarity(torch.from_numpy(features), [0, 1])[4], 1, atol=1e-6)
    assert similarity(features, 0).dtype == np.float32
    for wrong, query in ((features[0], 0), (features * np.nan, 0), (features, 5), (features, -1), (features, [])):
        with pytest.raises(InputError):
            similarity(wrong, query)


def test_places_are_elsewhere_and_apart() -> None:
    xyz = np.array([[0.0, 0, 0], [0.1, 0, 0], [2, 0, 0], [2.1, 0, 0], [5, 0, 0]])
    alike = np.array([1.0, 0.99, 0.7, 0.8, 0.2])
    assert top_matches(xyz, alike, 0) == [3, 4]
    assert top_matches(xyz, alike, 0, count=1) == [3]
    assert top_matches(xyz, alike, 0, apart=0.05) == [1, 3, 2, 4]
    assert top_matches(xyz[:2], alike[:2], 0) == []
    with pytest.raises(InputError, match="as many values"):
        top_matches(xyz, alike[:3], 0)


def test_a_place_far_from_every_point_is_told() -> None:
    xyz = np.array([[1.0, 2, 3], [4, 5, 6]])
    assert nearest_point(xyz, (4.1, 5.1, 6)) == 1
    with pytest.raises(InputError, match=r"within 0\.5 m .* from \(1\.00, 2\.00, 3\.00\) to \(4\.00"):
        nearest_point(xyz, (0, 0, 0))
    for wrong in ((1, 2), (1, 2, np.nan), "here"):
        with pytest.raises((InputError, ValueError)):
            nearest_point(xyz, wrong)


def test_heat_rises_in_brightness() -> None:
    brightness = heat_colors(np.linspace(0, 1, 50), 0, 1).astype(int).sum(axis=1)
    assert (np.diff(brightness) > 0).all()
    assert (heat_colors(np.array([-5.0, 9.0]), 0, 1) == heat_colors(np.array([0.0, 1.0]), 0, 1)).all()
    xyz = np.random.default_rng(0).uniform(0, 1, (200, 3))
    with pytest.raises(InputError, match="a similarity each"):
        similarity_picture(xyz, None, np.zeros(3), 0)


def test_the_command_writes_likeness_and_picture(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.uniform((0, 0, 0), (3, 1, 0.1), (900, 3)).astype(np.float32)
    rgb = np.where(xyz[:, :1] < 1.5, [200, 40, 40], [40, 40, 200]).astype(np.uint8)
    cloud, out, picture = write_cloud(tmp_path / "cloud.ply", xyz, rgb), tmp_path / "new" / "a.ply", tmp_path / "a.png"
    told = run("similar", cloud, "--at=0.5,0.5,0", "-w", WEIGHT, "--out", out, "--picture", picture).output
    assert "most similar at least 0.5 m away" in told
    picked = nearest_point(xyz, (0.5, 0.5, 0))
    expected = similarity(load_backbone(WEIGHT).encode(xyz, rgb), picked)
    np.testing.assert_allclose(parse_vertices(out.read_bytes(), "a")["likeness"], expected, atol=1e-5)
    assert expected[xyz[:, 0] < 1.4].mean() > expected[xyz[:, 0] > 1.6].mean(), "red is more alike to red"
    assert read_cloud(out).rgb is not None
    assert Image.open(picture).width > 300
    assert "nearest is" in run("similar", cloud, "--at=9,9,9", "-w", WEIGHT, code=2).output
    assert "--at '1,x,2' must be numbers" in run("similar", cloud, "--at", "1,x,2", code=2).output


def test_the_command_reads_features_as_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    xyz = rng.uniform((0, 0, 0), (3, 1, 0.1), (400, 3)).astype(np.float32)
    cloud = write_cloud(tmp_path / "cloud.ply", xyz, rng.integers(0, 256, (400, 3)).astype(np.uint8))
    out, asked = tmp_path / "a.npz", ("similar", cloud, "--at=0.5,0.5,0", "-w", WEIGHT)
    run(*asked, "--out", out, "--levels", "stride4", "--sampling", "trilinear", "--views", "2")
    points, rgb = read_cloud(cloud)[:2]
    features = load_backbone(WEIGHT).encode(points, rgb, "stride4", sampling="trilinear", views=2)
    expected = similarity(features, nearest_point(xyz, (0.5, 0.5, 0)))
    np.testing.assert_allclose(np.load(out)["likeness"], expected, atol=1e-4)
    assert "several features a point" in run(*asked, "--levels", "all", code=2).output
