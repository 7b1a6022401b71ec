"""Choosing pairs: never one twice, uniform as it always was, and dense regions held back by the other two."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.pair_sampling import choose_pairs

HOW = ("uniform", "inverse_density", "voxel")


def _cloud(points: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(points, 3)).astype(np.float32) * 0.3


def _dense_and_sparse(dense: int = 900, sparse: int = 100) -> np.ndarray:
    """``dense`` points in one 5 cm voxel, ``sparse`` in voxels of their own, 20 cm apart."""
    rng = np.random.default_rng(0)
    near = 0.001 + 0.04 * rng.random((dense, 3))
    far = np.zeros((sparse, 3))
    far[:, 0] = 0.2 * np.arange(1, sparse + 1)
    return np.concatenate([np.zeros((1, 3)), near[1:], far]).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    points=st.integers(1, 200),
    count=st.integers(0, 250),
    how=st.sampled_from(HOW),
    voxel=st.sampled_from([0.01, 0.05, 10.0]),
    seed=st.integers(0, 2**31),
)
def test_as_many_as_asked_and_none_twice(points: int, count: int, how: str, voxel: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    candidates = np.flatnonzero(rng.random(points) < 0.7)
    rows = choose_pairs(_cloud(points, seed), candidates, count, how, voxel, np.random.default_rng(seed))
    assert rows.dtype == np.int64
    assert len(rows) == len(set(rows.tolist())) == min(count, len(candidates))
    assert set(rows.tolist()) <= set(candidates.tolist())
    again = choose_pairs(_cloud(points, seed), candidates, count, how, voxel, np.random.default_rng(seed))
    assert np.array_equal(rows, again)


def test_uniform_is_the_draw_that_recipes_have_always_made() -> None:
    candidates = np.arange(5, 400, 3)
    want = candidates[np.random.default_rng(9).choice(len(candidates), size=64, replace=False)]
    rows = choose_pairs(_cloud(400, 1), candidates, 64, "uniform", 0.05, np.random.default_rng(9))
    assert np.array_equal(rows, want)


@settings(max_examples=60, deadline=None)
@given(points=st.integers(2, 300), count=st.integers(1, 300), seed=st.integers(0, 2**31))
def test_voxel_goes_round_evenly(points: int, count: int, seed: int) -> None:
    xyz = _cloud(points, seed)
    rows = choose_pairs(xyz, np.arange(points), count, "voxel", 0.25, np.random.default_rng(seed))
    cells = np.floor((xyz - xyz.min(axis=0)) / 0.25).astype(int)
    all_cells, size = np.unique(cells, axis=0, return_counts=True)
    taken = np.array([(cells[rows] == cell).all(axis=1).sum() for cell in all_cells])
    assert len(rows) == min(count, points)
    # A voxel stays behind another by at most one, unless it had no more to give.
    assert ((taken >= taken.max() - 1) | (taken == size)).all()


def test_one_of_each_voxel_first() -> None:
    xyz = _dense_and_sparse()
    for seed in range(5):
        rows = choose_pairs(xyz, np.arange(1000), 101, "voxel", 0.05, np.random.default_rng(seed))
        assert (rows < 900).sum() == 1
    half = [choose_pairs(xyz, np.arange(1000), 50, "voxel", 0.05, np.random.default_rng(s)) for s in range(400)]
    dense = np.mean([(rows < 900).any() for rows in half])
    assert dense == pytest.approx(50 / 101, abs=0.1)  # voxels alike, however full
    assert len({int(row) for rows in half for row in rows if row < 900}) > 100  # and not always the same point


def test_inverse_density_gives_each_voxel_about_the_same() -> None:
    xyz = _dense_and_sparse()
    draws = [
        choose_pairs(xyz, np.arange(1000), 1, "inverse_density", 0.05, np.random.default_rng(seed))[0]
        for seed in range(4000)
    ]
    assert np.mean(np.array(draws) < 900) == pytest.approx(1 / 101, abs=0.006)
    uniform = choose_pairs(xyz, np.arange(1000), 100, "uniform", 0.05, np.random.default_rng(0))
    weighted = choose_pairs(xyz, np.arange(1000), 100, "inverse_density", 0.05, np.random.default_rng(0))
    assert (uniform < 900).mean() > 0.8
    assert 0 < (weighted < 900).mean() < 0.2


def test_weights_one_after_the_other() -> None:
    """Two of three candidates, two of them in one voxel: the lone one has weight 1, the others 1/2 each."""
    xyz = np.array([[0, 0, 0], [0.01, 0, 0], [1, 0, 0]], np.float32)
    left_out = [
        ({0, 1, 2} - set(choose_pairs(xyz, np.arange(3), 2, "inverse_density", 0.05, np.random.default_rng(s)))).pop()
        for s in range(4000)
    ]
    # First the lone one (1/2) then any; or another first (1/4 each), then the lone one with 2/3.
    assert np.mean(np.array(left_out) == 2) == pytest.approx(2 * 1 / 4 * 1 / 3, abs=0.02)


def test_wide_clouds_and_density_of_candidates_only() -> None:
    far = np.array([[0, 0, 0], [3e4, 2e4, 1e4], [3e4, 2e4, 1e4 + 1]], np.float32)
    assert sorted(choose_pairs(far, np.arange(3), 3, "voxel", 0.05, np.random.default_rng(0))) == [0, 1, 2]
    # 900 points share a voxel, but only one of them may be chosen.
    candidates = np.concatenate([[3], np.arange(900, 1000)])
    draws = [
        choose_pairs(_dense_and_sparse(), candidates, 1, "inverse_density", 0.05, np.random.default_rng(s))[0]
        for s in range(2000)
    ]
    assert np.mean(np.array(draws) == 3) == pytest.approx(1 / 101, abs=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"xyz": np.zeros((4, 2))}, r"\(N, 3\)"),
        ({"candidates": np.zeros(3)}, "integers"),
        ({"count": -1}, "at least 0"),
        ({"how": "densest"}, "uniform, inverse_density, voxel"),
        ({"voxel_size": 0.0}, "positive"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    given_ = {"xyz": np.zeros((4, 3), np.float32), "candidates": np.arange(3), "count": 2} | change
    with pytest.raises(InputError, match=message):
        choose_pairs(**given_)
