"""A point file or a folder of RGB-D frames → a file with the features of every point, and a picture."""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.run.feature_basis import color_basis
from ppkt_zoo.cli.run.source import check_targets, read_points, weight_told
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.targets import check_file_target
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.picture import feature_picture, feature_title, save_picture
from ppkt_zoo.zoo.load import default_weight, load_backbone, open_weight

_LARGEST_HALF = float(np.finfo(np.float16).max)


def encode_source(
    source: Path,
    out: Path,
    *,
    weight: str | None = None,
    picture: Path | None = None,
    levels: str = "last",
    half: bool = False,
    basis: str | None = None,
    save_basis: Path | None = None,
    tile: float | None = None,
    device: str = "cpu",
    engine: str = "auto",
    console: Console | None = None,
    **reading: Any,
) -> Path:
    """Encode every point of a file or folder; write ``xyz``, ``rgb`` and ``features`` (N, C) as .npz or .ply.

    With ``levels="all"`` every level is written too, as ``features.<level>``. For ``reading`` see
    :func:`ppkt_zoo.cli.run.source.read_points`, for ``tile``
    :meth:`ppkt_zoo.backbones.base.Backbone.encode`, for ``weight`` :func:`ppkt_zoo.default_weight`
    where none is given, for ``device`` and ``engine`` :func:`ppkt_zoo.load_backbone`.

    Args:
        half: write features as float16 rather than float32, .npz alone.
        basis: colours of the picture, see :func:`ppkt_zoo.cli.run.feature_basis.color_basis`.
        save_basis: a .safetensors for the picture's colours.

    Raises:
        InputError: something about the source or the paths does not fit, or a feature is beyond 16-bit floats.
        UnknownNameError, WeightError: as ``load_backbone`` does.
    """
    check_targets("features", out, picture, source)
    _check_options(out, half, basis, save_basis, picture)
    steps = Steps(console)
    with steps.step("weight", "loading the weight") as step:
        name = default_weight() if weight is None else weight
        backbone = load_backbone(name, device=device, engine=engine)
        step.text = weight_told(name, backbone)
    with steps.step("points", f"reading {source}") as step:
        points = read_points(source, **reading)
        cloud, sensor = points.cloud()
        extent = " × ".join(f"{edge:.1f}" for edge in np.ptp(cloud.xyz.numpy(), axis=0))
        color = "without" if cloud.rgb is None else "with"
        step.text = f"{points.told}: {thousands(len(cloud))} points {color} colour, {extent} m"
    with steps.step("features", "encoding every point") as step:
        encoded = backbone.encode(cloud.xyz, cloud.rgb, levels="all" if levels == "all" else [levels], tile=tile)
        arrays = {f"features.{level}": _stored(value.numpy(), half) for level, value in encoded.items()}
        features = list(arrays.values())[-1]
        step.text = f"{features.dtype} {features.shape}: one for each point, in the points' order"
    arrays = {"features": features} | (arrays if levels == "all" else {})
    with steps.step("file", "writing") as step:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_cloud(out, points.xyz, points.rgb, **arrays)
        step.text = f"{out}: xyz, {'' if points.rgb is None else 'rgb, '}{', '.join(arrays)}"
    if picture is None and save_basis is None:
        return out
    with steps.step("picture", "drawing") as step:
        chosen = color_basis(basis, open_weight(name), features)
        if save_basis is not None:
            chosen.save(save_basis)
            step.text = f"{save_basis}: the colour basis, for --basis of other pictures"
        if picture is not None:
            shown, rgb = cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy()
            title = feature_title(name, features.shape[1])
            save_picture(feature_picture(shown, rgb, features, title, seen_from=sensor, basis=chosen), picture)
            whose = {None: "of the weight's own basis", "own": "fitted to this cloud alone"}.get(basis, f"by {basis}")
            step.text = f"{picture}: alike in colour is alike in features; colours {whose}"
    return out


def _check_options(out: Path, half: bool, basis: str | None, save_basis: Path | None, picture: Path | None) -> None:
    if half and out.suffix.lower() != ".npz":
        raise InputError(
            f"--half is for .npz, a .ply has no 16-bit floats: give an --out that ends so, not {out.name!r}"
        )
    if basis is not None and picture is None and save_basis is None:
        raise InputError("--basis is for a picture: give --picture FILE.png too")
    if save_basis is not None:
        if save_basis.suffix.lower() != ".safetensors":
            raise InputError(
                f"a basis is written as .safetensors: give a --save-basis that ends so, not {save_basis.name!r}"
            )
        check_file_target(save_basis, InputError, "--save-basis")


def _stored(features: np.ndarray, half: bool) -> np.ndarray:
    if not half:
        return features
    largest = float(np.abs(features).max(initial=0))
    if largest > _LARGEST_HALF:
        raise InputError(f"features reach {largest:.3g}, beyond what 16-bit floats hold: leave out --half")
    return features.astype(np.float16)
