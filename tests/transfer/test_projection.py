"""The UPL is upsampling and picking, without the upsampled map."""

import pytest
import torch
import torch.nn.functional as F

from ppkt_zoo.errors import InputError
from ppkt_zoo.transfer.projection import UPL, PointHead, sample_bilinear


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
