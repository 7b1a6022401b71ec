"""The UPL is upsampling and picking, without the upsampled map."""

import pytest
import torch
import torch.nn.functional as F
from torchvision.models import get_model

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.teachers.teacher import Teacher, TeacherSpec
from ppkt_zoo.transfer.projection import (
    UPL,
    Order,
    PointHead,
    ProjectionKind,
    Sampling,
    sample_bilinear,
    sample_nearest,
)


def _interpolate_places(pixels: torch.Tensor, size: tuple[int, int], cells: tuple[int, int]) -> torch.Tensor:
    """Cell coordinates of pixels (u, v) as F.interpolate(align_corners=False) has them."""
    scale = torch.tensor([cells[1] / size[1], cells[0] / size[0]])
    return (pixels + 0.5) * scale - 0.5


@pytest.mark.parametrize("cells", [(6, 8), (1, 1), (1, 5), (15, 20)])
def test_upl_is_upsampling_and_picking(cells: tuple[int, int]) -> None:
    torch.manual_seed(0)
    size = (48, 64)
    upl = UPL(32, dim=16)
    features = torch.randn(3, 32, *cells)
    everywhere = torch.cartesian_prod(torch.arange(3), torch.arange(size[0]), torch.arange(size[1]))
    b, v, u = everywhere[torch.randperm(len(everywhere))].unbind(1)
    xy = _interpolate_places(torch.stack((u, v), 1), size, cells)
    upsampled = F.interpolate(upl.projection(features), size, mode="bilinear", align_corners=False)
    want = F.normalize(upsampled, dim=1)[b, :, v, u]
    torch.testing.assert_close(upl(features, b, xy), want, rtol=1e-5, atol=1e-5)
    # the same the other way round: features upsampled first, then the 1x1 convolution
    late = F.normalize(upl.projection(F.interpolate(features, size, mode="bilinear")), dim=1)[b, :, v, u]
    torch.testing.assert_close(upl(features, b, xy), late, rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_upsampling() -> None:
    torch.manual_seed(0)
    upl = UPL(8, dim=4).double()
    features = torch.randn(2, 8, 3, 4, dtype=torch.float64)
    size = (24, 32)
    b, v, u = torch.randint(2, (50,)), torch.randint(24, (50,)), torch.randint(32, (50,))
    target = torch.randn(50, 4)
    xy = _interpolate_places(torch.stack((u, v), 1), size, (3, 4))
    (upl(features, b, xy) * target).sum().backward()
    got = [p.grad.clone() for p in upl.parameters() if p.grad is not None]
    upl.zero_grad()
    picked = F.interpolate(upl.projection(features), size, mode="bilinear")[b, :, v, u]
    (F.normalize(picked, dim=1) * target).sum().backward()
    for mine, parameter in zip(got, upl.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-5, atol=1e-5)


def test_sampling_at_centres_and_outside() -> None:
    maps = torch.arange(12.0).view(1, 1, 3, 4)
    xy = torch.tensor([[0.0, 0.0], [3.0, 2.0], [1.5, 1.0], [-0.4, -0.4], [3.4, 2.4], [0.0, 0.5]])
    got = sample_bilinear(maps, torch.zeros(6, dtype=torch.long), xy)
    assert got[:, 0].tolist() == [0.0, 11.0, 5.5, 0.0, 11.0, 2.0]


@pytest.mark.parametrize("autocast", [False, True])
def test_unit_length_in_float32(autocast: bool) -> None:
    torch.manual_seed(0)
    upl, head = UPL(64), PointHead(96)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        pixels = upl(torch.randn(2, 64, 5, 5), torch.randint(2, (40,)), torch.rand(40, 2) * 4)
        points = head(torch.randn(40, 96))
    for z in (pixels, points):
        assert z.dtype == torch.float32
        assert z.shape == (40, 128)
        torch.testing.assert_close(z.norm(dim=1), torch.ones(40), rtol=0, atol=1e-6)


def test_point_head_is_one_linear_layer() -> None:
    head = PointHead(6, dim=3)
    x = torch.randn(5, 6)
    want = F.normalize(x @ head.projection.weight.T + head.projection.bias, dim=1)
    torch.testing.assert_close(head(x), want)
    assert sum(p.numel() for p in head.parameters()) == 6 * 3 + 3


def test_wrong_shapes() -> None:
    upl, head = UPL(8), PointHead(8)
    index, xy = torch.zeros(4, dtype=torch.long), torch.zeros(4, 2)
    with pytest.raises(InputError, match=r"\(B, 8, h, w\)"):
        upl(torch.zeros(1, 7, 3, 3), index, xy)
    with pytest.raises(InputError, match="feature_xy"):
        upl(torch.zeros(1, 8, 3, 3), index, torch.zeros(3, 2))
    with pytest.raises(InputError, match=r"\(N, 8\)"):
        head(torch.zeros(4, 7))


SIZE, STRIDE = (480, 640), 32


def _teacher_with_plain_upsampling() -> Teacher:
    spec = TeacherSpec(architecture="resnet18", stage="layer4", weights="file", upsampling="plain")
    return Teacher(spec, get_model("resnet18", weights=None))


def test_the_papers_upl_without_the_full_map() -> None:
    """480 x 640, factor 32, at N pixels: values and gradients of the explicit map that is never made."""
    torch.manual_seed(0)
    teacher = _teacher_with_plain_upsampling()
    assert (teacher.stride, teacher.feature_size(SIZE)) == (STRIDE, (15, 20))
    upl = UPL(teacher.channels, dim=16)
    features = torch.randn(2, teacher.channels, 15, 20)
    b, v, u = torch.randint(2, (4096,)), torch.randint(SIZE[0], (4096,)), torch.randint(SIZE[1], (4096,))
    border = torch.tensor([0, 15, 16, 463, 479])
    v[:5], u[:5] = border, border
    target = torch.randn(4096, 16)

    sampled = upl(features, b, teacher.pixel_to_feature(torch.stack((u, v), 1), SIZE))
    (sampled * target).sum().backward()
    got = {name: p.grad.clone() for name, p in upl.named_parameters() if p.grad is not None}
    upl.zero_grad()
    full = F.interpolate(upl.projection(features), scale_factor=STRIDE, mode="bilinear", align_corners=False)
    assert full.shape == (2, 16, *SIZE)
    picked = F.normalize(full[b, :, v, u], dim=1)
    torch.testing.assert_close(sampled, picked, rtol=0, atol=1e-5)
    (picked * target).sum().backward()
    for name, parameter in upl.named_parameters():
        assert parameter.grad is not None
        largest = float(parameter.grad.abs().max())
        torch.testing.assert_close(got[name], parameter.grad, rtol=0, atol=1e-5 * largest)


def test_the_spec_says_where_pixels_lie() -> None:
    teacher = _teacher_with_plain_upsampling()
    pixels = torch.tensor([[0.0, 0.0], [100.0, 200.0]])
    said = teacher.pixel_to_feature(pixels, SIZE)
    assert torch.equal(said, teacher.pixel_to_feature(pixels, SIZE, "plain"))
    aligned = teacher.pixel_to_feature(pixels, SIZE, "aligned")
    torch.testing.assert_close(aligned - said, torch.full((2, 2), 15.5 / 32))  # half a cell aside, less half a pixel


def _everything(kind: ProjectionKind, sampling: Sampling, order: Order) -> tuple[UPL, tuple[torch.Tensor, ...]]:
    torch.manual_seed(1)
    upl = UPL(24, 8, kind=kind, sampling=sampling, order=order)
    return upl, (torch.randn(2, 24, 5, 7), torch.randint(2, (300,)), torch.rand(300, 2) * torch.tensor([8, 6]) - 1)


@pytest.mark.parametrize("sampling", ["bilinear", "nearest"])
def test_projection_and_sampling_commute_where_linear(sampling: Sampling) -> None:
    upl, arguments = _everything("linear", sampling, "project_first")
    late, _ = _everything("linear", sampling, "sample_first")
    torch.testing.assert_close(late.raw(*arguments), upl.raw(*arguments), rtol=0, atol=1e-5)


def test_order_matters_for_an_mlp_between_cells() -> None:
    upl, (features, b, xy) = _everything("mlp", "bilinear", "project_first")
    late, _ = _everything("mlp", "bilinear", "sample_first")
    assert (late(features, b, xy) - upl(features, b, xy)).abs().max() > 0.01
    at_cells = xy.round()
    torch.testing.assert_close(late(features, b, at_cells), upl(features, b, at_cells), rtol=0, atol=1e-5)
    first, relu, last = upl.projection
    want = F.normalize(last(relu(first(features))), dim=1)
    cells = torch.tensor([[6.0, 4.0]])
    torch.testing.assert_close(upl(features, torch.tensor([1]), cells)[0], want[1, :, 4, 6])


def test_nearest_is_the_cell_of_the_pixel() -> None:
    maps = torch.arange(24.0).view(2, 1, 3, 4)
    xy = torch.tensor([[0.4, 0.4], [0.5, 0.6], [3.4, 2.4], [-0.9, -0.9], [9.0, 9.0]])
    got = sample_nearest(maps, torch.tensor([0, 0, 0, 1, 1]), xy)
    assert got[:, 0].tolist() == [0.0, 5.0, 11.0, 12.0, 23.0]


def test_names_of_the_papers_projections_stay() -> None:
    """Checkpoints and weight folders hold these names; an MLP has others, so neither loads into the other."""
    assert (
        list(UPL(4, 2).state_dict()) == list(PointHead(4, 2).state_dict()) == ["projection.weight", "projection.bias"]
    )
    mlp = PointHead(4, 2, kind="mlp")
    assert list(mlp.state_dict()) == [f"projection.{n}.{p}" for n in (0, 2) for p in ("weight", "bias")]
    x = torch.randn(5, 4)
    first, _, last = mlp.projection
    torch.testing.assert_close(mlp(x), F.normalize(last(first(x).relu()), dim=1))


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_projections_are_built_as_their_tensors_say(kind: ProjectionKind) -> None:
    upl, head = UPL(6, 4, kind, "nearest"), PointHead(5, 4, kind)
    tensors = {f"upl.{name}": tensor for name, tensor in upl.state_dict().items()}
    tensors |= {f"head.{name}": tensor for name, tensor in head.state_dict().items()}
    tensors |= {f"point_contrast.head.{name}": 2 * tensor for name, tensor in head.state_dict().items()}
    rows, maps, xy = torch.randn(7, 5), torch.randn(1, 6, 3, 3), 2 * torch.rand(7, 2)
    torch.testing.assert_close(PointHead.from_tensors(tensors)(rows), head(rows))
    frame = torch.zeros(7, dtype=torch.int64)
    read = UPL.from_tensors(tensors, sampling="nearest")
    assert not read.training
    torch.testing.assert_close(read(maps, frame, xy), upl(maps, frame, xy))
    other = PointHead.from_tensors(tensors, "point_contrast.head.")
    assert not torch.equal(other.raw(rows), head.raw(rows))
    with pytest.raises(WeightError, match=r"came without upl\.projection"):
        UPL.from_tensors({name: tensor for name, tensor in tensors.items() if not name.startswith("upl.")})
