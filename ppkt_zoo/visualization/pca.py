"""Features to colours: the first three principal components as red, green and blue."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_TEXT
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.writing import write_whole

Features = np.ndarray | Tensor

# Rows times squared channels that the covariance may cost; beyond it, evenly spaced rows stand for all.
_COVARIANCE_BUDGET = 1.2e10
_CHUNK_ROWS = 65_536
_MOST_FITTED = 1_000_000
# No colour is darker than this: black would hide the shading, and with it the shape.
_DARKEST = 0.22
_PERCENTILES = (1.0, 99.0)
_TENSORS = ("mean", "axes", "low", "high")


@dataclass(frozen=True)
class ColorBasis:
    """A map from features to colours that several clouds can share.

    Attributes:
        mean: float32 (C,), subtracted first.
        axes: float32 (C, 3), principal directions, strongest first; zero where C or the rank is below 3.
        low, high: float32 (3,), the values along each axis that become the darkest and the brightest.
        cosine: whether features are brought to length 1 before anything else.
    """

    mean: Tensor
    axes: Tensor
    low: Tensor
    high: Tensor
    cosine: bool

    @classmethod
    def fit(cls, *clouds: Features, cosine: bool = True) -> "ColorBasis":
        """The basis of one or of several feature arrays together, each (N_i, C) with the same C.

        Every axis is scaled by its own 1st and 99th percentile (whitening), so that the weaker ones show too and
        a few outliers don't take the range. The sign of an axis is fixed by its largest entry, which is positive. Of
        more than a million rows evenly spaced ones stand for all.

        Args:
            cosine: compare features by direction alone, as PPKT's loss does; their lengths vary much, with how
                densely a place was scanned among other things, and would outshine what they mean.

        Raises:
            InputError: no rows, different channel counts, NaN or infinity.
        """
        parts = [_as_matrix(features) for features in clouds]
        if not parts:
            raise InputError("a colour basis needs at least one array of features")
        if len({part.shape[1] for part in parts}) > 1:
            raise InputError(f"features must have one channel count, got {[part.shape[1] for part in parts]}")
        rows = parts[0] if len(parts) == 1 else torch.cat(parts)
        return _fit(rows[:: max(1, rows.shape[0] // _MOST_FITTED)], cosine)[0]

    def colors(self, features: Features) -> np.ndarray:
        """uint8 (N, 3) for features (N, C). An axis without any spread gives middle grey.

        Raises:
            InputError: the channel count is not the basis's, or values are not finite.
        """
        matrix = _as_matrix(features)
        if matrix.shape[1] != self.mean.shape[0]:
            raise InputError(f"features have {matrix.shape[1]} channels, the colour basis {self.mean.shape[0]}")
        return self._paint(_project(matrix, _scale(matrix, self.cosine), self.mean, self.axes))

    def save(self, path: Path) -> Path:
        """Write the basis as a small safetensors file for other clouds; the path. InputError where that fails."""
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        tensors["cosine"] = torch.tensor(int(self.cosine), dtype=torch.int64)
        write_whole(path, save(tensors), InputError, sync=False)
        return path

    @classmethod
    def load(cls, path: Path) -> "ColorBasis":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: no such file, or one that holds no colour basis.
        """
        # A basis is as large as a text file at most.
        content = read_file(path, InputError, "colour basis", limit=MAX_TEXT)
        try:
            found = load(content)
        except (SafetensorError, ValueError) as error:
            raise InputError(f"{path}: this colour basis is damaged or no safetensors file ({error})") from None
        shapes = {name: tuple(tensor.shape) for name, tensor in found.items()}
        channels = shapes["mean"][0] if len(shapes.get("mean", ())) == 1 else 0
        fits = shapes == {"mean": (channels,), "axes": (channels, 3), "low": (3,), "high": (3,), "cosine": ()}
        fits = fits and all(found[name].dtype == torch.float32 for name in _TENSORS) and channels > 0
        if not fits or not all(bool(torch.isfinite(found[name]).all()) for name in _TENSORS):
            raise InputError(f"{path} holds no colour basis: write one by 'ppkt-zoo encode … --save-basis FILE'")
        mean, axes, low, high = (found[name] for name in _TENSORS)
        return cls(mean, axes, low, high, cosine=bool(found["cosine"]))

    def _paint(self, values: Tensor) -> np.ndarray:
        """Colours of projections float32 (N, 3)."""
        spread = self.high - self.low
        flat = spread <= 1e-6 * torch.clamp(self.low.abs() + self.high.abs(), min=1e-20)
        level = (values - self.low) / torch.where(flat, 1.0, spread)
        level = torch.where(flat, 0.5, level).clamp(0, 1)
        return (255 * (_DARKEST + (1 - _DARKEST) * level)).round().to(torch.uint8).numpy()


def pca_colors(features: Features, cosine: bool = True) -> np.ndarray:
    """Colours uint8 (N, 3) of features (N, C), by a basis of their own; see :meth:`ColorBasis.fit`.

    Up to about 1.2·10¹⁰ / C² rows (1.3 million at 96 channels) the colours do not depend on the points' order.

    Raises:
        InputError: no rows, wrong shape, NaN or infinity.
    """
    basis, values = _fit(_as_matrix(features), cosine)
    return basis._paint(values)


def _fit(matrix: Tensor, cosine: bool) -> tuple[ColorBasis, Tensor]:
    """A basis, and the projections of the rows that it was made from."""
    scale = _scale(matrix, cosine)
    mean = torch.zeros(matrix.shape[1], dtype=torch.float64)
    for chunk, factor in zip(matrix.split(_CHUNK_ROWS), scale.split(_CHUNK_ROWS), strict=True):
        mean += (factor @ chunk).double()
    mean = (mean / matrix.shape[0]).float()
    axes = _principal_axes(matrix, scale, mean)
    values = _project(matrix, scale, mean, axes)
    low, high = np.percentile(values.numpy(), _PERCENTILES, axis=0).astype(np.float32)
    return ColorBasis(mean, axes, torch.from_numpy(low), torch.from_numpy(high), cosine), values


def _as_matrix(features: Features) -> Tensor:
    if isinstance(features, np.ndarray):
        if features.dtype.kind not in "fiu":
            raise InputError(f"features must be numbers, got dtype {features.dtype}")
        matrix = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32))
    elif isinstance(features, Tensor):
        matrix = features.detach().to(device="cpu", dtype=torch.float32)
    else:
        raise InputError(f"features must be a numpy array or a torch tensor, got {type(features).__name__}")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(f"features must have shape (N, C) with N ≥ 1 and C ≥ 1, got {tuple(matrix.shape)}")
    return matrix


def _scale(matrix: Tensor, cosine: bool) -> Tensor:
    """What each row is multiplied by, float32 (N,); a row of zeros stays one."""
    length = torch.linalg.vector_norm(matrix, dim=1)
    if not bool(torch.isfinite(length).all()):
        raise InputError("features have NaN or infinity: no colours can be made of them")
    return torch.where(length > 0, 1 / length, 0.0) if cosine else torch.ones_like(length)


def _principal_axes(matrix: Tensor, scale: Tensor, mean: Tensor) -> Tensor:
    """(C, 3): eigenvectors of the covariance, the strongest first."""
    channels = matrix.shape[1]
    most = max(1_000, int(_COVARIANCE_BUDGET / channels**2))
    step = -(-matrix.shape[0] // most)
    rows, factors = matrix[::step], scale[::step]
    covariance = torch.zeros(channels, channels, dtype=torch.float64)
    for chunk, factor in zip(rows.split(_CHUNK_ROWS), factors.split(_CHUNK_ROWS), strict=True):
        centred = chunk * factor[:, None] - mean
        covariance += (centred.T @ centred).double()
    # Not numpy's: where another program wants a core too, OpenBLAS takes a hundred times as long.
    strengths, vectors = torch.linalg.eigh(covariance / rows.shape[0])
    count = min(3, channels)
    axes = torch.zeros(channels, 3, dtype=torch.float64)
    axes[:, :count] = vectors[:, -count:].flip(1)
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    # An axis of (numerically) no variance is rounding noise; shown, it would fill a colour with it.
    real = torch.zeros(3, dtype=torch.bool)
    noise = 1e-10 * torch.maximum(strengths[-1], mean.double().square().sum())
    real[:count] = strengths[-count:].flip(0) > noise
    return (axes * torch.where(largest < 0, -1.0, 1.0) * real).float()


def _project(matrix: Tensor, scale: Tensor, mean: Tensor, axes: Tensor) -> Tensor:
    return (matrix @ axes) * scale[:, None] - mean @ axes
