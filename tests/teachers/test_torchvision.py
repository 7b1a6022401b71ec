"""Dilated ResNets: the old cells keep their numbers, new ones lie between them; and specs that say so."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model

from ppkt_zoo.errors import TeacherError
from ppkt_zoo.teachers.receptive_field import CellGrid
from ppkt_zoo.teachers.teacher import Teacher, TeacherSpec, load_teacher
from ppkt_zoo.teachers.torchvision import empty_network

OLD_KEYS = ["architecture", "stage", "weights", "sha256", "padding", "mean", "std", "image_size"]


def _lively(network: nn.Module) -> nn.Module:
    """Batch norms as training leaves them, so that every branch counts."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    ("architecture", "size"),
    [("resnet18", (97, 128)), ("resnet18", (128, 98)), ("resnet34", (64, 65)), ("resnet50", (65, 64))],
)
def test_old_cells_keep_their_numbers(architecture: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    tensors = _lively(get_model(architecture, weights=None)).state_dict()
    images = torch.rand(1, 3, *size)
    maps = {}
    for stride in (32, 16, 8):
        network = empty_network(architecture, stride)
        network.load_state_dict(tensors)
        spec = TeacherSpec.model_validate(
            {"architecture": architecture, "stage": "layer4", "weights": "file", "output_stride": stride}
        )
        teacher = Teacher(spec, network)
        assert teacher.stride == stride
        rows, columns = teacher.feature_to_pixel(size)
        assert rows == CellGrid(-(-size[0] // stride), stride, 0.0)
        maps[stride] = teacher(images)
        assert maps[stride].shape[-2:] == (rows.cells, columns.cells)
    scale = float(maps[32].abs().max())
    assert maps[32].std() > 0.01 * scale
    for stride, every in ((16, 2), (8, 4)):
        torch.testing.assert_close(maps[stride][..., ::every, ::every], maps[32], rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(("output_stride", "replaced"), [(16, (False, False, True)), (8, (False, True, True))])
def test_bottlenecks_as_torchvision_dilates_them(output_stride: int, replaced: tuple[bool, ...]) -> None:
    torch.manual_seed(0)
    reference = _lively(get_model("resnet50", weights=None, replace_stride_with_dilation=list(replaced)))
    mine = empty_network("resnet50", output_stride).eval()
    mine.load_state_dict(reference.state_dict())
    images = torch.rand(1, 3, 96, 64)
    torch.testing.assert_close(mine(images), reference(images), rtol=1e-5, atol=1e-6)


def test_a_dilated_network_does_not_classify(tmp_path: Path) -> None:
    file = tmp_path / "resnet.safetensors"
    save_file(get_model("resnet18", weights=None).state_dict(), file)
    spec = TeacherSpec(architecture="resnet18", stage="layer3", weights="file", output_stride=8)
    teacher = load_teacher(spec, file)
    assert (teacher.stride, teacher.channels) == (8, 256)
    with pytest.raises(TeacherError, match="only features"):
        teacher.logits(torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize("architecture", ["resnext50_32x4d", "wide_resnet50_2"])
def test_wider_resnets_by_name(architecture: str) -> None:
    network = empty_network(architecture, 16)
    assert network.layer4[0].conv2.stride == (1, 1)  # type: ignore[union-attr,index]
    assert network.layer4[1].conv2.dilation == (2, 2)  # type: ignore[union-attr,index]


def test_specs_of_old_have_the_old_dump() -> None:
    """Caches of teacher features and runs to be resumed are found by a hash of this."""
    old = {"architecture": "resnet50", "stage": "layer4", "weights": "IMAGENET1K_V2"}
    spec = TeacherSpec.model_validate(old)
    assert spec.model_dump(mode="json") == old | dict.fromkeys(["sha256", "mean", "std", "image_size"]) | {
        "padding": "torch"
    }
    assert list(spec.model_dump()) == OLD_KEYS
    assert list(TeacherSpec.model_validate(spec.model_dump() | {"output_stride": 32}).model_dump()) == OLD_KEYS


def test_new_choices_stand_in_the_dump() -> None:
    spec = TeacherSpec(
        architecture="resnet50", stage="layer4", weights="IMAGENET1K_V2", output_stride=8, upsampling="plain"
    )
    dump = spec.model_dump(mode="json")
    assert (dump["output_stride"], dump["upsampling"]) == (8, "plain")
    assert TeacherSpec.model_validate(dump) == spec
    assert TeacherSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"output_stride": 4}, "8, 16 or 32"),
        ({"upsampling": "nearest"}, "'aligned' or 'plain'"),
        ({"architecture": "mobilenet_v2", "stage": "features", "output_stride": 16}, "output_stride 16 is for ResNets"),
        ({"architecture": "timm:resnet50"}, "stage0, stage1, … and last"),
        ({"architecture": "timm:resnet50", "stage": "last"}, "must be 'file' or 'timm', got 'IMAGENET1K_V2'"),
        ({"architecture": "timm:"}, "timm:"),
    ],
)
def test_bad_choices(change: dict, words: str) -> None:
    good = {"architecture": "resnet50", "stage": "layer4", "weights": "IMAGENET1K_V2"}
    with pytest.raises(ValidationError, match=words):
        TeacherSpec.model_validate(good | change)
