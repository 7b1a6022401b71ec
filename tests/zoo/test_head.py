"""A head travels with its backbone, and no damage to it goes unnoticed."""

import json
from pathlib import Path

import pytest
import torch

from ppkt_zoo.downstream.segmentation.folder import (
    SegmentationHead,
    SegmentationHeadConfig,
    read_segmentation_head,
)
from ppkt_zoo.errors import WeightError
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder, update_record
from ppkt_zoo.zoo.load import verify
from ppkt_zoo.zoo.tensors import file_entry
from tests.zoo.tiny_weight import edit_config, make_folder, rewrite_tensors


def a_head(level: str = "fine", channels: int = 6) -> SegmentationHead:
    generator = torch.Generator().manual_seed(4)
    weight = torch.randn((3, channels), generator=generator)
    return SegmentationHead(
        SegmentationHeadConfig(level=level, classes=("wall", "floor", "chair")), weight, torch.tensor([0.5, -0.5, 0.0])
    )


@pytest.fixture
def with_head(tmp_path: Path) -> WeightFolder:
    return make_folder(tmp_path / "net", head=a_head())


def test_it_comes_back_as_it_was_and_verifies(with_head: WeightFolder) -> None:
    found = read_segmentation_head(open_weight_folder(with_head.path))
    assert found.config == a_head().config
    assert torch.equal(found.weight, a_head().weight)
    assert torch.equal(found.bias, a_head().bias)
    report = verify(with_head.path)
    assert set(report.errors) == {"coarse", "fine", "head"}
    assert report.errors["head"] < 1e-5


def test_another_record_leaves_it_there(with_head: WeightFolder) -> None:
    update_record(with_head.path, with_head.record().model_copy(update={"limits": ("none",)}))
    assert torch.equal(read_segmentation_head(open_weight_folder(with_head.path)).weight, a_head().weight)


def test_a_backbone_alone_says_how_to_get_a_head(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match="is a backbone without a head: fine-tune one first"):
        read_segmentation_head(make_folder(tmp_path / "net"))


@pytest.mark.parametrize(("level", "channels", "said"), [("fine", 5, "must be float32"), ("finest", 6, "'finest'")])
def test_a_head_of_another_backbone_is_not_written(tmp_path: Path, level: str, channels: int, said: str) -> None:
    with pytest.raises(WeightError, match=said):
        make_folder(tmp_path / "net", head=a_head(level, channels))
    assert not (tmp_path / "net").exists()


def test_damage_that_no_hash_shows(with_head: WeightFolder) -> None:
    rewrite_tensors(with_head.path, "head.safetensors", lambda tensors: tensors["weight"].add_(1))
    with pytest.raises(WeightError, match=r"NOT VERIFIED.*head"):
        verify(with_head.path)
    rewrite_tensors(with_head.path, "head.safetensors", lambda tensors: tensors["bias"].fill_(torch.nan))
    with pytest.raises(WeightError, match="NaN"):
        read_segmentation_head(open_weight_folder(with_head.path))


def test_other_classes_in_the_config_are_refused(with_head: WeightFolder) -> None:
    file = with_head.path / "head.json"
    content = json.dumps({**json.loads(file.read_text()), "classes": ["wall", "floor", "table"]}).encode()
    file.write_bytes(content)
    with pytest.raises(WeightError, match=r"not the recorded file|bytes"):
        read_segmentation_head(open_weight_folder(with_head.path))
    files = json.loads((with_head.path / "config.json").read_text())["files"]
    edit_config(with_head.path, files={**files, "head.json": file_entry(content).model_dump()})
    with pytest.raises(WeightError, match=r"disagree on classes"):
        read_segmentation_head(open_weight_folder(with_head.path))


def test_one_of_the_two_files_alone_is_refused(with_head: WeightFolder) -> None:
    files = json.loads((with_head.path / "config.json").read_text())["files"]
    del files["head.json"]
    edit_config(with_head.path, files=files)
    with pytest.raises(WeightError, match="only one of"):
        open_weight_folder(with_head.path)
