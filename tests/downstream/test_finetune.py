"""Fine-tuning learns, repeats itself under one seed, and leaves what it was given alone."""

from typing import Literal

import numpy as np
import pytest
import torch

from ppkt_zoo.backbones.sr_unet import SRUNet
from ppkt_zoo.downstream.finetune import FinetuneRecipe, LabelledCloud, evaluate, finetune
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.input_spec import InputSpec

RECIPE = FinetuneRecipe(steps=40, clouds_per_step=2, lr=5e-3, head_lr=3e-2, batch_norm="train")


def small_backbone(seed: int = 0) -> SRUNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = InputSpec(voxel_size=0.1)
        return SRUNet(input_spec=spec, planes=(8,) * 8, blocks=(1,) * 8, stem_channels=8, stem_kernel=3).eval()


def red_and_blue(seed: int, points: int = 200) -> LabelledCloud:
    """A box of points of two colours; the colour is the class, a tenth has none."""
    generator = np.random.default_rng(seed)
    xyz = generator.uniform(0, 2, (points, 3)).astype(np.float32)
    label = (xyz[:, 0] > 1).astype(np.int64)
    rgb = np.where(label[:, None] == 1, (220, 30, 30), (30, 30, 220)).astype(np.uint8)
    label[: points // 10] = -1
    return LabelledCloud(PointCloud.from_arrays(xyz, rgb), torch.from_numpy(label))


def turn(xyz: np.ndarray, rgb: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drop some points and turn the rest about z."""
    kept = np.flatnonzero(generator.random(len(xyz)) > 0.2)
    angle = generator.uniform(0, 2 * np.pi)
    flat = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return (xyz[kept] @ flat.T).astype(np.float32), rgb[kept], kept


CLOUDS = [red_and_blue(seed) for seed in range(3)]
TEST = [red_and_blue(seed) for seed in (10, 11)]


def test_it_learns() -> None:
    done = finetune(small_backbone(), CLOUDS, 2, RECIPE, seed=0, augmentation=turn)
    assert len(done.losses) == RECIPE.steps
    assert done.losses[-1] < 0.5 * done.losses[0]
    assert not done.model.training
    score = evaluate(done.model, TEST, 2)
    assert score.matrix.sum() == sum(int((one.label >= 0).sum()) for one in TEST)
    assert score.mean_iou() > 0.8


def test_one_seed_one_result_and_the_given_backbone_stays() -> None:
    backbone = small_backbone()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    recipe = FinetuneRecipe(steps=3)
    torch.manual_seed(5)
    first = finetune(backbone, CLOUDS, 2, recipe, seed=1, augmentation=turn)
    state = torch.random.get_rng_state()
    second = finetune(backbone, CLOUDS, 2, recipe, seed=1, augmentation=turn)
    other = finetune(backbone, CLOUDS, 2, recipe, seed=2, augmentation=turn)
    assert first.losses == second.losses
    for key, value in first.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    assert first.losses != other.losses
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def statistics(network: torch.nn.Module) -> list[torch.Tensor]:
    return [value.clone() for key, value in network.state_dict().items() if "running" in key]


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_batch_norm_keeps_its_statistics_or_gathers_them(batch_norm: Literal["frozen", "train"]) -> None:
    backbone = small_backbone()
    before = statistics(backbone)
    done = finetune(backbone, CLOUDS, 2, FinetuneRecipe(steps=2, batch_norm=batch_norm), seed=0)
    same = [torch.equal(one, other) for one, other in zip(before, statistics(done.model.backbone), strict=True)]
    assert before
    assert all(same) if batch_norm == "frozen" else not any(same)
    assert not any(module.training for module in done.model.modules())


def test_a_cloud_without_colour_is_augmented_too() -> None:
    spec = InputSpec(voxel_size=0.1, channels=("ones",))
    backbone = SRUNet(input_spec=spec, planes=(8,) * 8, blocks=(1,) * 8, stem_channels=8, stem_kernel=3)
    bare = [LabelledCloud(PointCloud(one.cloud.xyz), one.label) for one in CLOUDS]
    done = finetune(backbone, bare, 2, FinetuneRecipe(steps=1), seed=0, augmentation=turn)
    assert np.isfinite(done.losses).all()


def test_bad_input_is_named() -> None:
    backbone, cloud = small_backbone(), CLOUDS[0].cloud
    unlabelled = LabelledCloud(cloud, torch.full((len(cloud),), -1))
    with pytest.raises(InputError, match="at least one labelled cloud"):
        finetune(backbone, [], 2, RECIPE, seed=0)
    three = LabelledCloud(cloud, CLOUDS[0].label.clamp(min=0) + 1)
    with pytest.raises(InputError, match="cloud 1 has the label 2, outside"):
        finetune(backbone, [CLOUDS[0], three], 2, RECIPE, seed=0)
    with pytest.raises(InputError, match="at least 2 classes"):
        finetune(backbone, CLOUDS, 1, RECIPE, seed=0)
    with pytest.raises(InputError, match="cloud 0 has no labelled point"):
        finetune(backbone, [unlabelled], 2, RECIPE, seed=0)
    with pytest.raises(InputError, match="int64"):
        LabelledCloud(cloud, torch.zeros(len(cloud)))
    with pytest.raises(InputError, match="one a point"):
        LabelledCloud(cloud, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(InputError, match="got -4"):
        LabelledCloud(cloud, torch.full((len(cloud),), -4))
    with pytest.raises(InputError, match="recipe"):
        FinetuneRecipe(steps=0)
    with pytest.raises(InputError, match="weight_decay"):
        FinetuneRecipe(weight_decay=-1.0)
    with pytest.raises(InputError, match="batch_norm"):
        FinetuneRecipe(batch_norm="none")  # type: ignore[arg-type]
