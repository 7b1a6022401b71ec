"""Boxes go exactly where their points go."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.downstream.detection.recipe import SceneAugmentation
from ppkt_zoo.downstream.detection.targets import inside
from ppkt_zoo.errors import InputError
from tests.downstream.detection.detection_scenes import two_scenes

SCENE = two_scenes(turned=True)[0]
PROTOCOLS = [
    SceneAugmentation.scannet(),
    SceneAugmentation.sun_rgbd(),
    SceneAugmentation(flip_x=0.5, flip_y=0.5, rotation_z=180, scale=(0.5, 2)),
]


def local(xyz: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Points in a box's own axes, in parts of its size."""
    cosine, sine = np.cos(box[6]), np.sin(box[6])
    moved = xyz.astype(np.float64) - box[:3]
    moved[:, :2] = moved[:, :2] @ np.array([[cosine, -sine], [sine, cosine]])
    return moved / box[3:6]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), which=st.integers(0, 2))
def test_boxes_follow_their_points(seed: int, which: int) -> None:
    xyz, rgb, boxes = PROTOCOLS[which](SCENE.xyz, SCENE.rgb, SCENE.boxes, np.random.default_rng(seed))
    np.testing.assert_array_equal(rgb, SCENE.rgb)
    handed = set()
    for before, after in zip(SCENE.boxes, boxes, strict=True):
        place, moved = local(SCENE.xyz, before), local(xyz, after)
        np.testing.assert_allclose(moved[:, 2], place[:, 2], atol=1e-4)
        # The way that a thing faces stays; a mirror exchanges its left and right.
        np.testing.assert_allclose(moved[:, 0], place[:, 0], atol=1e-4)
        side = np.sign(moved[:, 1] @ place[:, 1])
        np.testing.assert_allclose(moved[:, 1], side * place[:, 1], atol=1e-4)
        handed.add(side)
        factor = after[3:6] / before[3:6]
        np.testing.assert_allclose(factor, factor[0])
    assert len(handed) == 1
    # Well inside and well outside stays so.
    old = inside(torch.from_numpy(SCENE.xyz), torch.from_numpy(SCENE.boxes).float(), margin=0.01)
    new = inside(torch.from_numpy(xyz), torch.from_numpy(boxes).float(), margin=0.01)
    assert (old != new).float().mean() < 0.01


def test_protocols_stay_in_their_ranges_and_reach_them() -> None:
    rng = np.random.default_rng(0)
    factors, turns = [], []
    for _ in range(300):
        _, _, boxes = SceneAugmentation.sun_rgbd()(SCENE.xyz, None, SCENE.boxes, rng)
        factors.append(boxes[0, 3] / SCENE.boxes[0, 3])
        turn = [boxes[0, 6] - SCENE.boxes[0, 6], boxes[0, 6] - (np.pi - SCENE.boxes[0, 6])]
        turns.append(np.rad2deg(min(abs(np.arctan2(np.sin(turn), np.cos(turn))))))
    assert 0.85 <= min(factors) < 0.87
    assert 1.13 < max(factors) <= 1.15
    assert 25 < max(turns) <= 30 + 1e-6


def test_nothing_is_the_default_and_the_scene_stays() -> None:
    before = SCENE.boxes.copy()
    xyz, rgb, boxes = SceneAugmentation()(SCENE.xyz, SCENE.rgb, SCENE.boxes, np.random.default_rng(0))
    np.testing.assert_array_equal(xyz, SCENE.xyz)
    np.testing.assert_allclose(boxes, before, atol=1e-12)
    PROTOCOLS[2](SCENE.xyz, rgb, SCENE.boxes, np.random.default_rng(0))
    np.testing.assert_array_equal(SCENE.boxes, before)


def test_colors_may_change_and_points_be_dropped_but_not_moved() -> None:
    some = SceneAugmentation(colors=CloudAugmentation(brightness=0.3, dropout=(0.5, 0.5)))
    xyz, rgb, boxes = some(SCENE.xyz, SCENE.rgb, SCENE.boxes, np.random.default_rng(0))
    assert 0.4 < len(xyz) / len(SCENE.xyz) < 0.6
    assert rgb is not None
    assert len(rgb) == len(xyz)
    np.testing.assert_allclose(boxes, SCENE.boxes, atol=1e-12)
    with pytest.raises(ValueError, match="the boxes would not follow"):
        SceneAugmentation(colors=CloudAugmentation(rotation_z=10))
    with pytest.raises(ValueError, match="must be above 0"):
        SceneAugmentation(scale=(0, 1))
    with pytest.raises(InputError, match="nothing to augment"):
        SceneAugmentation()(SCENE.xyz[:0], None, SCENE.boxes, np.random.default_rng(0))
