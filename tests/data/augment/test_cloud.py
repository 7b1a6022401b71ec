"""Augmentation: rows stay matched, each part does what it says and no more, and nothing happens when it is off."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ppkt_zoo.data.augment.cloud import CloudAugmentation, elastic_distortion
from ppkt_zoo.errors import InputError

EVERYTHING = {
    "rotation_z": 180, "tilt": 5, "scale": (0.8, 1.25), "flip": 0.5, "elastic": ((0.2, 0.4), (0.8, 1.6)),
    "elastic_probability": 0.5, "dropout": (0.2, 0.6), "cube_dropout": 3, "cube_edge": 0.5, "brightness": 0.2,
    "contrast": 0.2, "channel_gain": 0.1, "color_noise": 0.05, "grey": 0.2, "thinning": (0.05, 0.4), "jitter": 0.02,
}  # fmt: skip


def cloud(points: int = 500, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    xyz = (rng.random((points, 3)) * [5, 4, 2.5] - [1, 1, 0]).astype(np.float32)
    return xyz, rng.integers(0, 256, (points, 3), dtype=np.uint8)


def apply(xyz, rgb, seed=0, **config):
    return CloudAugmentation(**config)(xyz, rgb, np.random.default_rng(seed))


def distances(xyz: np.ndarray) -> np.ndarray:
    return np.linalg.norm(xyz[:, None].astype(np.float64) - xyz[None], axis=-1)


def test_off_changes_nothing():
    xyz, rgb = cloud()
    moved, colored, kept = CloudAugmentation.off()(xyz, rgb, np.random.default_rng(0))
    assert np.array_equal(moved, xyz)
    assert np.array_equal(colored, rgb)
    assert np.array_equal(kept, np.arange(500))
    assert CloudAugmentation() == CloudAugmentation.off()


def test_a_cloud_loses_its_colour_as_often_as_asked():
    xyz, rgb = cloud(20)
    bare = [apply(xyz, rgb, seed, colorless=0.25)[1] is None for seed in range(400)]
    assert 70 <= sum(bare) <= 130
    assert apply(xyz, rgb, colorless=1.0)[1] is None


def test_thinning_leaves_one_point_a_cell_and_every_cell_its_point():
    xyz, rgb = cloud(5000)
    _, _, kept = apply(xyz, rgb, thinning=(0.5, 0.5), thinning_probability=1.0)
    cells = [tuple(cell) for cell in np.floor((xyz - xyz.min(axis=0)) / np.float32(0.5)).astype(int)]
    assert len({cells[row] for row in kept}) == len(kept) == len(set(cells))
    assert (np.diff(kept) > 0).all()
    other = apply(xyz, rgb, seed=1, thinning=(0.5, 0.5), thinning_probability=1.0)[2]
    assert not np.array_equal(kept, other)
    assert len(apply(xyz, rgb, thinning=(0.5, 0.5), thinning_probability=0.0)[2]) == 5000


def test_jitter_moves_points_by_up_to_its_standard_deviation():
    xyz, rgb = cloud(4000)
    spreads = [(apply(xyz, rgb, seed, jitter=0.02, jitter_probability=1.0)[0] - xyz).std() for seed in range(40)]
    assert max(spreads) < 0.021
    assert min(spreads) < 0.006
    assert max(spreads) > 0.014
    assert np.array_equal(apply(xyz, rgb, jitter=0.02, jitter_probability=0.0)[0], xyz)


@given(
    points=st.integers(1, 400),
    seed=st.integers(0, 10_000),
    on=st.sets(st.sampled_from(["rotation_z", "tilt", "scale", "flip", "dropout", "cube_dropout", "color_noise"])),
)
@settings(deadline=None, max_examples=80)
def test_rows_stay_matched(points, seed, on):
    """A row of the result is its row of the input under one similarity, whatever was dropped."""
    xyz, rgb = cloud(points, seed)
    moved, colored, kept = apply(xyz, rgb, seed, **{name: EVERYTHING[name] for name in on})
    assert (len(moved), moved.dtype, colored.dtype) == (len(kept), np.float32, np.uint8)
    assert len(colored) == len(kept) >= 1
    assert kept.dtype == np.int64
    assert (np.diff(kept) > 0).all()
    assert 0 <= kept.min() <= kept.max() < points
    if not on & {"dropout", "cube_dropout"}:
        assert len(kept) == points
    if "color_noise" not in on:
        assert np.array_equal(colored, rgb[kept])
    some = slice(0, 40)
    before, after = distances(xyz[kept][some]), distances(moved[some])
    factor = after.sum() / before.sum() if before.any() else 1.0
    assert 0.79 < factor < 1.26
    assert "scale" in on or factor == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(after, before * factor, atol=1e-4)


def test_everything_at_once_follows_the_seed_alone():
    xyz, rgb = cloud()
    inputs = xyz.copy(), rgb.copy()
    one, other = apply(xyz, rgb, 7, **EVERYTHING), apply(xyz, rgb, 7, **EVERYTHING)
    for left, right in zip(one, other, strict=True):
        assert np.array_equal(left, right)
    assert not np.array_equal(one[0][:5], apply(xyz, rgb, 8, **EVERYTHING)[0][:5])
    assert np.array_equal(xyz, inputs[0])
    assert np.array_equal(rgb, inputs[1])


def test_turning_about_z_keeps_heights_and_tilt_does_not():
    xyz, rgb = cloud()
    turned = apply(xyz, rgb, rotation_z=180)[0]
    np.testing.assert_allclose(turned[:, 2], xyz[:, 2], atol=1e-6)
    assert not np.allclose(turned, xyz, atol=0.1)
    ups = []
    for seed in range(50):
        moved = apply(np.eye(3, dtype=np.float32), rgb[:3], seed, tilt=5)[0]
        ups.append(moved[2])
    angles = np.degrees(np.arccos(np.clip(np.array(ups)[:, 2], -1, 1)))
    assert 4 < angles.max() <= 5.01


def test_flips_mirror_x_and_y_only():
    xyz, rgb = cloud()
    signs = {tuple(np.sign((apply(xyz, rgb, seed, flip=0.5)[0] * xyz).sum(axis=0)).astype(int)) for seed in range(40)}
    assert signs == {(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, 1)}
    np.testing.assert_array_equal(apply(xyz, rgb, flip=1)[0], xyz * np.float32([-1, -1, 1]))


def test_dropout_keeps_the_parts_it_names():
    xyz, rgb = cloud(20_000)
    parts = [1 - len(apply(xyz, rgb, seed, dropout=(0.2, 0.6))[2]) / 20_000 for seed in range(30)]
    assert 0.19 < min(parts) < 0.3
    assert 0.5 < max(parts) < 0.61


def test_cubes_are_cut_out():
    xyz, rgb = cloud(20_000)
    for seed in range(10):
        kept = apply(xyz, rgb, seed, cube_dropout=1, cube_edge=0.6)[2]
        gone = np.setdiff1d(np.arange(20_000), kept)
        if len(gone) == 0:
            continue
        low, high = xyz[gone].min(axis=0), xyz[gone].max(axis=0)
        assert (high - low <= 0.6 + 1e-5).all()
        assert not ((xyz[kept] > low) & (xyz[kept] < high)).all(axis=1).any()


@pytest.mark.parametrize("points", [1, 3])
def test_a_tiny_cloud_is_never_dropped_whole(points):
    xyz, rgb = cloud(points)
    for seed in range(30):
        kept = apply(xyz * 0.01, rgb, seed, cube_dropout=3, dropout=(0.9, 0.99))[2]
        assert len(kept) >= 1


def test_colours_shift_together_where_asked():
    rgb = np.full((100, 3), 120, dtype=np.uint8)
    xyz, _ = cloud(100)
    brighter = apply(xyz, rgb, brightness=0.2)[1]
    assert len(np.unique(brighter)) == 1
    assert 120 - 51 <= brighter[0, 0] <= 120 + 51
    gained = apply(xyz, rgb, channel_gain=0.2)[1]
    assert len(np.unique(gained, axis=0)) == 1
    assert len(np.unique(gained)) > 1
    noisy = apply(xyz, rgb, color_noise=0.05)[1].astype(float)
    assert noisy.std() == pytest.approx(0.05 * 255, rel=0.2)
    stretched = apply(xyz, cloud(100)[1], contrast=0.5)[1].astype(float)
    assert 0.45 < stretched.std() / cloud(100)[1].std() < 1.55
    grey = apply(xyz, cloud(100)[1], grey=1)[1]
    assert (grey == grey[:, :1]).all()


def test_colours_stay_within_bytes():
    xyz, _ = cloud(3)
    extremes = np.array([[0, 0, 0], [255, 255, 255], [0, 255, 128]], dtype=np.uint8)
    for seed in range(20):
        colored = apply(xyz, extremes, seed, brightness=1, channel_gain=0.9)[1].astype(int)
        assert (np.diff(colored[:2], axis=0) >= 0).all()  # no wrapping around


def test_a_cloud_without_colour():
    xyz, rgb = cloud()
    moved, colored, kept = apply(xyz, None, 3, **EVERYTHING)
    expected = apply(xyz, rgb, 3, **EVERYTHING)
    assert colored is None
    assert np.array_equal(moved, expected[0])
    assert np.array_equal(kept, expected[2])


def test_an_empty_cloud_is_refused():
    with pytest.raises(InputError, match="xyz is empty"):
        apply(*cloud(0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rotation_z", 181),
        ("rotation_z", -1),
        ("tilt", 91),
        ("scale", (1.2, 0.8)),
        ("scale", (0, 1)),
        ("flip", 1.1),
        ("dropout", (0.5, 0.2)),
        ("dropout", (0.5, 1.0)),
        ("dropout", (-0.1, 0.2)),
        ("cube_dropout", -1),
        ("cube_edge", 0),
        ("elastic", ((0, 0.4),)),
        ("elastic", ((0.2, -0.4),)),
        ("contrast", 1),
        ("rotate", 3),
    ],
)
def test_refuses_values(field, value):
    with pytest.raises(ValidationError, match=field):
        CloudAugmentation(**{field: value})


def test_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        CloudAugmentation().tilt = 3


def test_elastic_distortion_is_smooth_and_bounded():
    rng = np.random.default_rng(0)
    xyz, _ = cloud(5000)
    near = xyz + np.float32(0.005)
    both = elastic_distortion(np.concatenate([xyz, near]), 0.2, 0.4, rng)
    shift = both - np.concatenate([xyz, near])
    assert 0.01 < shift.std() < 0.4
    assert np.abs(shift[:5000] - shift[5000:]).max() < 0.05
    assert np.array_equal(elastic_distortion(xyz, 0.2, 0, rng), xyz)


def test_elastic_distortion_interpolates_its_grid():
    """Points at the nodes move by the smoothed noise itself; halfway between, by the mean of the two."""
    line = np.stack([np.arange(0, 2.05, 0.1), np.zeros(21), np.zeros(21)], axis=1).astype(np.float32)
    shift = elastic_distortion(line, 0.2, 1.0, np.random.default_rng(0)) - line
    np.testing.assert_allclose(shift[1::2], (shift[:-1:2] + shift[2::2]) / 2, atol=1e-5)


def test_elastic_distortion_of_a_landscape_is_refused():
    xyz = np.array([[0, 0, 0], [600, 600, 100]], dtype=np.float32)
    with pytest.raises(InputError, match="too wide for elastic distortion"):
        elastic_distortion(xyz, 0.2, 0.4, np.random.default_rng(0))


def test_speed():
    """Of 30 000 points: 3 ms, and 12 ms with elastic distortion when idle; CPU time, with room for a busy machine."""
    xyz, rgb = cloud(30_000)
    plain = {name: value for name, value in EVERYTHING.items() if name != "elastic"}
    for config, limit in ((plain, 0.010), ({**EVERYTHING, "elastic_probability": 1}, 0.035)):
        times = []
        for seed in range(7):
            start = time.thread_time()
            apply(xyz, rgb, seed, **config)
            times.append(time.thread_time() - start)
        assert min(times) < limit
