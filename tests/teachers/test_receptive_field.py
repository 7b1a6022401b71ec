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
from ppkt_zoo.teachers.receptive_field import SamePaddedConv2d, same_padding, use_tensorflow_padding
from ppkt_zoo.teachers.teacher import Teacher, TeacherSpec
from ppkt_zoo.teachers.torchvision import DeepLabV3MobileNetV2

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


def _averaging_network(architecture: str, padding: str) -> nn.Module:
    """The network with every kernel a plain average: linear for positive numbers, so a ramp comes out as a ramp."""
    network: nn.Module = (
        DeepLabV3MobileNetV2() if architecture.startswith("deeplab") else get_model(architecture, weights=None)
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1.0 / module.weight[0].numel())
    return use_tensorflow_padding(network) if padding == "tensorflow" else network


@pytest.mark.parametrize("width", [1025, 1024, 1000])
@pytest.mark.parametrize(("architecture", "stage", "padding"), CASES)
def test_a_ramp_shows_each_cells_centre(architecture: str, stage: str, padding: str, width: int) -> None:
    """A cell that averages a ramp reads the ramp at its receptive field's centre; no formula of ours involved."""
    network = _averaging_network(architecture, padding)
    spec = TeacherSpec.model_validate(
        {"architecture": architecture, "stage": stage, "weights": "file", "padding": padding}
        | {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
    )
    teacher = Teacher(spec, network).double()
    height, scale = 33, 1e-6  # small numbers stay below ReLU6's ceiling
    ramp = scale * torch.arange(width, dtype=torch.float64).expand(1, 3, height, width)
    flat = scale * torch.ones_like(ramp)
    for module in teacher._path:  # max pooling is not linear: average pooling of the same window takes its place
        pool = nn.AvgPool2d(3, 2, 1) if isinstance(module, nn.MaxPool2d) else module
        ramp, flat = pool(ramp), pool(flat)
    column = (ramp / flat)[0, 0, 0]  # what the borders of the rows take away cancels
    layout = teacher.feature_to_pixel((height, width))[1]
    assert (len(column), teacher.stride) == (layout.cells, layout.stride)
    border = 272 // layout.stride  # half of the largest receptive field
    inner = torch.arange(len(column))[border:-border]
    assert len(inner) > 10
    torch.testing.assert_close(column[inner], inner.double() * layout.stride + layout.offset, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("padding", "size", "offset"),
    [("torch", 257, 0), ("torch", 256, 0), ("tensorflow", 257, 0), ("tensorflow", 256, 15), ("tensorflow", 250, 9)],
)
def test_deeplab_offsets(real_teacher: Callable[..., Teacher], padding: str, size: int, offset: int) -> None:
    teacher = real_teacher("deeplabv3_mobilenet_v2", "concat_projection", padding)
    rows, columns = teacher.feature_to_pixel((size, size))
    assert rows == columns == (-(-size // 16), 16, offset)


FRAMES = ("frame-000050", "frame-000250", "frame-000500", "frame-000700", "frame-000950")


@pytest.mark.parametrize("padding", ["torch", "tensorflow"])
def test_the_real_network_looks_there(
    real_teacher: Callable[..., Teacher], kitchen: Callable[..., Tensor], padding: str
) -> None:
    """A pixel and its place in the mirrored image have like features, most alike where we look in the right cell.

    An error of our centres by e pixels would move both places the same way and the image's content opposite
    ways, so the likeness would peak at an extra shift of -e. What remains, one or two pixels, the network learned.
    """
    teacher = real_teacher("deeplabv3_mobilenet_v2", "features", padding)
    shifts = range(-16, 17, 2)
    likeness = {shift: _mirror_likeness(teacher, kitchen, "aligned", shift) for shift in shifts}
    best = max(likeness, key=lambda shift: likeness[shift])
    assert abs(best) <= 4, likeness


def test_plain_upsampling_looks_beside(real_teacher: Callable[..., Teacher], kitchen: Callable[..., Tensor]) -> None:
    teacher = real_teacher("deeplabv3_mobilenet_v2", "features")
    aligned, plain = (_mirror_likeness(teacher, kitchen, convention, 0) for convention in ("aligned", "plain"))
    assert aligned > plain + 0.02


def _mirror_likeness(teacher: Teacher, kitchen: Callable[..., Tensor], convention: str, shift: float) -> float:
    """Mean cosine of features at pixels and at the same pixels of mirrored images, both ``shift`` pixels aside."""
    size = (384, 512)
    v, u = torch.meshgrid(torch.arange(64.0, 320, 9), torch.arange(64.0, 448, 9), indexing="ij")
    pixels = torch.stack((u.flatten(), v.flatten()), 1)
    mirrored = torch.stack((size[1] - 1 - pixels[:, 0], pixels[:, 1]), 1)
    aside = torch.tensor([shift, 0.0])
    places = [
        teacher.pixel_to_feature(p + aside, size, convention)  # type: ignore[arg-type]
        for p in (pixels, mirrored)
    ]
    found = []
    for name in FRAMES:
        features, flipped = _features_both_ways(teacher, kitchen, name, size)
        found.append(F.cosine_similarity(_at(features, places[0]), _at(flipped, places[1]), dim=0).mean())
    return float(torch.stack(found).mean())


_SEEN: dict[tuple[int, str], tuple[Tensor, Tensor]] = {}


def _features_both_ways(
    teacher: Teacher, kitchen: Callable[..., Tensor], name: str, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    key = (id(teacher), name)
    if key not in _SEEN:
        image = kitchen(*size, name)
        _SEEN[key] = teacher(image), teacher(image.flip(3))
    return _SEEN[key]


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
