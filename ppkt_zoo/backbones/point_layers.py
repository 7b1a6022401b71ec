"""The layers of PointNet++: shared MLP, set abstraction, feature propagation (Qi et al. 2017, sections 3.2 to 3.4).

In training on the CPU linear, batch norm and ReLU (and the pooling after them) are one step: PyTorch's own operations
would write hundreds of thousands of rows to memory a dozen times. Rows go through in chunks that stay in the cache, and
the backward pass computes the product again. The numbers are those of the plain layers up to rounding.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ppkt_zoo.backbones.blocks import VoxelBatchNorm
from ppkt_zoo.backbones.interpolation import interpolate
from ppkt_zoo.backbones.shortcuts import foldable, folded, is_hooked, is_inference, is_plain_linear
from ppkt_zoo.engine.distributed import world_size
from ppkt_zoo.sparse import pointwise

# Rows of neighbours that are worked on at a time in inference on the CPU.
_ROWS = 1 << 13

# Numbers of a chunk: half a megabyte in float32.
_CHUNK = 1 << 17


class SharedLayer(nn.Module):
    """Linear, batch norm, ReLU, the same for every row."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels, channels, bias=False)
        nn.init.kaiming_normal_(self.linear.weight, nonlinearity="relu")
        self.norm = VoxelBatchNorm(channels)

    def forward(self, x: Tensor, count: int = 1) -> Tensor:
        """Shapes: (K · count, C_in) → (K, C), the greatest of each ``count`` rows that follow each other."""
        if is_plain_linear(self.linear) and foldable(self.norm):
            if is_inference(self.norm):
                gain, shift = folded(self.norm)
                return _greatest(pointwise(x, self.linear.weight * gain[:, None], shift).relu_(), count)
            if self._fuses(x):
                return self._fused(x, count)
        return _greatest(self.norm(self.linear(x)).relu(), count)

    def _fuses(self, x: Tensor) -> bool:
        """Whether the chunked kernels stand for the plain layers: they know one process and the CPU."""
        norm = self.norm
        if not isinstance(norm, VoxelBatchNorm) or not norm.training or norm.weight is None:
            return False
        alone = not norm.sync or world_size() == 1
        return not x.is_cuda and x.shape[0] > 1 and alone

    def _fused(self, x: Tensor, count: int) -> Tensor:
        norm, weight, scale = self.norm, self.linear.weight, self.norm.weight
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        with torch.autocast("cpu", enabled=False):
            if count > 1:
                sign = torch.where(scale.detach() < 0, -1.0, 1.0).to(scale.dtype)
                out, mean, variance = LinearNormReluMax.apply(
                    x, weight * sign[:, None], scale * sign, norm.bias, norm.eps, count
                )
                mean = mean * sign
            else:
                out, mean, variance = LinearNormRelu.apply(x, weight, scale, norm.bias, norm.eps)
        _track(norm, x.shape[0], mean, variance)
        return cast(Tensor, out)


class SharedMLP(nn.ModuleList):
    """The same small network for every row: as many :class:`SharedLayer` as there are widths."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        pairs = zip((in_channels, *widths[:-1]), widths, strict=True)
        super().__init__(SharedLayer(before, after) for before, after in pairs)

    def forward(self, x: Tensor, count: int = 1) -> Tensor:
        """Shapes: (K · count, C_in) → (K, C), the greatest of each ``count`` rows that follow each other."""
        for layer in list(self)[:-1]:
            x = layer(x)
        out: Tensor = self[-1](x, count)
        return out


class SetAbstraction(nn.Module):
    """Each centre's feature: the greatest of its neighbours', after a shared MLP on place and feature."""

    def __init__(self, in_channels: int, widths: Sequence[int], radius: float) -> None:
        super().__init__()
        self.radius = radius
        self.mlp = SharedMLP(3 + in_channels, widths)

    def forward(self, centers: Tensor, xyz: Tensor, feats: Tensor, neighbours: Tensor) -> Tensor:
        """Shapes: centers (K, 3), xyz (M, 3), feats (M, C_in), neighbours int64 (K, n) rows of xyz → (K, C)."""
        if not is_inference(self) or xyz.is_cuda or any(is_hooked(part) for part in self.mlp.modules()):
            return self._abstract(centers, xyz, feats, neighbours)
        step = max(1, _ROWS // neighbours.shape[1])
        parts = zip(centers.split(step), neighbours.split(step), strict=True)
        return torch.cat([self._abstract(some, xyz, feats, near) for some, near in parts])

    def _abstract(self, centers: Tensor, xyz: Tensor, feats: Tensor, neighbours: Tensor) -> Tensor:
        count, rows = neighbours.shape[1], neighbours.reshape(-1)
        place = xyz.index_select(0, rows).view(-1, count, 3) - centers[:, None]
        place = (place / self.radius).view(-1, 3).to(feats.dtype)
        out: Tensor = self.mlp(torch.cat([place, feats.index_select(0, rows)], dim=1), count)
        return out


class FeaturePropagation(nn.Module):
    """Features of a coarser level, interpolated to a finer one and joined with that one's own, then a shared MLP."""

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.mlp = SharedMLP(in_channels, widths)

    def forward(self, coarse: Tensor, rows: Tensor, weights: Tensor, skip: Tensor) -> Tensor:
        """Shapes: coarse (K', C'), rows and weights (K, 3) over coarse, skip (K, C_skip) → (K, C)."""
        out: Tensor = self.mlp(torch.cat([interpolate(coarse, rows, weights).to(skip.dtype), skip], dim=1))
        return out


def _greatest(rows: Tensor, count: int) -> Tensor:
    return rows if count == 1 else rows.view(-1, count, rows.shape[1]).amax(dim=1)


@torch.no_grad()
def _track(norm: nn.BatchNorm1d, rows: int, mean: Tensor, variance: Tensor) -> None:
    """Bring running statistics up to date, as batch norm does."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked += 1
    share = norm.momentum if norm.momentum is not None else 1 / float(norm.num_batches_tracked)
    norm.running_mean.lerp_(mean, share)
    norm.running_var.lerp_(variance * (rows / (rows - 1)), share)


class LinearNormRelu(torch.autograd.Function):
    """relu(batch_norm(x @ weightᵀ)) with the batch's statistics; also gives mean and biased variance (C,)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes: x (M, C_in), weight (C, C_in), scale and bias (C,) → (M, C), (C,), (C,)."""
        w = weight.to(x.dtype)
        y = x.new_empty((x.shape[0], w.shape[0]))
        moments = _Moments(w.shape[0])
        for part in _chunks(x, w):
            moments.add(torch.mm(x[part], w.t(), out=y[part]))
        mean, variance = moments.mean(), moments.variance()
        gain = scale * torch.rsqrt(variance + eps)
        shift = bias - mean * gain
        out = torch.empty_like(y)
        for part in _chunks(x, w):
            out[part] = torch.addcmul(shift, y[part].float(), gain).relu_()
        ctx.save_for_backward(x, w, y, mean, variance, scale, bias)
        ctx.eps, ctx.dtype = eps, weight.dtype
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Two passes: the sums that the statistics' gradient needs, then the gradient of every row."""
        x, w, y, mean, variance, scale, bias = ctx.saved_tensors
        inverse = torch.rsqrt(variance + ctx.eps)
        gain = scale * inverse
        shift = bias - mean * gain

        def masked(part: slice, rows: Tensor) -> Tensor:
            return _where_positive(grad[part].float(), torch.addcmul(shift, rows, gain))

        sums = torch.zeros((2, w.shape[0]), dtype=torch.float32, device=x.device)
        for part in _chunks(x, w):
            rows = y[part].float()
            through = masked(part, rows)
            sums[0] += through.sum(dim=0)
            sums[1] += through.mul_(rows - mean).sum(dim=0)
        sums[1] *= inverse
        of_y, constant = _line(gain, inverse, mean, sums, x.shape[0])
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dw = torch.zeros(w.shape, dtype=torch.float32, device=x.device)
        for part in _chunks(x, w):
            rows = y[part].float()
            dy = torch.addcmul(constant, rows, of_y).addcmul_(masked(part, rows), gain)
            _through_linear(dy.to(x.dtype), x[part], w, dw, None if dx is None else dx[part])
        return dx, dw.to(ctx.dtype), sums[1], sums[0], None


class LinearNormReluMax(torch.autograd.Function):
    """The greatest over each group of rows of relu(batch_norm(x @ weightᵀ)); also mean and biased variance (C,).

    ``scale`` must not be negative: then the greatest before the norm is the greatest after it, and the norm is
    applied to one row for each group only. Where several rows are the greatest they share the gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, eps: float, count: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Shapes: x (K · count, C_in), weight (C, C_in), scale and bias (C,) → (K, C), (C,), (C,)."""
        w = weight.to(x.dtype)
        best = x.new_empty((x.shape[0] // count, w.shape[0]))
        moments = _Moments(w.shape[0])
        for part in _chunks(x, w, count):
            y = torch.mm(x[part], w.t())
            best[part.start // count : part.stop // count] = y.view(-1, count, w.shape[0]).amax(dim=1)
            moments.add(y)
        mean, variance = moments.mean(), moments.variance()
        inverse = torch.rsqrt(variance + eps)
        whitened = (best.float() - mean) * inverse
        out = torch.addcmul(bias, whitened, scale).relu_()
        ctx.save_for_backward(x, w, best, out > 0, mean, inverse, scale)
        ctx.count, ctx.dtype = count, weight.dtype
        ctx.mark_non_differentiable(mean, variance)
        return out.to(x.dtype), mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient's sums come from the greatest rows alone, so one pass over all rows is enough."""
        x, w, best, positive, mean, inverse, scale = ctx.saved_tensors
        through = grad.float() * positive
        whitened = (best.float() - mean) * inverse
        sums = torch.stack([through.sum(dim=0), (through * whitened).sum(dim=0)])
        gain = scale * inverse
        of_y, constant = _line(gain, inverse, mean, sums, x.shape[0])
        through *= gain
        below = torch.nextafter(best, torch.full_like(best, -torch.inf)).float()
        one = torch.ones((), dtype=torch.float32, device=x.device)
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        dw = torch.zeros(w.shape, dtype=torch.float32, device=x.device)
        for part in _chunks(x, w, ctx.count):
            groups = slice(part.start // ctx.count, part.stop // ctx.count)
            y = torch.mm(x[part], w.t()).float().view(-1, ctx.count, w.shape[0])
            # 1 for the greatest of a group, 0 for the others: many times faster than comparing.
            greatest = _where_positive(one.expand_as(y), y - below[groups, None])
            share = through[groups] / greatest.sum(dim=1).clamp_min_(1)
            dy = torch.addcmul(constant, y, of_y).addcmul_(greatest, share[:, None])
            _through_linear(dy.view(-1, w.shape[0]).to(x.dtype), x[part], w, dw, None if dx is None else dx[part])
        return dx, dw.to(ctx.dtype), sums[1], sums[0], None, None


class _Moments:
    """Mean and variance of rows that come in chunks; about the first row, so nothing is lost to a large mean."""

    def __init__(self, channels: int) -> None:
        self._pivot: Tensor | None = None
        self._sums = torch.zeros((2, channels), dtype=torch.float64, device="cpu")
        self._rows = 0

    def add(self, rows: Tensor) -> None:
        """Count rows (m, C) in."""
        if self._pivot is None:
            self._pivot = rows[0].float()
        centred = rows.float() - self._pivot
        self._sums[0] += centred.sum(dim=0)
        self._sums[1] += centred.square_().sum(dim=0)
        self._rows += rows.shape[0]

    def mean(self) -> Tensor:
        assert self._pivot is not None
        return (self._sums[0] / self._rows).float() + self._pivot

    def variance(self) -> Tensor:
        return (self._sums[1] / self._rows - (self._sums[0] / self._rows).square()).clamp_min_(0).float()


def _where_positive(grad: Tensor, x: Tensor) -> Tensor:
    """``grad`` where x is positive, else 0; as the backward pass of ReLU, in one pass over memory."""
    out: Tensor = torch.ops.aten.threshold_backward(grad, x, 0.0)
    return out


def _line(gain: Tensor, inverse: Tensor, mean: Tensor, sums: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Slope and constant in y of −gain · (mean(g) + ŷ · mean(g ŷ)), what the statistics add to the gradient."""
    slope = -gain * inverse * sums[1] / rows
    return slope, -gain * sums[0] / rows - slope * mean


def _through_linear(dy: Tensor, x: Tensor, w: Tensor, dw: Tensor, dx: Tensor | None) -> None:
    """Gradients of ``x @ wᵀ``: added to ``dw``, written to ``dx``."""
    dw += torch.mm(dy.t(), x)
    if dx is not None:
        torch.mm(dy, w, out=dx)


def _chunks(x: Tensor, w: Tensor, count: int = 1) -> Iterator[slice]:
    """Slices of the rows, each a multiple of ``count``."""
    step = max(1, _CHUNK // (max(w.shape) * count)) * count
    for start in range(0, x.shape[0], step):
        yield slice(start, min(start + step, x.shape[0]))
