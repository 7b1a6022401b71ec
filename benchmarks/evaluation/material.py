"""The labelled clouds and the frames that every student is measured on; none of them is ever trained on."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evaluation.probing import ProbeTask
from benchmarks.machine import VOC_TEACHER
from ppkt_zoo.data.frames import FrameSource, RGBDFrame
from ppkt_zoo.data.readers.plain import OBJECT_CLASSES, PlainFrames
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.rooms import CLASSES, RoomsFrames, rooms_bench
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import VOC_CLASSES, Teacher, load_teacher
from ppkt_zoo.transfer.projection import sample_bilinear

SETS = {"rooms": "unseen rooms", "kitchen": "real kitchen", "mosd": "real table tops"}
KITCHEN, MOSD = "frames/seven_scenes_redkitchen", "frames/mosd"
BENCH = rooms_bench("v1")
# Seed of the frames for retrieval, far from those of any recipe.
RETRIEVAL_ROOMS_SEED = 700_003
KITCHEN_CLASSES = ("background", "chair", "table", "screen")
VOC_NAMES = {"chair": "chair", "diningtable": "table", "tvmonitor": "screen"}
_HELD_OUT_WORLDS = (BENCH.train_seed, BENCH.validation_seed, BENCH.test_seed, RETRIEVAL_ROOMS_SEED)
_MOSD_INTRINSICS = (525.0, 525.0, 319.5, 239.5)
# Of 640×480 frames every second pixel of a row and of a column; rooms are rendered at half the size.
_REAL_STRIDE = 2
#: A cloud, and the class of each point, int64 (N,), −1 where it has none.
Labelled = tuple[PointCloud, np.ndarray]
Read = Callable[[int], Labelled]


@dataclass(frozen=True)
class Amount:
    """How much is measured; it stands in every result, so that figures of other amounts never mix.

    Attributes:
        fit_scenes: the first scenes of rooms-bench's training set, of which each seed draws `scenes_per_seed`.
        test_scenes: the first scenes of its test set.
        scenes_per_seed: see above.
        kitchen_fit, kitchen_test: frames of the walk, from and to.
        mosd_fit: labelled frames that a seed draws from all but the test frames.
        mosd_test: the last frames by name.
        retrieval_rooms, retrieval_frames, pairs: rooms with one frame each, frames a seed draws of a set, and
            points in all of them.
        tsne_scenes, tsne_points: test scenes of the t-SNE, and points of each class in all of them.
        statistics_clouds: clouds on which a random network's batch-norm statistics are gathered.
        cluster_scenes, cluster_scenes_per_seed, cluster_points: scenes of each set, at most; of these that a seed
            draws; points of each.
        looked_at, named, named_per_seed: frames of the kitchen, from and to, whose images the teacher sees, and whose
            points are named; of either that a seed draws.
    """

    fit_scenes: int = 16
    test_scenes: int = 16
    scenes_per_seed: int = 8
    kitchen_fit: tuple[int, int] = (0, 70)
    kitchen_test: tuple[int, int] = (70, 100)
    mosd_fit: int = 5
    mosd_test: int = 20
    retrieval_rooms: int = 60
    retrieval_frames: int = 6
    pairs: int = 4096
    tsne_scenes: int = 6
    tsne_points: int = 100
    statistics_clouds: int = 2
    cluster_scenes: int = 24
    cluster_scenes_per_seed: int = 10
    cluster_points: int = 600
    looked_at: tuple[int, int] = (70, 100)
    named: tuple[int, int] = (0, 60)
    named_per_seed: int = 20

    @property
    def name(self) -> str:
        """For file names: ``full`` or ``tiny``, and eight digits of what the amount is."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return f"{'tiny' if self == TINY else 'full'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


FULL = Amount()
TINY = Amount(2, 1, 1, (0, 2), (98, 100), 1, 2, 2, 2, 256, 1, 20, 1, 2, 2, 200, (95, 100), (0, 2), 2)
"""Two frames of everything: shows that it runs."""


@dataclass(frozen=True)
class FrameCloud:
    """A frame as the student sees it.

    Attributes:
        cloud: N points, in the frame's z-up world.
        pixel: int64 (N, 2), (u, v) of each point.
        frame: where it comes from.
    """

    cloud: PointCloud
    pixel: np.ndarray
    frame: RGBDFrame

    def labelled(self) -> Labelled:
        """The cloud, with the frame's own label at each point's pixel."""
        assert self.frame.label is not None
        return self.cloud, self.frame.label[self.pixel[:, 1], self.pixel[:, 0]].astype(np.int64)


@dataclass(frozen=True)
class Material:
    """Where everything lies.

    Attributes:
        shared: folder with ``frames/`` and ``teachers/``.
        cache: finished scenes and frames of rooms, and the kitchen's labels.
        amount: how much is measured.
    """

    shared: Path
    cache: Path
    amount: Amount

    @cached_property
    def kitchen(self) -> SevenScenes:
        """The real kitchen, 100 frames of one walk."""
        return SevenScenes(self.shared / KITCHEN)

    @cached_property
    def table_tops(self) -> PlainFrames:
        """The real table tops, without poses: gravity is estimated in each frame."""
        return PlainFrames(self.shared / MOSD, intrinsics=_MOSD_INTRINSICS)

    @cached_property
    def labeller(self) -> Teacher:
        """The Pascal VOC segmenter, whose classes the kitchen's points have."""
        return load_teacher(VOC_SEGMENTER, self.shared / VOC_TEACHER)

    def tasks(self) -> dict[str, ProbeTask]:
        """What the probes are fitted on and tested on, by name."""
        amount, train = self.amount, BENCH.train(cache=self.cache)
        (fit_from, fit_to), (test_from, test_to) = amount.kitchen_fit, amount.kitchen_test
        first_test = len(self.table_tops) - amount.mosd_test
        return {
            "rooms": ProbeTask(
                classes=CLASSES,
                fit=lambda index: as_labelled(train[index]),
                test=self.test_scene,
                fit_size=amount.fit_scenes,
                test_size=amount.test_scenes,
                fit_frames=amount.scenes_per_seed,
                per_frame=60,
                per_class=300,
                queries=2000,
            ),
            "kitchen": ProbeTask(
                classes=KITCHEN_CLASSES,
                fit=lambda index: self.kitchen_frame(fit_from + index),
                test=lambda index: self.kitchen_frame(test_from + index),
                fit_size=fit_to - fit_from,
                test_size=test_to - test_from,
                fit_frames=fit_to - fit_from,
                per_frame=150,
                per_class=4000,
            ),
            "mosd": ProbeTask(
                classes=OBJECT_CLASSES,
                fit=self.table_top,
                test=lambda index: self.table_top(first_test + index),
                fit_size=first_test,
                test_size=amount.mosd_test,
                fit_frames=amount.mosd_fit,
                per_frame=800,
                per_class=4000,
            ),
        }

    def retrieval_sets(self) -> dict[str, FrameSource]:
        """Frames with an image each, by name."""
        rooms = RoomsFrames(RETRIEVAL_ROOMS_SEED, self.amount.retrieval_rooms, 1, cache=self.cache / "rooms")
        return {SETS["rooms"]: rooms, SETS["kitchen"]: self.kitchen}

    def spread(self, part: str) -> tuple[Read, int]:
        """Labelled clouds of a set for clusters and search, spread over all of it, and how many there are."""
        most = self.amount.cluster_scenes
        if part == "rooms":
            return self.test_scene, min(most, len(BENCH.test(cache=self.cache)))
        read: Read = self.kitchen_frame if part == "kitchen" else self.table_top
        length = len(self.kitchen if part == "kitchen" else self.table_tops)
        count = min(most, length)
        return lambda index: read(index * length // count), count

    def test_scene(self, index: int) -> Labelled:
        """A test scene of rooms-bench."""
        return as_labelled(BENCH.test(cache=self.cache)[index])

    def table_top(self, index: int) -> Labelled:
        """A real frame, table against object."""
        return cloud_of(self.table_tops[index]).labelled()

    def kitchen_frame(self, index: int) -> Labelled:
        """A real frame with the segmenter's labels, which are kept: every student is asked about the same ones."""
        one = cloud_of(self.kitchen[index])
        kept = self.cache / "kitchen_labels" / f"{self.labeller.sha256}-{one.frame.name}.npy"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_suffix(".part.npy")
            np.save(draft, teacher_label(self.labeller, one).astype(np.int8))
            draft.replace(kept)
        return one.cloud, np.load(kept).astype(np.int64)


def cloud_of(frame: RGBDFrame, stride: int | None = None) -> FrameCloud:
    """Back-project a frame, every `stride`-th pixel; by default real ones at half resolution."""
    if stride is None:
        stride = _REAL_STRIDE if frame.depth.shape[1] >= 640 else 1
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride)
    return FrameCloud(PointCloud.from_arrays(xyz, frame.color[pixel[:, 1], pixel[:, 0]]), pixel, frame)


def as_labelled(scene: LabelledScene) -> Labelled:
    """A scene as a cloud and the class of each point."""
    return PointCloud.from_arrays(scene.xyz, scene.rgb), scene.label.astype(np.int64)


@torch.no_grad()
def teacher_label(labeller: Teacher, one: FrameCloud) -> np.ndarray:
    """int64 (N,), what the segmenter sees at each point's pixel, as `KITCHEN_CLASSES`; none is left out.

    Its scores are upsampled to the pixels bilinearly, then the largest of all 21 counts; what is neither
    chair, table nor screen is background.
    """
    image = torch.from_numpy(one.frame.color).permute(2, 0, 1)[None].float() / 255.0
    scores = labeller.logits(image)
    size = (one.frame.color.shape[0], one.frame.color.shape[1])
    place = labeller.pixel_to_feature(torch.from_numpy(one.pixel), size)
    voc = sample_bilinear(scores, torch.zeros(len(place), dtype=torch.int64), place).argmax(dim=1)
    table = [KITCHEN_CLASSES.index(VOC_NAMES.get(name, "background")) for name in VOC_CLASSES]
    return torch.tensor(table)[voc].numpy()


def pick(source: FrameSource, count: int, seed: int) -> list[int]:
    """`count` different frames of a source, rising."""
    drawn = np.random.default_rng([seed, 17]).permutation(len(source))[:count]
    return sorted(int(index) for index in drawn)


def trained_on(recipe: Mapping[str, Any]) -> list[str]:
    """What a recipe trains on, by name.

    Raises:
        SystemExit: something that is measured on is among it.
    """
    names = []
    for entry in recipe["data"]:
        name = entry["name"] if entry["kind"] == "frames" else f"rooms-{entry['seed']}"
        names.append(name)
        if entry.get("seed") in _HELD_OUT_WORLDS or name in (Path(KITCHEN).name, Path(MOSD).name):
            raise SystemExit(f"{recipe['weight']} was trained on {name}: its figures there would prove nothing")
    return names
