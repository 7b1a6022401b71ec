"""The truth of the permissive frames, what is asked about them, and who may not be asked."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation.permissive import HELD_OUT, SEEN, TABLES, Permissive
from benchmarks.evaluation.permissive_measures import (
    Sample,
    feature_correlation,
    objects_on_tables,
    same_place,
    teacher_agreement,
    twins,
)
from benchmarks.evaluation.probing import LAST
from benchmarks.evaluation.real_permissive import check_held_out
from benchmarks.evaluation.table_plane import label_by_table
from ppkt_zoo.points.cloud import PointCloud


def made_up_table(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A floor, a table above it with a box on it, and a wall behind; classes 0 table, 1 box, −1 the rest."""
    floor = rng.uniform((-2, -2, -0.75), (2, 2, -0.75), (9000, 3))
    top = rng.uniform((-0.5, -0.4, 0), (0.5, 0.4, 0), (4000, 3))
    box = rng.uniform((-0.1, -0.1, 0.03), (0.1, 0.1, 0.2), (500, 3))
    wall = rng.uniform((-2, 1, -0.75), (2, 1, 1), (3000, 3))
    xyz = np.concatenate([floor, top, box, wall]) + rng.normal(0, 0.002, (16500, 3))
    truth = np.repeat([-1, 0, 1, -1], [9000, 4000, 500, 3000])
    tilt = np.radians(4)
    turn = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    return (xyz @ turn.T + [3, 1, 0.5]).astype(np.float32), truth


def test_a_table_and_what_stands_on_it_are_told_apart_though_the_floor_is_larger() -> None:
    xyz, truth = made_up_table(np.random.default_rng(0))
    label = label_by_table(xyz)
    told = label >= 0
    assert (label[told] == truth[told]).all()
    assert (label[truth == 1] == 1).mean() > 0.95
    assert (label[truth == 0] == 0).mean() > 0.8, "all but the border"


def test_a_floor_alone_has_nothing_on_it() -> None:
    rng = np.random.default_rng(1)
    label = label_by_table(rng.uniform((-0.5, -0.5, 0), (0.5, 0.5, 0.001), (9000, 3)).astype(np.float32))
    assert set(label.tolist()) == {0, -1}


def made_up_samples(noise: float) -> tuple[dict, dict]:
    """Frames of every source whose features are the teacher's, mixed, under noise; classes follow from them too."""
    rng = np.random.default_rng(2)
    mix = rng.standard_normal((6, 6))
    keys = [key for source, indices in TABLES for key in ((source, index) for index in indices)]
    keys += [(source, index) for source in SEEN for index in range(2)]
    features, samples = {}, {}
    for key in keys:
        seen = rng.standard_normal((400, 6)).astype(np.float32)
        features[key] = (seen @ mix + noise * rng.standard_normal((400, 6))).astype(np.float32)
        samples[key] = Sample(
            np.arange(400), (seen[:, 0] > 0).astype(np.int64), seen, np.where(seen[:, 1] > 0, 1, 0).astype(np.int64)
        )
    return features, samples


def test_features_that_hold_all_score_all_and_others_do_not() -> None:
    held_out = [key for key in made_up_samples(0)[0] if key[0] in HELD_OUT]
    scores = []
    for noise in (0.0, 30.0):
        features, samples = made_up_samples(noise)
        seen = [key for key in samples if key[0] in SEEN]
        correlation = feature_correlation(features, samples, seen, held_out, 0)
        agreement = teacher_agreement(features, samples, seen, held_out, 0)
        scores.append((correlation, agreement, *objects_on_tables(features, samples, 0, neighbours=True)))
    assert min(scores[0]) > 0.9
    assert scores[1][0] < 0.3
    assert max(scores[1][1:]) < 0.6


def test_the_same_place_is_found_by_features_that_know_it() -> None:
    rng = np.random.default_rng(3)
    first = PointCloud.from_arrays(rng.uniform(0, 3, (3000, 3)).astype(np.float32))
    second = PointCloud.from_arrays(first.xyz.numpy()[::-1].copy() + np.float32(0.001))
    twin = twins(first, second)
    assert (twin == np.arange(3000)[::-1]).mean() > 0.99
    assert twins(first, PointCloud.from_arrays(second.xyz.numpy() + np.float32(9))).max() == -1

    def knows(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
        # Height and the number of the point: what a turn about z leaves as it was.
        rows = rows if cloud is first else 2999 - rows
        return {LAST: np.stack([np.cos(rows), np.sin(rows), np.cos(rows * 0.01), np.sin(rows * 0.01)], axis=1)}

    def guesses(cloud: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
        return {LAST: np.random.default_rng(len(rows)).standard_normal((len(rows), 8))}

    hit, chance = same_place(knows, (first, second), twin, 0)
    assert hit == 1.0
    assert chance < 0.05
    assert same_place(guesses, (first, second), twin, 0)[0] < 0.1


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "frames", "name": "real_permissive"},
        {"kind": "frames", "name": "real_permissive", "folders": ["okrobot-desk", "uois-tabletop"]},
        {"kind": "frames", "name": "cleargrasp-d435"},
    ],
)
def test_a_weight_trained_on_what_is_held_out_is_refused(entry: dict) -> None:
    allowed = {"kind": "frames", "name": "real_permissive", "folders": ["okrobot-desk"]}
    check_held_out({"weight": "a.b", "data": [{"kind": "rooms", "seed": 1}, allowed]})
    with pytest.raises(SystemExit, match=r"a\.b was trained on .*: its figures there would prove nothing"):
        check_held_out({"weight": "a.b", "data": [{"kind": "rooms", "seed": 1}, entry]})


def test_every_held_out_frame_belongs_to_one_table(shared: Path) -> None:
    frames = Permissive(shared)
    assert sorted(key for source, some in TABLES for key in ((source, one) for one in some)) == sorted(
        frames.keys(HELD_OUT)
    )
    one = frames.cloud(("uois-tabletop", 5))
    label = frames.on_table(("uois-tabletop", 5), one)
    height = one.cloud.xyz[:, 2].numpy()
    assert height[label == 1].min() > np.median(height[label == 0]) > height.min() + 0.3, "the table, not the floor"
    assert not set(HELD_OUT) & set(SEEN)
