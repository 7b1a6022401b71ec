"""What a run looks at while it learns: how well its features name classes in unseen rooms, and a picture of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.evaluation.probes import KNNProbe, balanced_sample
from ppkt_zoo.rooms import RoomScenes
from ppkt_zoo.visualization.picture import feature_picture, save_picture

_BANK_PER_CLASS = 200
_ASKED_PER_SCENE = 4000
# Enough points for a picture of this height; a scan has some three times as many.
_DRAWN_POINTS = 100_000
_PICTURE_HEIGHT = 300


class OnlineProbe:
    """A kNN probe and a picture of features, on whole rooms: what ``pretrain`` takes as ``watch``.

    The first half of the rooms fills the probe's bank, at most 200 points a class, as many of a rare class as of a
    common one where there are so many; at most 4000 points of each other room are asked. The points are drawn by
    the seed alone, so figures of different steps, and of different runs, can be compared.

    Args:
        seed: of the rooms; training must never see them.
        rooms: how many, at least 2.
        levels: the student's levels that are taught; the finest of them is looked at, the last where none is named.
        cache: folder for the rooms' scans, or None.
        pictures: folder for ``step-00000500.png`` and so on.
    """

    def __init__(self, seed: int, rooms: int, levels: Collection[str], cache: Path | None, pictures: Path) -> None:
        self._source = RoomScenes(seed, rooms, cache)
        self._levels, self._pictures = levels, pictures

    def __call__(self, student: Backbone, step: int) -> dict[str, float]:
        """Figures of a student after ``step`` steps: ``knn_miou`` and ``knn_accuracy``; draws its picture.

        The student's mode, parameters and random numbers stay as they are.
        """
        level = next((name for name in reversed(student.level_channels) if name in self._levels), "last")
        bank, asked = self._rooms
        features = [student.encode(room.scene.xyz, room.scene.rgb, level)[room.rows] for room in bank]
        probe = KNNProbe.fit(np.concatenate(features), np.concatenate([room.labels for room in bank]))
        found = Confusion(len(self._source.classes))
        for number, room in enumerate(asked):
            encoded = student.encode(room.scene.xyz, room.scene.rgb, level)
            found.update(room.labels, probe.predict(encoded[room.rows]))
            if number == 0:
                self._draw(room.scene, encoded, step)
        return {"knn_miou": found.mean_iou(), "knn_accuracy": found.accuracy()}

    @cached_property
    def _rooms(self) -> tuple[list["_Room"], list["_Room"]]:
        """Rooms of the bank and rooms that are asked; scanned when they are needed for the first time."""
        scenes = [self._source[index] for index in range(len(self._source))]
        half = len(scenes) // 2
        rng = np.random.default_rng([self._source.seed, 1])
        return _fill_bank(scenes[:half], rng), [_ask(scene, rng) for scene in scenes[half:]]

    def _draw(self, scene: LabelledScene, features: np.ndarray, step: int) -> None:
        every = -(-len(scene.xyz) // _DRAWN_POINTS)
        title = f"features after {step} steps: {features.shape[1]} channels, their three main directions as colours"
        rgb = None if scene.rgb is None else scene.rgb[::every]
        picture = feature_picture(scene.xyz[::every], rgb, features[::every], title, _PICTURE_HEIGHT)
        save_picture(picture, self._pictures / f"step-{step:08d}.png")


@dataclass(frozen=True)
class _Room:
    """A scene, int64 rows of it and int64 labels of these rows."""

    scene: LabelledScene
    rows: np.ndarray
    labels: np.ndarray


def _fill_bank(scenes: Sequence[LabelledScene], rng: np.random.Generator) -> list[_Room]:
    """Rows of all scenes together in which every class has the same share, as far as there are enough."""
    drawn = balanced_sample(np.concatenate([scene.label for scene in scenes]), _BANK_PER_CLASS, rng)
    edges = np.cumsum([0, *(len(scene.label) for scene in scenes)])
    rooms = []
    for scene, first, end in zip(scenes, edges[:-1], edges[1:], strict=True):
        rows = drawn[(drawn >= first) & (drawn < end)] - first
        rooms.append(_Room(scene, rows, scene.label[rows]))
    return rooms


def _ask(scene: LabelledScene, rng: np.random.Generator) -> _Room:
    labelled = np.flatnonzero(scene.label != IGNORE)
    rows = np.sort(rng.permutation(labelled)[:_ASKED_PER_SCENE])
    return _Room(scene, rows, scene.label[rows])
