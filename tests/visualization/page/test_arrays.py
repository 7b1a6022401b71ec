"""Arrays of a page hold what was packed, and features give the similarity that they had."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.page import view
from ppkt_zoo.visualization.page.features import STEPS, pack_features, page_similarity, unit_rows
from ppkt_zoo.visualization.page.planes import along_curve, pack_array
from ppkt_zoo.visualization.pca import ColorBasis
from tests.visualization.page.made_up import NAMES, corner
from tests.visualization.page.reading import about_of, array_of, features_of, places_of


@pytest.fixture(scope="module")
def page() -> str:
    xyz, rgb, features, labels, boxes = corner()
    return view(xyz + np.float64([5e5, 5e6, 100]), rgb, features, (labels, NAMES), boxes, title="corner").html


def test_places_are_within_half_a_step_also_far_from_the_origin(page: str) -> None:
    xyz = corner().xyz + np.float64([5e5, 5e6, 100])
    step = about_of(page)["step"]
    assert step <= 2.0 / 65_535 * 1.001
    assert np.abs(places_of(page) - xyz[array_of(page, "row")]).max() <= 0.51 * step


def test_colours_classes_and_rows_are_those_of_the_cloud(page: str) -> None:
    xyz, rgb, features, labels, _ = corner()
    rows = array_of(page, "row")
    assert sorted(rows.tolist()) == list(range(len(xyz)))
    np.testing.assert_array_equal(array_of(page, "color"), rgb[rows])
    np.testing.assert_array_equal(array_of(page, "classes"), labels[rows])
    np.testing.assert_array_equal(array_of(page, "pca"), ColorBasis.fit(features).colors(features)[rows])


def test_similarity_is_that_of_the_features_to_a_step(page: str) -> None:
    about, rows, features = about_of(page)["features"], array_of(page, "row"), corner().features
    unit = features[rows] / np.linalg.norm(features[rows], axis=1, keepdims=True)
    for picked in (0, 1000, 2999):
        ours = page_similarity(features_of(page), np.float32(about["scale"]), picked, about["unit"])
        assert np.abs(ours - unit @ unit[picked]).max() <= 1 / STEPS
        assert ours[picked] == pytest.approx(1, abs=1e-5)
    assert 0 < about["error"] <= 1 / STEPS


def test_points_of_one_voxel_share_a_row_of_features() -> None:
    table = np.random.default_rng(0).normal(size=(50, 20)).astype(np.float32)
    each = np.random.default_rng(1).integers(0, 50, 5000)
    packed = pack_features(table[each], 10**7)
    assert packed.arrays["features"].about["rows"] == 50
    assert packed.arrays["feature_row"].about["rows"] == 5000


def test_where_features_do_not_fit_the_strongest_directions_stay_and_the_error_is_told() -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(4000, 6)) @ rng.normal(size=(6, 64)) + 0.05 * rng.normal(size=(4000, 64))).astype("f4")
    whole = pack_features(features, 10**7)
    assert (whole.kept, whole.unit) == (64, True)
    room = sum(one.characters for one in whole.arrays.values()) // 4
    part = pack_features(features, room)
    assert not part.unit
    assert 6 <= part.kept < 64
    assert sum(one.characters for one in part.arrays.values()) <= room
    assert whole.error < part.error < 0.1


def test_features_that_are_not_finite_are_refused_and_zeros_are_not() -> None:
    features = np.ones((10, 4), np.float32)
    features[3] = 0
    assert pack_features(features, 10**6).error < 0.01
    features[5, 1] = np.nan
    with pytest.raises(InputError, match="row 5"):
        unit_rows(features)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.uint32])
def test_every_type_survives(kind: type) -> None:
    limits = np.iinfo(kind)
    values = np.random.default_rng(0).integers(limits.min, limits.max, (300, 2), kind, endpoint=True)
    for table in (values, np.sort(values, axis=0)):
        packed = pack_array(table)
        fake = f'<script type="text/plain" id="array-a">{packed.text}</script>'
        about = '<script type="application/json" id="about">{"arrays":{"a":%s}}</script>'
        read = array_of(
            about % str(packed.about).replace("'", '"').replace("True", "true").replace("False", "false") + fake, "a"
        )
        np.testing.assert_array_equal(read, table)


def test_the_curve_keeps_neighbours_together() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(16, dtype=np.uint16)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    walk = grid[along_curve(grid)].astype(int)
    assert np.abs(np.diff(walk, axis=0)).sum(axis=1).mean() < 3.5
