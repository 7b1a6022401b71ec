"""Checkpoints with the names and types that MoCo's and DINO's authors publish, made here, opened strictly."""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import resnet18

from ppkt_zoo.errors import TeacherError
from ppkt_zoo.teachers.checkpoints import backbone_tensors
from ppkt_zoo.teachers.teacher import Teacher, TeacherSpec, load_teacher

SPEC = TeacherSpec(architecture="resnet18", stage="layer4", weights="file")
IMAGES = torch.linspace(0, 1, 3 * 64 * 96).view(1, 3, 64, 96)
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def trunk() -> dict[str, Tensor]:
    """A ResNet-18 without its classifier."""
    torch.manual_seed(0)
    return {name: t for name, t in resnet18().state_dict().items() if not name.startswith("fc.")}


@pytest.fixture(scope="module")
def want(trunk: dict[str, Tensor]) -> Tensor:
    """What that network's features are, by torchvision alone."""
    network = resnet18()
    network.load_state_dict(trunk, strict=False)
    network.avgpool, network.fc = nn.Identity(), nn.Identity()  # type: ignore[assignment]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (IMAGES - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    with torch.no_grad():
        flat: Tensor = network.eval()(images)
    return flat.view(1, 512, 2, 3)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(content, zipped)`` → a ``.pth.tar`` as torch writes it today, or as torch before 1.6 wrote it."""

    def to_file(content: Any, zipped: bool = True) -> Path:
        file = tmp_path / "checkpoint.pth.tar"
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
        return file

    return to_file


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _projector(width: int, layers: tuple[int, ...]) -> dict[str, Tensor]:
    """MoCo v3's: linear layers without bias, batch norm behind each, the last one without weight."""
    tensors: dict[str, Tensor] = {}
    for n in layers:
        tensors[f"{n}.weight"] = torch.zeros(width, width)
        tensors |= {f"{n + 1}.{name}": torch.zeros(width) for name in ("running_mean", "running_var")}
        tensors[f"{n + 1}.num_batches_tracked"] = torch.tensor(0)
        if n != layers[-1]:
            tensors |= {f"{n + 1}.{name}": torch.zeros(width) for name in ("weight", "bias")}
    return tensors


def _moco_v1(trunk: dict[str, Tensor]) -> dict[str, Tensor]:
    encoder = trunk | {"fc.weight": torch.zeros(128, 512), "fc.bias": torch.zeros(128)}
    queue = {"module.queue": torch.zeros(128, 64), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    other = {name: torch.zeros_like(tensor) for name, tensor in encoder.items()}
    return _under("module.encoder_q.", encoder) | _under("module.encoder_k.", other) | queue


def _moco_v2(trunk: dict[str, Tensor]) -> dict[str, Tensor]:
    head = {"fc.0.weight": torch.zeros(512, 512), "fc.0.bias": torch.zeros(512)}
    head |= {"fc.2.weight": torch.zeros(128, 512), "fc.2.bias": torch.zeros(128)}
    return _under("module.encoder_q.", trunk | head)


def _moco_v3(trunk: dict[str, Tensor]) -> dict[str, Tensor]:
    encoder = trunk | _under("fc.", _projector(16, (0, 3)))
    other = {name: torch.zeros_like(tensor) for name, tensor in encoder.items()}
    predictor = _under("module.predictor.", _projector(16, (0, 3)))
    return _under("module.base_encoder.", encoder) | _under("module.momentum_encoder.", other) | predictor


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("layout", [_moco_v1, _moco_v2, _moco_v3])
def test_moco(trunk: dict, want: Tensor, write: Write, layout: Callable[[dict], dict], zipped: bool) -> None:
    file = write({"epoch": 200, "arch": "resnet18", "state_dict": layout(trunk)}, zipped)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    teacher = load_teacher(SPEC.model_copy(update={"sha256": sha256}), file)
    torch.testing.assert_close(teacher(IMAGES), want, rtol=1e-4, atol=1e-4)
    assert teacher.sha256 == sha256
    with pytest.raises(TeacherError, match="held no classifier"):
        teacher.logits(IMAGES)
    with pytest.raises(TeacherError, match="the spec asks for 0000"):
        load_teacher(SPEC.model_copy(update={"sha256": "0" * 64}), file)


@pytest.mark.parametrize(
    "content",
    [
        lambda trunk: trunk,  # dino_resnet50_pretrain.pth
        lambda trunk: {"model": trunk},
        lambda trunk: {"state_dict": _under("module.momentum_encoder.", trunk)},
        lambda trunk: _under("encoder_q.", trunk),  # trained on one device
        lambda trunk: {name: t.half() if t.is_floating_point() else t for name, t in trunk.items()},
    ],
)
def test_other_files_with_the_same_network(trunk: dict, want: Tensor, write: Write, content: Callable) -> None:
    teacher: Teacher = load_teacher(SPEC, write(content(trunk)))
    torch.testing.assert_close(teacher(IMAGES), want, rtol=5e-2, atol=5e-2)
    assert not teacher.has_head


def test_a_supervised_checkpoint_keeps_its_classifier(trunk: dict, write: Write, tmp_path: Path) -> None:
    classifier = {"fc.weight": torch.ones(1000, 512), "fc.bias": torch.zeros(1000)}
    teacher = load_teacher(SPEC, write({"state_dict": _under("module.", trunk | classifier)}))
    assert teacher.logits(IMAGES).shape == (1, 1000)
    save_file(_moco_v2(trunk), tmp_path / "moco.safetensors")
    assert not load_teacher(SPEC, tmp_path / "moco.safetensors").has_head


def test_what_does_not_belong_is_listed(trunk: dict, write: Write) -> None:
    extra = {"module.predictor.0.weight": torch.zeros(1), "module.decoder.weight": torch.zeros(1)}
    with pytest.raises(TeacherError, match=r"2 tensors .* does not have: predictor\.0\.weight, decoder\.weight"):
        load_teacher(SPEC, write(_moco_v2(trunk) | extra))
    with pytest.raises(TeacherError, match=r"unknown: fc\.scale"):
        load_teacher(SPEC, write(_moco_v2(trunk) | {"module.encoder_q.fc.scale": torch.zeros(1)}))
    lacking = _moco_v1(trunk)
    del lacking["module.encoder_q.layer3.0.conv1.weight"]
    with pytest.raises(TeacherError, match=r"1 missing: layer3\.0\.conv1\.weight"):
        load_teacher(SPEC, write(lacking))
    with pytest.raises(TeacherError, match=r"does not fit ResNet: .*missing: layer1\.2"):
        load_teacher(SPEC.model_copy(update={"architecture": "resnet34"}), write(_moco_v2(trunk)))


def test_unknown_prefixes_are_listed(trunk: dict, write: Write) -> None:
    with pytest.raises(TeacherError, match=r"begin with backbone\.bn1, backbone\.conv1, backbone\.layer1"):
        load_teacher(SPEC, write(_under("backbone.", trunk)))


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_besides_tensors_are_refused(trunk: dict, write: Write, zipped: bool) -> None:
    file = write({"state_dict": _moco_v2(trunk), "extra": argparse.Namespace(lr=0.03)}, zipped)
    with pytest.raises(
        TeacherError, match=r"holds a argparse\.Namespace.*was not opened.*\['state_dict'\], 'tensors.pth'"
    ):
        load_teacher(SPEC, file)


@pytest.mark.parametrize("zipped", [True, False])
def test_numbers_of_numpy_besides_tensors_are_harmless(trunk: dict, want: Tensor, write: Write, zipped: bool) -> None:
    scores = {"best": np.float64(67.5), "epoch": np.int64(3), "ema": np.bool_(True), "history": np.arange(5.0)}
    file = write({"state_dict": _moco_v2(trunk), **scores}, zipped)
    torch.testing.assert_close(load_teacher(SPEC, file)(IMAGES), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "content",
    [
        lambda net: {"model_state": net, "extra": argparse.Namespace(lr=0.03)},
        lambda net: {"run": {"nets": {"student": net}}, "extra": argparse.Namespace(lr=0.03)},
        lambda net: {**net, "extra": argparse.Namespace(lr=0.03), "best": np.float64(1.0)},
    ],
)
def test_the_mend_that_is_told_works_as_it_stands(
    trunk: dict, want: Tensor, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any
) -> None:
    file = write(content(trunk))
    with pytest.raises(TeacherError) as told:
        load_teacher(SPEC, file)
    line = str(told.value).partition("keep its tensors alone: ")[2]
    monkeypatch.chdir(tmp_path)
    exec(line, {"torch": torch})
    torch.testing.assert_close(load_teacher(SPEC, tmp_path / "tensors.pth")(IMAGES), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bit", [0.3, 0.5, 0.9])
def test_one_flipped_bit_is_told(trunk: dict, write: Write, bit: float) -> None:
    file = write({"state_dict": _moco_v2(trunk)})
    content = bytearray(file.read_bytes())
    content[int(len(content) * bit)] ^= 0x10
    file.write_bytes(content)
    with pytest.raises(TeacherError, match=r"damaged"):
        load_teacher(SPEC, file)


def test_tensors_that_are_no_plain_numbers_are_told(write: Write) -> None:
    for tensor, words in (
        (torch.zeros(1).expand(10**12), "more numbers than are stored"),
        (torch.eye(3).to_sparse(), "no plain tensor"),
        (torch.empty(10**12, device="meta"), "no plain tensor"),
    ):
        with pytest.raises(TeacherError, match=words):
            load_teacher(SPEC, write({"conv1.weight": tensor}))


@pytest.mark.parametrize("zipped", [True, False])
def test_cut_checkpoints(trunk: dict, write: Write, zipped: bool) -> None:
    file = write({"state_dict": _moco_v2(trunk)}, zipped)
    whole = file.read_bytes()
    for size in (4, 100, 2000, len(whole) // 2, len(whole) - 10):
        file.write_bytes(whole[:size])
        with pytest.raises(TeacherError, match="cut or damaged"):
            load_teacher(SPEC, file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"epoch": 3, "weights": {"a": torch.zeros(1)}}, "neither 'state_dict' nor 'model'.*epoch, weights"),
        ([torch.zeros(1)], "a list without tensors"),
        (torch.zeros(3), "a Tensor without tensors"),
        ({}, "a dict without tensors"),
    ],
)
def test_files_of_other_things(write: Write, content: Any, words: str) -> None:
    with pytest.raises(TeacherError, match=words):
        load_teacher(SPEC, write(content))


def test_dinov2_names() -> None:
    file = {
        "cls_token": torch.full((1, 1, 2), 1.0),
        "pos_embed": torch.arange(10.0).view(1, 5, 2),
        "register_tokens": torch.ones(1, 4, 2),
        "mask_token": torch.zeros(1, 2),
        "blocks.0.mlp.w12.weight": torch.zeros(2),
        "norm.weight": torch.zeros(2),
    }
    found, layout = backbone_tensors(file, {"norm.weight", "reg_token", "cls_token"}, "a file")
    assert layout is None
    assert set(found) == {"cls_token", "pos_embed", "reg_token", "blocks.0.mlp.fc1.weight", "norm.weight"}
    assert found["cls_token"].flatten().tolist() == [1.0, 2.0]
    assert found["pos_embed"][0, :, 0].tolist() == [2.0, 4.0, 6.0, 8.0]
