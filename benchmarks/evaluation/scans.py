"""Scans of the test sets that can be had at other densities: rooms of rooms-bench, frames of the kitchen."""

from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.changes import on_grid, some
from benchmarks.evaluation.material import BENCH, Labelled, Material, cloud_of, teacher_label
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.rooms.layout.plans import make_room
from ppkt_zoo.rooms.room import VERSION
from ppkt_zoo.rooms.scenes import room_cloud
from ppkt_zoo.rooms.source import cached, room_seed

# Metres between the points of a scan of rooms-bench; on half of the area a point, there are twice as many points.
_SPACING = 0.02
_DOUBLE = _SPACING / 2**0.5


@dataclass(frozen=True)
class RoomScans:
    """Test rooms of rooms-bench; denser scans come from the same twelve noisy depth views, on a finer grid."""

    material: Material

    def clean(self, index: int) -> Labelled:
        """The benchmark's own scan, one point in each cell of 2 cm."""
        return self.material.test_scene(index)

    def double(self, index: int) -> Labelled:
        """One point in each cell of 1.41 cm."""
        return self.scanned(index, _DOUBLE)

    def scanned(self, index: int, spacing: float) -> Labelled:
        """One point in each cell of so many metres into which a pixel of a view fell."""
        folder = self.material.cache / f"dense-scenes-v{VERSION}-seed{BENCH.test_seed}"
        path = folder / f"scene-{index:05d}-{spacing * 1000:.1f}mm.npz"

        def scan() -> dict[str, np.ndarray]:
            xyz, rgb, label, _ = room_cloud(make_room(room_seed(BENCH.test_seed, index)), spacing, noise=True)
            return {"xyz": xyz, "rgb": rgb, "label": label}

        return cached(path, ("xyz", "rgb", "label"), "scan", scan, _labelled, compressed=True)


@dataclass(frozen=True)
class KitchenScans:
    """Test frames of the real kitchen; denser ones have more of the camera's own pixels."""

    material: Material

    def clean(self, index: int) -> Labelled:
        """Every second pixel of a row and of a column."""
        return self.material.kitchen_frame(self._number(index))

    def double(self, index: int) -> Labelled:
        """A random half of all pixels, which are four times as many as those of `clean`."""
        whole = self._whole(index)
        return some(whole, len(whole[0]) // 2, np.random.default_rng([index, 67]))

    def scanned(self, index: int, spacing: float) -> Labelled:
        """All pixels, their mean in each cell of so many metres."""
        return on_grid(self._whole(index), spacing)

    def _whole(self, index: int) -> Labelled:
        one = cloud_of(self.material.kitchen[self._number(index)], stride=1)
        folder, labeller = self.material.cache / "kitchen_labels", self.material.labeller
        path = folder / f"{labeller.sha256}-{one.frame.name}-whole.npz"
        label = cached(
            path,
            ("label",),
            "labels",
            lambda: {"label": teacher_label(labeller, one).astype(np.int8)},
            lambda found: found["label"].astype(np.int64),
            compressed=True,
        )
        return one.cloud, label

    def _number(self, index: int) -> int:
        return self.material.amount.kitchen_test[0] + index


def _labelled(found: dict[str, np.ndarray]) -> Labelled:
    return PointCloud.from_arrays(found["xyz"], found["rgb"]), found["label"].astype(np.int64)
