"""A point file or a folder of RGB-D frames, and a point of it → the similarity of every other one, and a picture."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ppkt_zoo.cli.answers.predict import Match, Place, SimilarPoints
from ppkt_zoo.cli.options import ALL_LEVELS
from ppkt_zoo.cli.run.encode import color_basis
from ppkt_zoo.cli.run.job import View, Weight, WeightJob
from ppkt_zoo.errors import InputError
from ppkt_zoo.evaluation.similarity import nearest_point, similarity, top_matches
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.visualization.similarity import similarity_colors, similarity_picture

# How many matches are named.
_MATCHES = 4


class Similarity(NamedTuple):
    """How similar all points are to one.

    Attributes:
        picked: the row of that point.
        values: float32 (N,), the cosine similarity of every feature to its own.
        matches: rows of the most similar points.
    """

    picked: int
    values: np.ndarray
    matches: list[int]
    features: np.ndarray | None


@dataclass(frozen=True)
class Similar(WeightJob[Similarity]):
    """Write ``xyz``, ``rgb`` and ``likeness`` float32 (N,), the cosine similarity of features, as .npz or .ply.

    The colours of a .ply are those of the picture, so that any viewer shows them.

    Attributes:
        at: x, y, z in metres, in the source's coordinates with z up; the point nearest to it is compared with.
        apart: metres; least distance between the point and each match that is named.
    """

    what = "similarities"
    suffix = "_similar.ply"
    computing = ("similar", "encoding every point")

    at: tuple[float, ...]
    apart: float = 0.5

    def check(self) -> None:
        super().check()
        if self.reading.levels == ALL_LEVELS:
            raise InputError("--levels all are several features a point: give last, concat or one level's name")

    def compute(self, network: Weight, view: View) -> tuple[Similarity, str]:
        """As in :class:`Job`; InputError where no point is near ``at``."""
        xyz = view.points.xyz
        picked = nearest_point(xyz, self.at)
        reading = self.reading
        features = network.backbone.encode(view.xyz, view.rgb, reading.levels, self.tile, **reading.how)
        values = similarity(features, picked)
        rows = top_matches(xyz, values, picked, _MATCHES, self.apart)
        matches = ", ".join(f"{values[row]:.2f} at {_place(xyz[row])}" for row in rows) or "no point is so far away"
        told = f"point {_place(xyz[picked])}; most similar at least {self.apart:g} m away: {matches}"
        kept = None if self.html is None else features
        return Similarity(picked, values, [int(row) for row in rows], kept), told

    def write(self, network: Weight, view: View, found: Similarity) -> str:
        xyz, rgb, _, _ = view.points
        colors = similarity_colors(found.values)[0] if self.target.suffix.lower() == ".ply" else rgb
        write_cloud(self.target, xyz, colors, likeness=found.values)
        return "xyz, likeness"

    def draw(self, network: Weight, view: View, found: Similarity) -> str:
        assert self.picture is not None
        title = f"similarity to the marked point, {network.name}"
        page = similarity_picture(view.xyz, view.rgb, found.values, found.picked, title, seen_from=view.sensor)
        return f"{save_picture(page, self.picture)}: yellow is similar"

    def shown(self, network: Weight, view: View, found: Similarity) -> dict[str, Any]:
        assert found.features is not None
        basis = color_basis(None, network, found.features, self.reading)
        return {"features": found.features, "weight": network.name, "basis": basis, "picked": found.picked}

    def answer(self, network: Weight, view: View, found: Similarity, common: dict[str, Any]) -> SimilarPoints:
        xyz = view.points.xyz
        return SimilarPoints(
            weight=network.name,
            voxel_size=network.backbone.input_spec.voxel_size,
            point=_numbers(xyz[found.picked]),
            matches=tuple(Match(xyz=_numbers(xyz[row]), similarity=found.values[row]) for row in found.matches),
            **common,
        )


def _numbers(xyz: np.ndarray) -> Place:
    x, y, z = xyz.tolist()
    return x, y, z


def _place(xyz: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in xyz) + ")"
