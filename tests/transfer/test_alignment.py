"""Feature cells look at the pixels that we say they do, found by experiment on each network."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import get_model

from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.deeplab import DeepLabV3MobileNetV2
from ppkt_zoo.transfer.teachers import Teacher, TeacherSpec
from ppkt_zoo.transfer.tf_padding import SamePaddedConv2d, same_padding, use_tensorflow_padding

CASES = [
    ("resnet18", "layer4", "torch"),
    ("resnet18", "layer2", "torch"),
    ("resnet50", "layer4", "torch"),
    ("mobilenet_v2", "features", "torch"),
    ("mobilenet_v2", "features", "tensorflow"),
    ("mobilenet_v2", "features.13", "tensorflow"),
    ("deeplabv3_mobilenet_v2", "features", "torch"),
    ("deeplabv3_mobilenet_v2", "features", "tensorflow"),
]


def _averaging_teacher(architecture: str, stage: str, padding: str) -> Teacher:
    """The network with every kernel a plain average: linear for positive numbers, so a ramp comes out as a ramp.

    Max pooling, which is not linear, becomes average pooling of the same window.
    """
    network = DeepLabV3MobileNetV2() if architecture.startswith("deeplab") else get_model(architecture, weights=None)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1.0 / module.weight[0].numel())
    if padding == "tensorflow":
        use_tensorflow_padding(network)
    spec = TeacherSpec.model_validate(
        {"architecture": architecture, "stage": stage, "weights": "file", "padding": padding}
        | {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    )
    teacher = Teacher(spec, network).double()
    teacher._path = tuple(
        nn.AvgPool2d(m.kernel_size, m.stride, m.padding) if isinstance(m, nn.MaxPool2d) else m for m in teacher._path
    )
    return teacher


@pytest.mark.parametrize("width", [1025, 1024, 1000])
@pytest.mark.parametrize(("architecture", "stage", "padding"), CASES)
def test_a_ramp_shows_each_cells_centre(architecture: str, stage: str, padding: str, width: int) -> None:
    """A cell that averages a ramp reads the ramp at its receptive field's centre; no formula of ours involved."""
    teacher = _averaging_teacher(architecture, stage, padding)
    height, scale = 33, 1e-6  # small numbers stay below ReLU6's ceiling
    ramp = scale * torch.arange(width, dtype=torch.float64).expand(1, 3, height, width)
    flat = scale * torch.ones_like(ramp)
    network = copy.deepcopy(teacher)
    read = network._trunk(ramp) / network._trunk(flat)  # borders of the rows cancel
    column = read[0, 0, 0]
    layout = _averaging_layout(architecture, stage, padding).feature_to_pixel((height, width))[1]
    assert len(column) == layout.cells
    inner = torch.arange(len(column))[9 if layout.stride == 32 else 17 : -9 if layout.stride == 32 else -17]
    assert len(inner) > 10
    torch.testing.assert_close(column[inner], inner.double() * layout.stride + layout.offset, rtol=0, atol=1e-6)
    assert layout.stride == teacher.stride


def _averaging_layout(architecture: str, stage: str, padding: str) -> Teacher:
    """The same teacher with its own pooling, as our formula sees it."""
    teacher = _averaging_teacher(architecture, stage, padding)
    return Teacher(teacher.spec, teacher.network)


@pytest.mark.parametrize(
    ("padding", "size", "offset"),
    [("torch", 257, 0), ("torch", 256, 0), ("tensorflow", 257, 0), ("tensorflow", 256, 15), ("tensorflow", 250, 7)],
)
def test_deeplab_offsets(real_teacher: Callable[..., Teacher], padding: str, size: int, offset: int) -> None:
    teacher = real_teacher("deeplabv3_mobilenet_v2", "concat_projection", padding)
    rows, columns = teacher.feature_to_pixel((size, size))
    assert rows == columns == (-(-size // 16), 16, offset)


@pytest.mark.parametrize("padding", ["torch", "tensorflow"])
def test_the_real_network_looks_there(
    real_teacher: Callable[..., Teacher], kitchen: Callable[..., Tensor], padding: str
) -> None:
    """Where in a real image the features of one cell come from: the centroid of the squared gradient."""
    teacher = real_teacher("deeplabv3_mobilenet_v2", "features", padding)
    size = (384, 512)
    rows, columns = teacher.feature_to_pixel(size)
    shifts = []
    for name in ("frame-000250", "frame-000500", "frame-000700"):
        for i, j in ((10, 12), (12, 16), (14, 20)):
            image = kitchen(*size, name).requires_grad_()
            cell = teacher._trunk(teacher._prepared(image))[0, :, i, j]
            (gradient,) = torch.autograd.grad(cell.square().sum(), image)
            weight = gradient[0].square().sum(0)
            weight = weight / weight.sum()
            v = (weight.sum(1) * torch.arange(size[0])).sum() - (rows.stride * i + rows.offset)
            u = (weight.sum(0) * torch.arange(size[1])).sum() - (columns.stride * j + columns.offset)
            shifts.append((float(u), float(v)))
    mean = torch.tensor(shifts).mean(0)
    assert mean.abs().max() < 4, f"mean shift {mean.tolist()} pixels; the wrong convention is 7.5 or 15 off"


def test_mirrored_images_agree_best_where_aligned(
    real_teacher: Callable[..., Teacher], kitchen: Callable[..., Tensor]
) -> None:
    """A pixel and its mirror image have like features: with true centres more so than with plain upsampling."""
    teacher = real_teacher("deeplabv3_mobilenet_v2", "features")
    size = (384, 512)
    v, u = torch.meshgrid(torch.arange(64.0, 320, 5), torch.arange(64.0, 448, 5), indexing="ij")
    pixels = torch.stack((u.flatten(), v.flatten()), 1)
    mirrored = torch.stack((size[1] - 1 - pixels[:, 0], pixels[:, 1]), 1)
    agreement = {}
    for convention in ("aligned", "plain"):
        likeness = []
        for name in ("frame-000250", "frame-000500", "frame-000700"):
            image = kitchen(*size, name)
            one = _at(teacher(image), teacher.pixel_to_feature(pixels, size, convention))
            other = _at(teacher(image.flip(3)), teacher.pixel_to_feature(mirrored, size, convention))
            likeness.append(F.cosine_similarity(one, other, dim=0).mean())
        agreement[convention] = float(torch.stack(likeness).mean())
    assert agreement["aligned"] > agreement["plain"] + 0.02, agreement


def _at(features: Tensor, xy: Tensor) -> Tensor:
    """(1, C, h, w) at cell coordinates (N, 2) → (C, N), by torch's own sampler."""
    extent = torch.tensor([features.shape[3] - 1, features.shape[2] - 1])
    grid = (xy / extent * 2 - 1).view(1, 1, -1, 2)
    return F.grid_sample(features, grid, align_corners=True, padding_mode="border")[0, :, 0]


def test_resize_moves_pixels_as_torch_resizes(deeplab_file: Path) -> None:
    """pixel_to_feature through image_size: the corner pixel of the seen image is the corner cell."""
    spec = TeacherSpec(architecture="deeplabv3_mobilenet_v2", stage="features", weights="file", image_size=(257, 321))
    teacher = Teacher(spec, DeepLabV3MobileNetV2())
    ramp = torch.arange(320.0).expand(1, 1, 240, 320)
    resized = F.interpolate(ramp, (257, 321), mode="bilinear", antialias=True)[0, 0, 100]
    cell = 7
    pixel = resized[16 * cell]  # original column that the centre of cell 7 shows
    xy = teacher.pixel_to_feature(torch.stack((pixel, pixel))[None], (240, 320))
    assert float(xy[0, 0]) == pytest.approx(cell, abs=1e-4)


def test_plain_is_interpolate() -> None:
    teacher = Teacher(
        TeacherSpec(architecture="mobilenet_v2", stage="features", weights="file"), get_model("mobilenet_v2")
    )
    size = (96, 160)
    features = torch.rand(1, 4, *teacher.feature_size(size))
    upsampled = F.interpolate(features, size, mode="bilinear")
    pixels = torch.stack((torch.randint(160, (200,)), torch.randint(96, (200,))), 1)
    got = _at(features, teacher.pixel_to_feature(pixels, size, "plain"))
    torch.testing.assert_close(got, upsampled[0, :, pixels[:, 1], pixels[:, 0]], rtol=1e-5, atol=1e-5)


def test_bad_pixels() -> None:
    teacher = Teacher(
        TeacherSpec(architecture="mobilenet_v2", stage="features", weights="file"), get_model("mobilenet_v2")
    )
    with pytest.raises(InputError, match=r"\(N, 2\)"):
        teacher.pixel_to_feature(torch.zeros(5, 3), (96, 96))
    with pytest.raises(InputError, match="'aligned' or 'plain'"):
        teacher.pixel_to_feature(torch.zeros(5, 2), (96, 96), "centred")  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (7, 13)])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (3, 2, 2), (1, 2, 1), (7, 2, 1)])
def test_same_padding_by_hand(size: tuple[int, int], kernel: int, stride: int, dilation: int) -> None:
    """TensorFlow's rule: ceil(n / stride) cells, the odd pixel at the end. Written out as sums over windows."""
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, kernel, stride, padding=kernel // 2, dilation=dilation).double()
    image = torch.rand(1, 2, *size, dtype=torch.float64)
    cells = [-(-n // stride) for n in size]
    want = torch.zeros(1, 3, *cells, dtype=torch.float64)
    first = []
    for n, count in zip(size, cells, strict=True):
        total = max((count - 1) * stride + (kernel - 1) * dilation + 1 - n, 0)
        first.append(-(total // 2))
    assert layer.bias is not None
    for i in range(cells[0]):
        for j in range(cells[1]):
            want[0, :, i, j] = layer.bias
            for a in range(kernel):
                for b in range(kernel):
                    y, x = first[0] + i * stride + a * dilation, first[1] + j * stride + b * dilation
                    if 0 <= y < size[0] and 0 <= x < size[1]:
                        want[0, :, i, j] += layer.weight[:, :, a, b] @ image[0, :, y, x]
    use_tensorflow_padding(layer)
    assert isinstance(layer, SamePaddedConv2d)
    torch.testing.assert_close(layer(image), want, rtol=0, atol=1e-12)


def test_same_padding_of_three_by_three() -> None:
    assert same_padding(224, 3, 2) == (0, 1)
    assert same_padding(225, 3, 2) == (1, 1)


def test_paddings_agree_on_sizes_16k_plus_1(
    real_teacher: Callable[..., Teacher], kitchen: Callable[..., Tensor]
) -> None:
    torch_padded, tensorflow_padded = (
        real_teacher("deeplabv3_mobilenet_v2", padding=padding) for padding in ("torch", "tensorflow")
    )
    odd, even = kitchen(129, 161), kitchen(128, 160)
    assert torch.equal(torch_padded(odd), tensorflow_padded(odd))
    assert torch_padded(even).shape == tensorflow_padded(even).shape
    assert not torch.allclose(torch_padded(even), tensorflow_padded(even), atol=0.1)


def test_padding_by_hand_through_the_real_network(
    real_teacher: Callable[..., Teacher], kitchen: Callable[..., Tensor]
) -> None:
    """The whole MobileNetV2 on an even size: each strided layer fed an input padded by F.pad, itself unpadded."""
    plain = copy.deepcopy(real_teacher("mobilenet_v2", fuse=False))
    for module in plain.network.modules():
        if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
            module.padding = (0, 0)
            module.register_forward_pre_hook(lambda _, inputs: F.pad(inputs[0], (0, 1, 0, 1)))
    image = kitchen(64, 96)
    got = real_teacher("mobilenet_v2", padding="tensorflow", fuse=False)(image)
    torch.testing.assert_close(got, plain(image), rtol=1e-5, atol=1e-5)
