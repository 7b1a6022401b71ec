"""A step's data is a pure function of recipe and step, bounded in size, and never without a label."""

import numpy as np
import pytest
import torch

from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.sampler import SceneSampler
from ppkt_zoo.downstream.segmentation.dataset import SegmentationDataset, crop_rows, first_of_each
from ppkt_zoo.downstream.segmentation.recipe import CropSection
from ppkt_zoo.downstream.splits import fraction_of
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.voxelize import voxelize
from tests.downstream.segmentation.tiny_scenes import TinyScenes, tiny_recipe, tiny_scene


def test_a_step_does_not_depend_on_those_before() -> None:
    first, again = (SegmentationDataset(TinyScenes(0, 1, 2), tiny_recipe()) for _ in range(2))
    for step in range(3):
        first[step]
    a, b = first[3], again[3]
    assert torch.equal(a.clouds.xyz, b.clouds.xyz)
    assert torch.equal(a.rows, b.rows)
    assert not torch.equal(a.clouds.xyz, again[2].clouds.xyz)
    other = SegmentationDataset(TinyScenes(0, 1, 2), tiny_recipe(seed=1))[3]
    assert not torch.equal(a.clouds.xyz, other.clouds.xyz)


def test_all_scenes_come_before_any_comes_again() -> None:
    sampler = SceneSampler(TinyScenes(0, 1, 2, 3), seed=0)
    names = [sampler.sample(position).name for position in range(40)]
    assert all(len(set(names[start : start + 4])) == 4 for start in range(0, 40, 4))
    assert len({tuple(names[start : start + 4]) for start in range(0, 40, 4)}) > 3


def test_one_labelled_point_of_each_voxel_is_asked() -> None:
    recipe = tiny_recipe()
    batch = SegmentationDataset(TinyScenes(0, 1), recipe)[0]
    inverse = voxelize(batch.clouds, recipe.backbone.input_spec).inverse
    assert len(inverse[batch.rows].unique()) == len(batch.rows) < len(inverse)
    assert int(batch.label.min()) == 0
    everything = SegmentationDataset(TinyScenes(0, 1), tiny_recipe(loss_on="points", augmentation={}))[0]
    assert len(everything.rows) == 2 * 270


def test_crops_are_bounded_and_hold_a_label() -> None:
    scene = tiny_scene(0)
    label = np.full(300, -1)
    label[123] = 0
    for number in range(5):
        rows = crop_rows(scene.xyz, label, CropSection(edge=0.8, points=20), np.random.default_rng(number))
        assert 123 in rows
        assert len(rows) <= 20
        assert (np.abs(scene.xyz[rows, :2] - scene.xyz[123, :2]) <= 0.4 + 1e-6).all()
        assert (np.diff(rows) > 0).all()
    nearest = crop_rows(scene.xyz, label, CropSection(points=20), np.random.default_rng(0))
    away = np.linalg.norm(scene.xyz[:, :2] - scene.xyz[123, :2], axis=1)
    assert set(nearest) == set(np.argsort(away)[:20])


def test_a_scene_without_labels_is_named() -> None:
    class Bare(TinyScenes):
        def __getitem__(self, index: int) -> LabelledScene:
            scene = super().__getitem__(index)
            scene.label.fill(-1)
            return scene

    with pytest.raises(InputError, match="scene tiny 3 has no labelled point"):
        SegmentationDataset(Bare(3), tiny_recipe())[0]


def test_fractions_are_nested_and_never_empty() -> None:
    def names(fraction: float) -> set[str]:
        part = fraction_of(TinyScenes(*range(50)), fraction)
        return {part[index].name for index in range(len(part))}

    assert len(names(0.001)) == 1
    assert len(names(0.1)) == 5
    assert names(0.001) < names(0.1) < names(0.3) < names(1.0)


@pytest.mark.parametrize("count", [0, 1, 5, 3000])
def test_the_first_point_of_each_voxel_is_found(count: int) -> None:
    voxel = np.random.default_rng(0).integers(0, max(1, count // 3), count)
    _, expected = np.unique(voxel, return_index=True)
    assert np.array_equal(first_of_each(torch.from_numpy(voxel)).numpy(), expected)
