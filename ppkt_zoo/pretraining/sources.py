"""From a recipe to its steps: sources opened, the teacher's features at hand, a loader that gives step after step."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.data.fingerprint import data_fingerprint
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.data.fuse import poses_join
from ppkt_zoo.data.order import FrameOrder
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.subset import EveryNth, Joined
from ppkt_zoo.engine.checkpoint import DataPart
from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.interrupt import Stopped, StopRequest
from ppkt_zoo.engine.progress import TrainingProgress
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.pretraining.dataset import Preparation, Step, StepDataset, StepSource
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.recipe_sections import DataEntry, FramesData, RoomsData
from ppkt_zoo.rooms import RoomsFrames
from ppkt_zoo.teachers.cache import TeacherCache
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.zoo.names import did_you_mean


def open_sources(recipe: Recipe, data: Mapping[str, Path], cache: Path) -> list[FrameSource]:
    """Open every data entry of a recipe, in its order.

    Args:
        recipe: the recipe.
        data: folder of each ``kind: frames`` entry, by the entry's name.
        cache: folder for rendered rooms.

    Raises:
        RecipeError: a folder is not given, or one is given that the recipe does not name; or an entry takes several
            views of a place, and no poses join its frames.
        FrameError: a folder holds no frames of a known format.
    """
    wanted = {entry.name for entry in recipe.data if isinstance(entry, FramesData)}
    missing, unknown = sorted(wanted - set(data)), sorted(set(data) - wanted)
    if unknown:
        meant = f"{did_you_mean(unknown[0], wanted)} " if wanted else ""
        raise RecipeError(
            f"the recipe names no data {', '.join(unknown)}: {meant}it names: {', '.join(sorted(wanted)) or 'none'}"
        )
    if missing:
        options = " ".join(f"--data {name}=PATH" for name in missing)
        raise RecipeError(f"the recipe needs folders that were not given: {options}")
    return [open_entry(entry, data, cache) for entry in recipe.data]


def open_entry(entry: DataEntry, data: Mapping[str, Path], cache: Path) -> FrameSource:
    """Open one data entry of a recipe."""
    if isinstance(entry, RoomsData):
        return RoomsFrames(
            entry.seed,
            entry.rooms,
            entry.frames_per_room,
            height=entry.height,
            width=entry.width,
            sensor_noise=entry.sensor_noise,
            cache=cache / "rooms",
            close_ups=entry.close_ups,
            walk=entry.walk,
        )
    place = data[entry.name]
    if entry.folders:
        source: FrameSource = Joined([open_frames(place / folder) for folder in entry.folders], entry.name)
    else:
        source = open_frames(place)
    if entry.views > 1 and not poses_join(source):
        # Turned upright each in a world of its own, they would meet by chance, and the network learn from that.
        raise RecipeError(
            f"{source.name}: no poses join these frames, and views: {entry.views} needs to know where they see the "
            "same place: give each its camera pose, or take views: 1 with a 2D teacher (method: ppkt)"
        )
    return EveryNth(source, entry.every) if entry.every > 1 else source


def scene_length(entry: DataEntry, source: FrameSource) -> int:
    """How many frames in a row of a source show one scene."""
    return entry.frames_per_room if isinstance(entry, RoomsData) else len(source)


def preparation(recipe: Recipe, training: bool = True) -> Preparation:
    """What a recipe does to the frames of a step; without augmentation where it is not for training."""
    teacher = recipe.teacher
    online = teacher is not None and teacher.features == "online"
    images = teacher.images if training and teacher is not None else ImageAugmentation.off()
    pixels = {} if recipe.loss is None else recipe.loss.model_dump(include={"pair_sampling", "pair_voxel"})
    return Preparation(
        augmentation=recipe.augmentation if training else CloudAugmentation.off(),
        images=images,
        keep_images=online,
        pixel_pairs=0 if recipe.loss is None else recipe.loss.pairs,
        view_pairs=0 if recipe.point_contrast is None else recipe.point_contrast.pairs,
        **pixels,
    )


class TrainingData:
    """A recipe's frames.

    Args:
        recipe: the recipe.
        sources: the frames of its data entries, in its order.
        teacher: the frozen teacher, or None.
        further: further teachers, by name.
        cache: folder for rendered rooms and the teacher's features.
        progress, stop: where the teacher's first look is shown, and asked whether to go on.

    Attributes:
        sources: the training frames, in the recipe's order.
    """

    def __init__(
        self,
        recipe: Recipe,
        sources: list[FrameSource],
        teacher: Teacher | None,
        cache: Path,
        progress: TrainingProgress,
        stop: StopRequest,
        further: Mapping[str, Teacher] | None = None,
    ) -> None:
        self.recipe, self.teacher, self.cache = recipe, teacher, cache
        self.further = dict(further or {})
        self.progress, self.stop = progress, stop
        self.sources = sources

    def check_shares(self, ranks: int) -> None:
        """Raise RecipeError where some step has nothing for one of so many processes."""
        rows = self._order(self.sources, self.recipe.data).fewest_rows
        if rows < ranks:
            raise RecipeError(
                f"{ranks} processes share the frames of a step, but some steps have {rows} to share: "
                "raise per_step in the recipe, or start fewer processes"
            )

    def parts(self) -> dict[str, DataPart]:
        """What is learned from, for the checkpoints; FrameError where a file cannot be read."""
        digits = data_fingerprint(self.sources)
        return {
            name: DataPart(len(source), "frames", one)
            for (name, one), source in zip(digits.items(), self.sources, strict=True)
        }

    def loader(self, first_step: int, last_step: int, workers: int, rank: int = 0, ranks: int = 1) -> DataWorkers[Step]:
        """Batches of the steps from ``first_step`` to before ``last_step``, ``accumulate`` for each."""
        recipe = self.recipe
        batches = recipe.steps * recipe.accumulate
        dataset = StepDataset(
            self._step_sources(self.sources, recipe.data),
            self._order(self.sources, recipe.data),
            preparation(recipe),
            recipe.seed,
            batches,
            rank,
            ranks,
        )
        order = range(first_step * recipe.accumulate, last_step * recipe.accumulate)
        return DataWorkers(dataset, order, workers)

    def validation(self) -> list[Step]:
        """All batches of the held-out frames, without augmentation; none where the recipe has no validation."""
        if self.recipe.validation is None:
            return []
        entry = self.recipe.validation.data
        source = open_entry(entry, {}, self.cache)
        steps = int(len(source) // entry.per_step)
        dataset = StepDataset(
            self._step_sources([source], [entry]),
            self._order([source], [entry]),
            preparation(self.recipe, training=False),
            self.recipe.seed,
            steps,
        )
        return [dataset[step] for step in range(steps)]

    def _order(self, sources: Sequence[FrameSource], entries: Sequence[DataEntry]) -> FrameOrder:
        return FrameOrder(
            self.recipe.seed,
            [len(source) for source in sources],
            [entry.per_step for entry in entries],
            [entry.views for entry in entries],
            [scene_length(entry, source) for entry, source in zip(entries, sources, strict=True)],
        )

    def _step_sources(self, sources: Sequence[FrameSource], entries: Sequence[DataEntry]) -> list[StepSource]:
        return [
            StepSource(source, self._filled_cache(source), entry.pixel_stride, entry.fuse, self._further_caches(source))
            for source, entry in zip(sources, entries, strict=True)
        ]

    def _further_caches(self, source: FrameSource) -> dict[str, TeacherCache]:
        if self.recipe.teacher is None or self.recipe.teacher.features != "cached":
            return {}
        return {name: self._filled(source, teacher, f"{name}'s") for name, teacher in self.further.items()}

    def _filled_cache(self, source: FrameSource) -> TeacherCache | None:
        if self.teacher is None or self.recipe.teacher is None or self.recipe.teacher.features != "cached":
            return None
        return self._filled(source, self.teacher, "teacher")

    def _filled(self, source: FrameSource, teacher: Teacher, whose: str) -> TeacherCache:
        cache = TeacherCache(self.cache / "teacher", teacher, source)
        with self.progress.task(f"{whose} features of {source.name}", len(source)) as report:
            cache.fill(report, self.stop, self.progress.say)
        if self.stop():
            raise Stopped("stopped while teacher features were computed; the same command resumes")
        return cache
