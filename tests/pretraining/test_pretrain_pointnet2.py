"""PointNet++ through the whole path: recipe, training, weight folder, proof."""

from pathlib import Path

import torch

from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.zoo.load import load_backbone, verify
from tests.pretraining.tiny_recipe import tiny_recipe


def test_pointnet2_becomes_a_weight(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    arguments = {"centers": [256, 128, 64, 32], "neighbours": [16, 8, 8, 8]}
    recipe = Recipe.model_validate(
        tiny_recipe(
            weight="pointnet2.tiny_test",
            steps=3,
            precision="bf16",
            backbone={"name": "pointnet2", "arguments": arguments, "input_spec": {"voxel_size": 0.06}},
            loss={"level": "points", "dim": 16, "temperature": 0.07, "pairs": 64},
        )
    )
    folder = pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path / "run", cache=frame_cache, workers=0)
    assert set(verify(folder).errors) == {"sa4", "fp1", "fp2", "points"}
    backbone = load_backbone(f"local-dir:{folder}")
    cloud = torch.rand((500, 3)) * 2
    assert backbone.encode(cloud, torch.full((500, 3), 99, dtype=torch.uint8)).shape == (500, 256)
    assert "pointnet2.tiny_test" in (folder / "README.md").read_text()
