"""A point file or a folder of RGB-D frames → a file with the features of every point, and a picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ppkt_zoo.cli.answers.predict import Array, Encoded
from ppkt_zoo.cli.options import ALL_LEVELS
from ppkt_zoo.cli.run.job import View, Weight, WeightJob
from ppkt_zoo.encoding.features import features_of
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.targets import check_file_target
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.points.files.cloud_writers import check_library
from ppkt_zoo.visualization.pca import ColorBasis, Features
from ppkt_zoo.visualization.picture import feature_picture, feature_title, save_picture

if TYPE_CHECKING:
    from torch import Tensor

    from ppkt_zoo.cli.options import FeatureReading

#: In place of a file: a basis of the cloud's own.
OWN = "own"


@dataclass(frozen=True)
class Encode(WeightJob[dict[str, np.ndarray]]):
    """Write ``xyz``, ``rgb`` and ``features`` (N, C) as .npz, .ply, .parquet or .zarr.

    With ``--levels all`` every level is written too, as ``features.<level>``.

    Attributes:
        half: write features as float16 rather than float32; not for .ply.
        basis: colours of the picture, see :func:`ppkt_zoo.cli.run.encode.color_basis`.
        save_basis: a .safetensors for the picture's colours.
    """

    what = "features"
    suffix = "_features.npz"
    endings = (".npz", ".ply", ".parquet", ".zarr")
    computing = ("features", "encoding every point")

    half: bool = False
    basis: str | None = None
    save_basis: Path | None = None

    def check(self) -> None:
        super().check()
        check_library(self.target.suffix.lower())
        if self.half and self.target.suffix.lower() == ".ply":
            raise InputError(
                f"--half is for .npz, .parquet and .zarr, a .ply has no 16-bit floats: give an --out that ends so, not "
                f"{self.target.name!r}"
            )
        if self.basis is not None and not self.draws and self.html is None:
            raise InputError("--basis is for a picture: give --picture FILE.png or --html FILE.html too")
        if self.save_basis is not None:
            if self.save_basis.suffix.lower() != ".safetensors":
                name = self.save_basis.name
                raise InputError(f"a basis is written as .safetensors: give a --save-basis that ends so, not {name!r}")
            check_file_target(self.save_basis, InputError, "--save-basis")

    def compute(self, network: Weight, view: View) -> tuple[dict[str, np.ndarray], str]:
        """The arrays of the file; InputError where a feature is beyond 16-bit floats."""
        reading = self.reading
        found = features_of(network.backbone, view.xyz, view.rgb, reading.levels, self.tile, self.half, reading.how)
        features = found["features"]
        told = f"{features.dtype} {features.shape}: one per point, in the order of the points"
        return found, told

    def write(self, network: Weight, view: View, found: dict[str, np.ndarray]) -> str:
        write_cloud(self.target, view.points.xyz, view.points.rgb, **found)
        return ", ".join(["xyz", *([] if view.points.rgb is None else ["rgb"]), *found])

    @property
    def draws(self) -> bool:
        return self.picture is not None or self.save_basis is not None

    def written(self) -> list[Path | None]:
        return [self.target, self.picture, self.save_basis]

    def draw(self, network: Weight, view: View, found: dict[str, np.ndarray]) -> str:
        features = found["features"]
        chosen = color_basis(self.basis, network, features, self.reading)
        if self.save_basis is not None:
            chosen.save(self.save_basis)
        if self.picture is None:
            return f"{self.save_basis}: the colour basis, for --basis of other pictures"
        title = feature_title(network.name, features.shape[1])
        page = feature_picture(view.xyz, view.rgb, features, title, seen_from=view.sensor, basis=chosen)
        save_picture(page, self.picture)
        whose = {None: "the weight's own basis", "own": "fitted to this cloud alone"}.get(self.basis, f"{self.basis}")
        return f"{self.picture}: similar features have similar colours ({whose})"

    def shown(self, network: Weight, view: View, found: dict[str, np.ndarray]) -> dict[str, Any]:
        basis = color_basis(self.basis, network, found["features"], self.reading)
        return {"features": found["features"], "weight": network.name, "basis": basis}

    def answer(self, network: Weight, view: View, found: dict[str, np.ndarray], common: dict[str, Any]) -> Encoded:
        arrays = {name: Array(dtype=str(value.dtype), shape=value.shape) for name, value in found.items()}
        voxel = network.backbone.input_spec.voxel_size
        return Encoded(weight=network.name, voxel_size=voxel, arrays=arrays, **common)


def color_basis(choice: str | None, network: Weight, features: Features, reading: "FeatureReading") -> ColorBasis:
    """The basis that ``--basis`` asks for.

    Args:
        choice: None for that of the weight's golden cloud, the same for every cloud; ``"own"`` for one of these
            features alone; or the path of a saved one.
        network: the weight.
        features: (N, C), those of the cloud.
        reading: how features were read.

    Raises:
        InputError: no such file, or it holds a basis of other features.
        WeightError: the folder's files are damaged.
    """
    if choice is None:
        return ColorBasis.fit(_golden_features(network, reading))
    if choice == OWN:
        return ColorBasis.fit(features)
    return saved_basis(choice, features)


def saved_basis(path: str, features: Features) -> ColorBasis:
    """A basis from a file for these features (N, C); InputError where there is none, or one of other features."""
    basis = ColorBasis.load(Path(path).expanduser())
    if basis.mean.shape[0] != features.shape[1]:
        raise InputError(
            f"--basis {path} is of features with {basis.mean.shape[0]} channels, these have {features.shape[1]}: "
            "take the basis of the same weight, or --basis own"
        )
    return basis


def _golden_features(network: Weight, reading: "FeatureReading") -> "Tensor":
    """What the weight's golden cloud has, read as the cloud's features are."""
    golden = network.folder.golden()
    level = list(golden.features)[-1] if reading.levels in ("last", ALL_LEVELS) else reading.levels
    if reading.is_plain and level in golden.features:
        return golden.features[level]
    cloud = golden.cloud
    found: dict[str, Tensor] | Tensor
    found = network.backbone.encode(cloud.xyz, cloud.rgb, levels=reading.levels, **reading.how)
    return list(found.values())[-1] if isinstance(found, dict) else found
