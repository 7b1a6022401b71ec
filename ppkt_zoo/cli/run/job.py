"""What encode, similar, segment and detect have in common: load, read, compute, write, draw, each step told."""

import difflib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from rich.console import Console

from ppkt_zoo.cli.answers.predict import Prediction, Source
from ppkt_zoo.cli.run.page import check_html, told_of, write_page
from ppkt_zoo.cli.run.source import Points, check_out, check_picture, read_points
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.sparse.engines import get_engine
from ppkt_zoo.zoo.default import default_weight
from ppkt_zoo.zoo.load import load_backbone, open_weight

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone, Tile
    from ppkt_zoo.cli.options import FeatureReading, Reading
    from ppkt_zoo.zoo.folder import WeightFolder

Network = TypeVar("Network")
Found = TypeVar("Found")
# What every weight folder holds.
_CONFIG = "config.json"


class View(NamedTuple):
    """The points that were read, and the same as networks and pictures take them.

    Attributes:
        points: as the source holds them.
        xyz: float32 (N, 3), metres, z up; map coordinates are moved to the origin.
        rgb: uint8 (N, 3), or None.
        sensor: float64 (3,), where it was seen from in the coordinates of ``xyz``, if from one place.
    """

    points: Points
    xyz: np.ndarray
    rgb: np.ndarray | None
    sensor: np.ndarray | None

    @property
    def told(self) -> str:
        """A few words on it."""
        extent = " × ".join(f"{edge:.1f}" for edge in np.ptp(self.xyz, axis=0))
        color = "without" if self.rgb is None else "with"
        return f"{self.points.told}: {thousands(len(self.xyz))} points {color} colour, {extent} m"


@dataclass(frozen=True)
class Job(ABC, Generic[Network, Found]):
    """One command's work on one source. A command says what is particular to it, and :meth:`run` does the rest.

    Attributes:
        reading: what is read, and who computes.
        out: where the result goes; beside the caller, named after the source, by default.
        picture: a .png, or None.
        html: a page of the cloud and what was found, or None.
    """

    # What the result is called in messages, what the default name of its file ends in, and what it may end in.
    what: ClassVar[str]
    suffix: ClassVar[str]
    endings: ClassVar[tuple[str, ...]] = (".npz", ".ply")
    # Name and description of the two steps that differ.
    loading: ClassVar[tuple[str, str]] = ("model", "loading the model")
    computing: ClassVar[tuple[str, str]]

    reading: "Reading"
    out: Path | None
    picture: Path | None
    html: Path | None = field(default=None, kw_only=True)

    @property
    def target(self) -> Path:
        """Where the result goes."""
        return Path(f"{self.reading.path.resolve().stem}{self.suffix}") if self.out is None else self.out

    @property
    def tile(self) -> "Tile":
        """``--tile`` as networks take it; raises InputError where it is something else."""
        return tile_of(self.reading.tile)

    def check(self) -> None:
        """Raise InputError, before any work, where a path or an option does not fit."""
        _ = self.tile
        check_out(self.what, self.target, self.endings, self.reading.path)
        check_picture(self.picture)
        check_html(self.html)

    @abstractmethod
    def load(self) -> tuple[Network, str]:
        """The network, and a few words on it."""

    @abstractmethod
    def compute(self, network: Network, view: View) -> tuple[Found, str]:
        """What the network finds, and a few words on it."""

    @abstractmethod
    def write(self, network: Network, view: View, found: Found) -> str:
        """Write ``target``; a few words on what it holds."""

    @abstractmethod
    def draw(self, network: Network, view: View, found: Found) -> str:
        """Write what belongs to the picture; a few words on it."""

    @abstractmethod
    def shown(self, network: Network, view: View, found: Found) -> dict[str, Any]:
        """What the page shows beside the cloud: arguments of :func:`ppkt_zoo.view`."""

    @abstractmethod
    def answer(self, network: Network, view: View, found: Found, common: dict[str, Any]) -> Prediction:
        """What the command answers; ``common`` are the fields that all answers have."""

    @property
    def draws(self) -> bool:
        """Whether there is something to draw."""
        return self.picture is not None

    def written(self) -> list[Path | None]:
        """The files that :meth:`run` leaves."""
        return [self.target, self.picture]

    def run(self, console: Console | None = None) -> Prediction:
        """Do all of it.

        Args:
            console: where progress is told; standard error by default.

        Raises:
            InputError: something about the source, the paths or the options does not fit.
            UnknownNameError, WeightError: the weight or model cannot be loaded.
        """
        self.check()
        steps = Steps(console)
        with steps.step(*self.loading) as step:
            network, step.text = self.load()
        with steps.step("points", f"reading {self.reading.path}") as step:
            points = read_points(self.reading)
            cloud, sensor = points.cloud()
            view = View(points, cloud.xyz.numpy(), None if cloud.rgb is None else cloud.rgb.numpy(), sensor)
            step.text = view.told
        with steps.step(*self.computing) as step:
            found, step.text = self.compute(network, view)
        with steps.step("file", "writing") as step:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            step.text = f"{self.target}: {self.write(network, view, found)}"
        if self.draws:
            with steps.step("picture", "drawing") as step:
                step.text = self.draw(network, view, found)
        if self.html is not None:
            with steps.step("page", "making the page") as step:
                title = self.reading.path.resolve().name
                page = write_page(self.html, title, view.points, self.shown(network, view, found))
                step.text = f"{self.html}: {told_of(page)}"
        return self.answer(network, view, found, self._common(view, steps.seconds))

    def _common(self, view: View, seconds: dict[str, float]) -> dict[str, Any]:
        return {
            "source": source_of(self.reading.path, view.points),
            "device": self.reading.device,
            "engine": get_engine(self.reading.engine, torch.device(self.reading.device)).name,
            "seconds": seconds,
            "files": tuple(path for path in (*self.written(), self.html) if path is not None),
        }


def source_of(path: Path, points: Points) -> Source:
    """What an answer says of the points that were read."""
    width, depth, height = np.ptp(points.xyz, axis=0).tolist()
    colored = points.rgb is not None
    return Source(
        path=path, description=points.told, points=len(points.xyz), colored=colored, extent=(width, depth, height)
    )


def tile_of(text: str) -> "Tile":
    """``--tile`` as networks take it; raises InputError where it is something else."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    try:
        metres = float(text)
    except ValueError:
        metres = math.nan
    if not metres > 0:
        raise InputError(f"--tile {text} must be auto, none, or the edge of a column in metres, such as --tile 5")
    return metres


class Weight(NamedTuple):
    """A pretrained weight that was loaded."""

    name: str
    folder: "WeightFolder"
    backbone: "Backbone"


@dataclass(frozen=True)
class WeightJob(Job[Weight, Found]):
    """A job on the features of a pretrained weight; by default the one that :func:`ppkt_zoo.default_weight` names."""

    loading = ("weight", "loading the weight")

    reading: "FeatureReading"
    weight: str | None

    def load(self) -> tuple[Weight, str]:
        return load_weight(self.reading, self.weight)


def load_weight(reading: "FeatureReading", weight: str | None) -> tuple[Weight, str]:
    """A weight by its name, the default one where there is none, and a few words on it."""
    name = default_weight() if weight is None else weight
    folder = open_weight(name, hold=True)
    backbone = load_backbone(folder, device=reading.device, engine=reading.engine)
    return Weight(name, folder, backbone), f"{name}, voxels of {backbone.input_spec.voxel_size * 100:g} cm"


def folder_or_name(model: str) -> str | Path:
    """A folder as a path, anything else as a name.

    Raises:
        UnknownNameError: neither such a folder nor a name; the message tells the nearest folders, and what a model is.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        inner = folder / "model"
        if not (folder / _CONFIG).is_file() and (inner / _CONFIG).is_file():
            raise UnknownNameError(f"{folder} is the folder of a run: the model in it is {inner}")
        return folder
    if model.startswith(("hf-hub:", "local-dir:")):
        return model
    from ppkt_zoo.zoo.manifest import load_manifest

    if model in load_manifest().names():
        return model
    near = _nearest_folders(folder)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    what = "is a file" if folder.exists() else "is not there"
    raise UnknownNameError(
        f"--model {model} {what}: {meant}A model is the folder that 'segmentation train' and 'detection train' write, "
        f"OUT/model, with {_CONFIG}, model.safetensors and a head; or hf-hub:OWNER/REPO@COMMIT"
    )


def _nearest_folders(folder: Path) -> list[str]:
    """Folders whose names are like the one that is not there, beside it or beside what of its path there is."""
    place, name = folder.absolute().parent, folder.name
    while not place.is_dir():
        place, name = place.parent, place.name
    try:
        beside = {one.name: one for one in place.iterdir() if one.is_dir() and not one.name.startswith(".")}
    except OSError:
        return []
    rest = folder.absolute().relative_to(place / name)
    close = difflib.get_close_matches(name, sorted(beside), n=2, cutoff=0.6)
    return [str(beside[one] / rest if (beside[one] / rest).is_dir() else beside[one]) for one in close]
