"""timm's networks from files made here: the right maps, the right pixels, and errors that say what to do."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ppkt_zoo.errors import InputError, TeacherError
from ppkt_zoo.teachers.receptive_field import CellGrid, cell_grid
from ppkt_zoo.teachers.teacher import Teacher, TeacherSpec, load_teacher, normalisation_of
from ppkt_zoo.teachers.timm import TimmNetwork

timm: Any = pytest.importorskip("timm", reason='needs the extra: pip install "ppkt-zoo[teachers]"')

DINOV2 = "vit_small_patch14_dinov2.lvd142m"


def _spec(name: str, stage: str = "last", **more: Any) -> TeacherSpec:
    return TeacherSpec.model_validate({"architecture": f"timm:{name}", "stage": stage, "weights": "file"} | more)


def _network(name: str, **arguments: Any) -> nn.Module:
    """An untrained network whose branches all count (timm starts the last norm of residual branches at zero)."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.2, 0.8)
    return network.eval()


def _saved(network: nn.Module, file: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, file)
    return file


def _normalised(images: Tensor, network: Any) -> Tensor:
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    return (images - mean) / std


def test_vit_tokens_become_cells(tmp_path: Path) -> None:
    network: Any = _network("test_vit")
    teacher = load_teacher(_spec("test_vit"), _saved(network, tmp_path / "vit.safetensors"))
    images = torch.rand(2, 3, 160, 160)
    tokens = network.forward_features(_normalised(images, network))  # a class token, then rows of patches
    features = teacher(images)
    assert (teacher.channels, teacher.stride, normalisation_of(teacher.spec)[0]) == (64, 16, (0.5, 0.5, 0.5))
    assert features.shape == (2, 64, 10, 10)
    for row, column in ((0, 0), (3, 7), (9, 9)):
        torch.testing.assert_close(features[:, :, row, column], tokens[:, 1 + 10 * row + column], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(teacher.logits(images), network(_normalised(images, network)), rtol=1e-4, atol=1e-4)
    assert not any(p.requires_grad for p in teacher.parameters())
    assert not features.requires_grad


def test_vit_on_other_sizes(tmp_path: Path) -> None:
    file = _saved(_network("test_vit"), tmp_path / "vit.safetensors")
    teacher = load_teacher(_spec("test_vit", "stage2"), file)
    assert teacher(torch.rand(1, 3, 96, 128)).shape == (1, 64, 6, 8)
    rows, columns = teacher.feature_to_pixel((96, 128))
    assert (rows, columns) == (CellGrid(6, 16, 7.5), CellGrid(8, 16, 7.5))  # (i + 1/2) * patch - 1/2
    pixels = torch.tensor([[7.5, 7.5], [127.0, 95.0]])
    aligned = teacher.pixel_to_feature(pixels, (96, 128))
    torch.testing.assert_close(aligned, teacher.pixel_to_feature(pixels, (96, 128), "plain"))
    assert aligned[0].tolist() == [0.0, 0.0]
    for act in (lambda: teacher(torch.rand(1, 3, 100, 120)), lambda: teacher.feature_size((100, 120))):
        with pytest.raises(InputError, match=r"100 x 120 .* patches of 16 x 16 .* image_size: \[96, 128\]"):
            act()
    with pytest.raises(InputError, match=r"image_size: \[96, 128\]"):
        load_teacher(_spec("test_vit", image_size=(100, 120)), file)
    resized = load_teacher(_spec("test_vit", image_size=(96, 128)), file)
    assert resized(torch.rand(1, 3, 480, 640)).shape == (1, 64, 6, 8)


def test_dinov2_from_its_authors_file(tmp_path: Path) -> None:
    network: Any = _network(DINOV2, img_size=518)
    authors = dict(network.state_dict()) | {"mask_token": torch.zeros(1, 384)}
    torch.save(authors, tmp_path / "dinov2_vits14_pretrain.pth")
    teacher = load_teacher(_spec(DINOV2, image_size=(112, 154)), tmp_path / "dinov2_vits14_pretrain.pth")
    assert (teacher.channels, teacher.stride) == (384, 14)
    assert teacher(torch.rand(1, 3, 120, 160)).shape == (1, 384, 8, 11)
    assert teacher.feature_to_pixel((120, 160))[0] == CellGrid(8, 14, 6.5)
    torch.testing.assert_close(teacher.mean.flatten(), torch.tensor([0.485, 0.456, 0.406]))
    with pytest.raises(TeacherError, match="held no classifier"):
        teacher.logits(torch.rand(1, 3, 112, 154))


def test_moco_v3_vit_small_has_twelve_heads(tmp_path: Path) -> None:
    """The same shapes with six heads: only the numbers would be wrong."""
    network: Any = _network("vit_small_patch16_224", num_heads=12, num_classes=0, dynamic_img_size=True)
    encoder = {f"module.base_encoder.{name}": tensor for name, tensor in network.state_dict().items()}
    head = {"module.base_encoder.head.0.weight": torch.zeros(8, 384), "module.predictor.0.weight": torch.zeros(8, 8)}
    torch.save({"state_dict": encoder | head}, tmp_path / "vit-s-300ep.pth.tar")
    teacher = load_teacher(_spec("vit_small_patch16_224"), tmp_path / "vit-s-300ep.pth.tar")
    images = torch.rand(1, 3, 48, 64)
    tokens = network.forward_features(_normalised(images, network))[:, 1:]
    torch.testing.assert_close(teacher(images).flatten(2).transpose(1, 2), tokens, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "stage", "offset"),
    [
        ("resnet18", "stage2", 0.0),
        ("test_efficientnet", "last", 0.0),
        ("test_convnext", "last", 15.5),  # patches again and again
        ("test_vit", "last", 7.5),
        ("resnetblur18", "last", 0.0),  # strides are in blurs, not in convolutions
        ("tf_mobilenetv3_small_minimal_100", "stage2", 7.0),  # TensorFlow's padding of even sizes
        ("pvt_v2_b0", "stage1", 0.0),  # overlapping patches, and attention that thins its keys by eight
    ],
)
def test_cells_look_where_we_say(name: str, stage: str, offset: float) -> None:
    """A cell's sensitivity to the pixels is centred where its window is, whatever the weights."""
    size = 256
    network = _network(name)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
    teacher = TimmNetwork(network, name, stage).requires_grad_(False)
    grid = cell_grid(teacher.windows, size, axis=0)
    assert grid.offset == offset
    images = torch.rand(2, 3, size, size).requires_grad_()
    features = teacher(images)
    assert features.shape == (2, teacher.channels, grid.cells, grid.cells)
    cell = grid.cells // 2
    sensitivity = torch.zeros(size, size)
    for _ in range(6):
        mix = torch.randn(2, teacher.channels)
        [gradient] = torch.autograd.grad((features[..., cell, cell] * mix).sum(), images, retain_graph=True)
        sensitivity += gradient.square().sum((0, 1))
    places = torch.arange(size)
    for axis in (0, 1):
        found = float((sensitivity.sum(1 - axis) * places).sum() / sensitivity.sum())
        # corners and middles of cells lie (stride - 1) / 2 apart
        assert found == pytest.approx(grid.stride * cell + offset, abs=grid.stride / 4)


def test_cnn_stages_and_dilation(tmp_path: Path) -> None:
    network: Any = _network("resnet18")
    file = _saved(network, tmp_path / "resnet.safetensors")
    images = torch.rand(1, 3, 64, 96)
    plain, dilated = (load_teacher(_spec("resnet18", output_stride=stride), file) for stride in (32, 8))
    assert (plain.stride, dilated.stride, dilated.channels) == (32, 8, 512)
    torch.testing.assert_close(
        plain(images), network.forward_features(_normalised(images, network)), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(dilated(images)[..., ::4, ::4], plain(images), rtol=1e-3, atol=1e-3)
    second = load_teacher(_spec("resnet18", "stage2"), file)
    assert (second.channels, second.stride) == (128, 8)
    with pytest.raises(TeacherError, match="no stage 'stage9': it has stage0 to stage4, and last"):
        load_teacher(_spec("resnet18", "stage9"), file)
    vit = _saved(_network("test_vit"), tmp_path / "vit.safetensors")
    with pytest.raises(TeacherError, match="leave output_stride away"):
        load_teacher(_spec("test_vit", output_stride=16), vit)


def test_images_that_a_network_would_pad(tmp_path: Path) -> None:
    name = "swin_tiny_patch4_window7_224"
    teacher = TimmNetwork(timm.create_model(name, dynamic_img_size=True).eval(), name, "last")
    with torch.no_grad():
        assert teacher(torch.rand(1, 3, 64, 96)).shape == (1, 768, 2, 3)
        with pytest.raises(InputError, match=r"set image_size: \[64, 96\]"):
            teacher(torch.rand(1, 3, 68, 100))


def test_loading_is_strict(tmp_path: Path) -> None:
    network = _network("test_vit")
    tensors = dict(network.state_dict())
    file = tmp_path / "vit.safetensors"
    save_file({name: t for name, t in tensors.items() if not name.startswith("head.")}, file)
    assert not load_teacher(_spec("test_vit"), file).has_head
    save_file({name: t for name, t in tensors.items() if name != "blocks.0.attn.qkv.bias"}, file)
    with pytest.raises(TeacherError, match=r"1 missing: blocks\.0\.attn\.qkv\.bias"):
        load_teacher(_spec("test_vit"), file)
    save_file(tensors | {"pos_embed": torch.zeros(1, 50, 64)}, file)
    with pytest.raises(TeacherError, match=r"pos_embed \(1, 50, 64\) instead of \(1, 101, 64\)"):
        load_teacher(_spec("test_vit"), file)


def test_unknown_names(tmp_path: Path) -> None:
    file = tmp_path / "any.safetensors"
    with pytest.raises(TeacherError, match=r"no network 'resnet5o': did you mean .*resnet50"):
        load_teacher(_spec("resnet5o", mean=(0, 0, 0), std=(1, 1, 1)), file)
    with pytest.raises(TeacherError, match=r"resnet18 has no weights 'a9_in1k': it has .*a1_in1k"):
        load_teacher(_spec("resnet18.a9_in1k"), file)
    with pytest.raises(TeacherError, match=r"say which, .*timm:resnet18\.a1_in1k"):
        load_teacher(_spec("resnet18", weights="timm"))
    with pytest.raises(TeacherError, match="does not exist"):
        load_teacher(_spec("resnet18"), file)


def test_published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _saved(_network("test_vit"), tmp_path / "model.safetensors")
    asked: list[tuple[str, str]] = []

    def download(repo: str, name: str) -> str:
        asked.append((repo, name))
        return str(file)

    monkeypatch.setattr("ppkt_zoo.teachers.timm.hf_hub_download", download)
    spec = _spec("test_vit.r160_in1k", weights="timm")
    teacher: Teacher = load_teacher(spec)
    assert asked == [("timm/test_vit.r160_in1k", "model.safetensors")]
    assert teacher.sha256 is not None
    with pytest.raises(TeacherError, match="the spec asks for 0000"):
        load_teacher(spec.model_copy(update={"sha256": "0" * 64}))

    def offline(repo: str, name: str) -> str:
        raise ConnectionError("no network")

    monkeypatch.setattr("ppkt_zoo.teachers.timm.hf_hub_download", offline)
    with pytest.raises(TeacherError, match=r"huggingface\.co/timm/test_vit\.r160_in1k .*weights='file'"):
        load_teacher(spec)


def test_without_timm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(TeacherError, match=r'pip install "ppkt-zoo\[teachers\]"'):
        load_teacher(_spec("resnet18"), tmp_path / "any.safetensors")


def test_loading_leaves_the_random_state(tmp_path: Path) -> None:
    file = _saved(_network("test_vit"), tmp_path / "vit.safetensors")
    torch.manual_seed(3)
    want = torch.rand(4)
    torch.manual_seed(3)
    load_teacher(_spec("test_vit"), file)
    assert torch.equal(torch.rand(4), want)
