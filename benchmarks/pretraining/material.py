"""The labelled clouds and the frames that every student is measured on; none of them is ever trained on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from _probes.clouds import KITCHEN, MOSD, cloud_of, open_kitchen, open_mosd
from _probes.probing import ProbeTask
from _probes.teacher_labels import KITCHEN_CLASSES, teacher_label
from amount import RETRIEVAL_ROOMS_SEED, Amount

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.readers.plain import OBJECT_CLASSES
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.rooms import CLASSES, RoomsFrames, rooms_bench
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import Teacher, load_teacher

LABELLER_FILE = "teachers/deeplabv3_mobilenet_v2_voc21.safetensors"
BENCH = rooms_bench("v1")
_HELD_OUT_WORLDS = (BENCH.train_seed, BENCH.validation_seed, BENCH.test_seed, RETRIEVAL_ROOMS_SEED)
Labelled = tuple[PointCloud, np.ndarray]


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

    def tasks(self) -> dict[str, ProbeTask]:
        """What the probes are fitted on and tested on, by name."""
        return {"rooms": self._rooms(), "kitchen": self._kitchen(), "mosd": self._mosd()}

    def retrieval_sets(self) -> dict[str, FrameSource]:
        """Frames with an image each, by name."""
        return {
            "unseen rooms": RoomsFrames(
                RETRIEVAL_ROOMS_SEED, self.amount.retrieval_rooms, 1, cache=self.cache / "rooms"
            ),
            "real kitchen": open_kitchen(self.shared),
        }

    def test_scene(self, index: int) -> Labelled:
        """A test scene of rooms-bench."""
        return as_labelled(BENCH.test(cache=self.cache)[index])

    def _rooms(self) -> ProbeTask:
        train = BENCH.train(cache=self.cache)
        return ProbeTask(
            classes=CLASSES,
            fit=lambda index: as_labelled(train[index]),
            test=self.test_scene,
            fit_size=self.amount.fit_scenes,
            test_size=self.amount.test_scenes,
            fit_frames=self.amount.scenes_per_seed,
            per_frame=60,
            per_class=300,
            queries=2000,
        )

    def _kitchen(self) -> ProbeTask:
        source = open_kitchen(self.shared)
        (fit_from, fit_to), (test_from, test_to) = self.amount.kitchen_fit, self.amount.kitchen_test
        read = self._with_teacher_label(source)
        return ProbeTask(
            classes=KITCHEN_CLASSES,
            fit=lambda index: read(fit_from + index),
            test=lambda index: read(test_from + index),
            fit_size=fit_to - fit_from,
            test_size=test_to - test_from,
            fit_frames=fit_to - fit_from,
            per_frame=150,
            per_class=4000,
        )

    def _mosd(self) -> ProbeTask:
        source = open_mosd(self.shared)
        first_test = len(source) - self.amount.mosd_test

        def read(index: int) -> Labelled:
            one = cloud_of(source[index])
            return one.cloud, one.label()

        return ProbeTask(
            classes=OBJECT_CLASSES,
            fit=read,
            test=lambda index: read(first_test + index),
            fit_size=first_test,
            test_size=self.amount.mosd_test,
            fit_frames=self.amount.mosd_fit,
            per_frame=800,
            per_class=4000,
        )

    @cached_property
    def _labeller(self) -> Teacher:
        return load_teacher(VOC_SEGMENTER, self.shared / LABELLER_FILE)

    def _with_teacher_label(self, source: FrameSource) -> Callable[[int], Labelled]:
        """Frames with the segmenter's labels, which are kept: every student is asked about the same ones."""

        def read(index: int) -> Labelled:
            one = cloud_of(source[index])
            kept = self.cache / "kitchen_labels" / f"{self._labeller.sha256}-{one.frame.name}.npy"
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                draft = kept.with_suffix(".part.npy")
                np.save(draft, teacher_label(self._labeller, one).astype(np.int8))
                draft.replace(kept)
            return one.cloud, np.load(kept).astype(np.int64)

        return read


def as_labelled(scene: LabelledScene) -> Labelled:
    """A scene as a cloud and the class of each point, int64 (N,)."""
    return PointCloud.from_arrays(scene.xyz, scene.rgb), scene.label.astype(np.int64)


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
            raise SystemExit(f"{recipe['weight']} was trained on {name}: it proves nothing there")
    return names
