"""A point file or a folder of RGB-D frames → one HTML file that shows it with its features."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console

from ppkt_zoo.cli.answers.predict import Viewed
from ppkt_zoo.cli.options import ALL_LEVELS
from ppkt_zoo.cli.run.encode import OWN, color_basis, saved_basis
from ppkt_zoo.cli.run.job import Weight, load_weight, source_of, tile_of
from ppkt_zoo.cli.run.page import check_html, told_of, write_page
from ppkt_zoo.cli.run.source import Points, check_source, read_points
from ppkt_zoo.cli.run.steps import Steps, thousands
from ppkt_zoo.cli.run.stored import read_boxes, read_stored
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.targets import check_file_target

if TYPE_CHECKING:
    from ppkt_zoo.cli.options import FeatureReading


@dataclass(frozen=True)
class ViewPage:
    """Write a page, and a file for Rerun if asked for.

    Attributes:
        reading: what is read, and who computes.
        weight: what encodes it; the default weight where None. For features that the source holds: the weight that
            made them, whose colours they get.
        out: the page; beside the caller, named after the source, by default.
        points, megabytes: most points, and largest size.
        plain: encode nothing.
        boxes: a file of ``detect`` to show too.
        basis: colours of the features, see :func:`ppkt_zoo.cli.run.encode.color_basis`.
        rerun: an .rrd, or None.
        clusters: into how many groups the points are put by their features, or None.
    """

    reading: "FeatureReading"
    weight: str | None
    out: Path | None
    points: int
    megabytes: float
    plain: bool = False
    boxes: Path | None = None
    basis: str | None = None
    rerun: Path | None = None
    clusters: int | None = None

    @property
    def target(self) -> Path:
        """Where the page goes."""
        return Path(f"{self.reading.path.resolve().stem}.html") if self.out is None else self.out

    def check(self) -> None:
        """Raise InputError, before any work, where a path or an option does not fit."""
        _ = tile_of(self.reading.tile)
        check_source(self.reading.path)
        check_html(self.target, "--out")
        if self.target.exists() and self.target.samefile(self.reading.path):
            raise InputError(f"--out {self.target} is the source itself: give another path, so that nothing is lost")
        if self.plain and self.weight is not None:
            raise InputError("--plain encodes nothing, --weight names what encodes: give one of them")
        if self.plain and self.basis is not None:
            raise InputError("--plain shows no features, --basis is for their colours: give one of them")
        if self.clusters is not None:
            if self.plain:
                raise InputError("--plain shows no features, --clusters groups points by them: give one of them")
            need("sklearn", "eval", "--clusters")
        if self.reading.levels == ALL_LEVELS:
            raise InputError("--levels all are several features a point: give last, concat or one level's name")
        if self.rerun is not None:
            if self.rerun.suffix.lower() != ".rrd":
                raise InputError(
                    f"files for Rerun are written as .rrd: give --rerun such a name, not {self.rerun.name!r}"
                )
            check_file_target(self.rerun, InputError, "--rerun")
            need("rerun", "rerun", "--rerun")

    def run(self, console: Console | None = None) -> Viewed:
        """Do all of it.

        Args:
            console: where progress is told; standard error by default.

        Raises:
            InputError: something about the source, the paths or the options does not fit.
            UnknownNameError, WeightError: the weight cannot be loaded.
            MissingLibraryError: Rerun's library is not installed.
        """
        self.check()
        steps = Steps(console)
        with steps.step("points", f"reading {self.reading.path}") as step:
            points = read_points(self.reading)
            stored = read_stored(self.reading.path, points)
            boxes = None if self.boxes is None else read_boxes(self.boxes)
            step.text = f"{points.told}: {thousands(len(points.xyz))} points{', ' if stored.told else ''}{stored.told}"
        shown, weight = dict(stored.shown), None
        if boxes is not None:
            shown["boxes"] = boxes
        if not self.plain:
            features, weight, basis = self._features(steps, stored.points, stored.features, "classes" in shown)
            shown |= {"features": features, "basis": basis, "weight": weight}
            if self.clusters is not None:
                shown["clusters"] = self._clusters(steps, features, self.clusters)
        with steps.step("page", "making the page") as step:
            limits = {"points": self.points, "megabytes": self.megabytes}
            page = write_page(self.target, self.reading.path.resolve().name, stored.points, dict(shown), **limits)
            step.text = f"{self.target}: {told_of(page)}"
        if self.rerun is not None:
            with steps.step("rerun", "writing for Rerun") as step:
                step.text = self._write_rerun(stored.points, shown, page.rows)
        files = tuple(path for path in (self.target, self.rerun) if path is not None)
        source = source_of(self.reading.path, points)
        return Viewed(
            source=source, weight=weight, shown=len(page.rows), notes=page.notes, seconds=steps.seconds, files=files
        )

    def _features(
        self, steps: Steps, points: Points, stored: np.ndarray | None, labelled: bool
    ) -> tuple[np.ndarray | None, str | None, Any]:
        """The features, what made them, and their colours; none for a file of classes, unless a weight is named."""
        if stored is None and labelled and self.weight is None:
            return None, None, None
        if stored is not None and self.weight is None:
            return stored, None, None if self.basis in (None, OWN) else saved_basis(self.basis, stored)
        with steps.step("weight", "loading the weight") as step:
            network, step.text = load_weight(self.reading, self.weight)
        features = self._encoded(steps, network, points) if stored is None else stored
        basis = color_basis(self.basis, network, features, self.reading)
        if basis.mean.shape[0] != features.shape[1]:
            raise InputError(
                f"{self.reading.path} holds features of {features.shape[1]} channels, those of {network.name} have "
                f"{basis.mean.shape[0]}: name the weight that made them, or leave --weight out"
            )
        return features, network.name, basis

    def _encoded(self, steps: Steps, network: Weight, points: Points) -> np.ndarray:
        with steps.step("features", "encoding every point") as step:
            cloud, _ = points.cloud()
            rgb = None if cloud.rgb is None else cloud.rgb.numpy()
            tile, how = tile_of(self.reading.tile), self.reading.how
            features: np.ndarray = network.backbone.encode(cloud.xyz.numpy(), rgb, self.reading.levels, tile, **how)
            step.text = f"{features.dtype} {features.shape}: one per point"
        return features

    def _clusters(self, steps: Steps, features: np.ndarray | None, count: int) -> np.ndarray:
        from ppkt_zoo.evaluation.clusters import cluster_points

        if features is None:
            raise InputError(f"{self.reading.path} holds classes and no features: --clusters needs --weight here")
        with steps.step("clusters", f"grouping points into {count} clusters") as step:
            found = cluster_points(features, count)
            step.text = f"{count}: the largest has {thousands(int(np.bincount(found).max()))} points"
        return found

    def _write_rerun(self, points: Points, shown: dict[str, Any], rows: np.ndarray) -> str:
        from ppkt_zoo.visualization.page import Content
        from ppkt_zoo.visualization.rerun_file import save_rerun

        assert self.rerun is not None
        shown.pop("notes", None)
        content = Content.of(points.xyz, points.rgb, title=self.reading.path.resolve().name, **shown)
        return f"{save_rerun(content, self.rerun, rows)}: rerun {self.rerun.name}"
