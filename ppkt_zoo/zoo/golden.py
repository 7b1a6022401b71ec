"""The golden input and output of a weight: the reference that shows whether it still does what it did when made."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadOut, ReadoutSpec

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.zoo.head import TaskHead

#: Rows of the cloud whose features are kept; a few hundred find any change.
GOLDEN_ROWS = 256
# A read-out is wide, and every so many of these rows are enough for it.
_EVERY = 4
_FEATURES, _READOUT = "features.", "readout."


@dataclass(frozen=True)
class Golden:
    """A cloud and what the weight gave for it.

    Attributes:
        cloud: N points.
        rows: int64 (K,), the points whose features are kept.
        features: level → float32 (K, C_level).
        readouts: purpose → float32 (K / 4, C), what the weight's recommended read-outs give for every fourth of these
            rows; where several purposes have one read-out, the first.
    """

    cloud: PointCloud
    rows: Tensor
    features: dict[str, Tensor]
    readouts: dict[str, Tensor] = field(default_factory=dict)

    def to_tensors(self) -> dict[str, Tensor]:
        """The tensors of ``golden.safetensors``."""
        tensors = {"xyz": self.cloud.xyz, "rows": self.rows}
        if self.cloud.rgb is not None:
            tensors["rgb"] = self.cloud.rgb
        tensors |= {f"{_FEATURES}{level}": value for level, value in self.features.items()}
        return tensors | {f"{_READOUT}{purpose}": value for purpose, value in self.readouts.items()}

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, Tensor], levels: Mapping[str, int], where: str, spec: ReadoutSpec | None = None
    ) -> "Golden":
        """Check the tensors of ``golden.safetensors`` against the levels and read-outs of config.json.

        Raises:
            WeightError: a tensor is missing, unknown, or of another shape or dtype.
        """
        chosen = distinct_readouts(spec)
        expected = {"xyz", "rows"} | {f"{_FEATURES}{level}" for level in levels}
        expected |= {f"{_READOUT}{purpose}" for purpose in chosen}
        found = set(tensors) - {"rgb"}
        if found != expected:
            raise WeightError(f"{where} must hold {', '.join(sorted(expected))}, it holds {', '.join(sorted(found))}")
        xyz, rows, rgb = tensors["xyz"], tensors["rows"], tensors.get("rgb")
        fits = xyz.dtype == torch.float32 and xyz.ndim == 2 and xyz.shape[1] == 3
        fits &= rows.dtype == torch.int64 and rows.ndim == 1 and rows.numel() > 0
        fits &= rgb is None or (rgb.dtype == torch.uint8 and rgb.shape == xyz.shape)
        if not fits or int(rows.min()) < 0 or int(rows.max()) >= len(xyz):
            raise WeightError(f"{where}: xyz, rgb and rows do not fit each other: get the weight again")
        if not bool(torch.isfinite(xyz).all()):
            raise WeightError(f"{where}: xyz holds NaN or infinity")
        features = {level: tensors[f"{_FEATURES}{level}"] for level in levels}
        for level, channels in levels.items():
            value = features[level]
            if value.dtype != torch.float32 or value.shape != (len(rows), channels):
                raise WeightError(f"{where}: {_FEATURES}{level} must be float32 {(len(rows), channels)}")
            if not bool(torch.isfinite(value).all()):
                raise WeightError(f"{where}: {_FEATURES}{level} holds NaN or infinity")
        readouts = {purpose: tensors[f"{_READOUT}{purpose}"] for purpose in chosen}
        for purpose, value in readouts.items():
            if value.dtype != torch.float32 or value.ndim != 2 or len(value) != len(rows[::_EVERY]):
                raise WeightError(f"{where}: {_READOUT}{purpose} must be float32 with {len(rows[::_EVERY])} rows")
            if not bool(torch.isfinite(value).all()):
                raise WeightError(f"{where}: {_READOUT}{purpose} holds NaN or infinity")
        return cls(PointCloud(xyz, rgb), rows, features, readouts)


def distinct_readouts(spec: ReadoutSpec | None) -> dict[str, ReadOut]:
    """The read-outs that a weight recommends, each once, under the first purpose that it is for."""
    found: dict[str, ReadOut] = {}
    for purpose, readout in ({} if spec is None else spec.recommended).items():
        if readout not in found.values():
            found[purpose] = readout
    return found


def check_levels(shapes: Mapping[str, tuple[int, ...]], levels: Mapping[str, int], where: str) -> None:
    """Hold the shapes of ``golden.safetensors`` against the levels of config.json.

    Raises:
        WeightError: a level is missing, unknown, or of other channels.
    """
    found = {key.removeprefix(_FEATURES): shape[-1:] for key, shape in shapes.items() if key.startswith(_FEATURES)}
    if found != {level: (channels,) for level, channels in levels.items()}:
        raise WeightError(f"{where} and config.json disagree on levels: one of them was changed, get the folder again")


def make_golden(backbone: "Backbone", cloud: PointCloud) -> Golden:
    """Encode a cloud and keep every level's features for evenly spread rows of it, and what its read-outs give.

    Raises:
        WeightError: the features hold NaN or infinity, or are the same for every point.
    """
    count = min(len(cloud), GOLDEN_ROWS)
    rows = torch.linspace(0, len(cloud) - 1, count, dtype=torch.float64).round().long()
    features = _encode_rows(backbone, cloud, rows)
    for level, value in features.items():
        if not bool(torch.isfinite(value).all()):
            raise WeightError(f"the network gives NaN or infinity at {level} for the reference cloud: train it again")
        if count > 1 and bool((value == value[0]).all()):
            raise WeightError(
                f"the network gives the same feature for every point of the reference cloud at {level}: "
                "it has collapsed, or the cloud has only one voxel"
            )
    return Golden(cloud, rows, features, _read_rows(backbone, cloud, rows))


def with_readouts(golden: Golden, backbone: "Backbone") -> Golden:
    """The same reference with what the backbone's recommended read-outs give now.

    Raises:
        InputError: the network knows no such read-out.
    """
    return replace(golden, readouts=_read_rows(backbone, golden.cloud, golden.rows))


@dataclass(frozen=True)
class VerifyReport:
    """What :func:`ppkt_zoo.verify` found.

    Attributes:
        errors: level, each output of a task head (``head``, ``votes``) and each recommended read-out → largest absolute
            difference to the stored output, as a part of its largest value.
        tolerance: the largest error that was allowed.
        seconds: time of the encoding.
    """

    name: str
    engine: str
    device: str
    points: int
    errors: dict[str, float]
    tolerance: float
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every level, and the head where there is one, is within the tolerance."""
        return all(error <= self.tolerance for error in self.errors.values())

    def __str__(self) -> str:
        levels = ", ".join(f"{level} {error:.1e}" for level, error in self.errors.items())
        state = "verified" if self.ok else "NOT VERIFIED"
        return (
            f"{self.name} {state} on {self.device} (engine {self.engine}): relative error {levels}, "
            f"tolerance {self.tolerance:.0e}, {self.points} points in {self.seconds:.2f} s"
        )


def golden_errors(backbone: "Backbone", golden: Golden, head: "TaskHead | None" = None) -> dict[str, float]:
    """Level → largest difference to the golden features, as a part of the level's largest value.

    So for the recommended read-outs, as "read-out PURPOSE".
    With a ``head``, what its :meth:`~ppkt_zoo.zoo.head.TaskHead.errors` gives too.
    """
    found = _encode_rows(backbone, golden.cloud, golden.rows)
    errors = {level: relative_error(found[level], expected) for level, expected in golden.features.items()}
    read = _read_rows(backbone, golden.cloud, golden.rows) if golden.readouts else {}
    for purpose, expected in golden.readouts.items():
        errors[f"read-out {purpose}"] = relative_error(read[purpose], expected)
    return errors if head is None else errors | head.errors(backbone, golden, found)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest absolute difference over the largest absolute value expected; infinity for NaN or another shape."""
    if found.shape != expected.shape:
        return float("inf")
    difference = (found - expected).abs().max()
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    # NaN compares false with everything; infinity fails the tolerance as it should.
    return float(difference) / float(scale) if bool(torch.isfinite(difference)) else float("inf")


def _encode_rows(backbone: "Backbone", cloud: PointCloud, rows: Tensor) -> dict[str, Tensor]:
    encoded = backbone.encode(cloud.xyz, cloud.rgb, levels="all")
    return {level: encoded[level].detach().cpu().float()[rows] for level in backbone.level_channels}


def _read_rows(backbone: "Backbone", cloud: PointCloud, rows: Tensor) -> dict[str, Tensor]:
    spec = None if backbone.readout is None else backbone.readout.spec
    return {
        purpose: backbone.encode(cloud.xyz, cloud.rgb, readout=readout).detach().cpu()[rows[::_EVERY]]
        for purpose, readout in distinct_readouts(spec).items()
    }
