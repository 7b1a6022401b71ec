"""From frames to what a step learns from: a cloud, its pixel pairs, and the image that the teacher sees."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ppkt_zoo.data.augment.cloud import CloudAugmentation
from ppkt_zoo.data.augment.image import ImageAugmentation
from ppkt_zoo.data.frames import FramePoints, FrameSource, RGBDFrame
from ppkt_zoo.errors import FrameError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.pair_sampling import PairSampling, choose_pairs
from ppkt_zoo.teachers.cache import TeacherCache

# Fewer points than this tell nothing, and a coarse level would hold a single voxel.
_FEWEST_POINTS = 256


@dataclass(frozen=True)
class StepSource:
    """A source of frames as the steps use it.

    Attributes:
        frames: the frames.
        cache: the teacher's features of them, or None.
        pixel_stride: every n-th pixel in each direction becomes a point.
        further: features of further teachers, by name.
        fuse: whether frames that are taken together become one cloud, in the world of their poses.
    """

    frames: FrameSource
    cache: TeacherCache | None
    pixel_stride: int
    fuse: bool = False
    further: Mapping[str, TeacherCache] = field(default_factory=dict)


@dataclass(frozen=True)
class Preparation:
    """What happens to the frames of a step.

    Attributes:
        augmentation: of the student's clouds.
        images: augmentation of the images before an online teacher sees them.
        keep_images: whether an online teacher will look at them.
        pixel_pairs: pixel-point pairs a step; 0 for none.
        pair_sampling, pair_voxel: how they are chosen, see :func:`ppkt_zoo.points.pair_sampling.choose_pairs`.
        view_pairs: matched points of overlapping views a step; 0 for none.
    """

    augmentation: CloudAugmentation
    images: ImageAugmentation
    keep_images: bool
    pixel_pairs: int
    pair_sampling: PairSampling = "uniform"
    pair_voxel: float = 0.05
    view_pairs: int = 0


@dataclass(frozen=True)
class Prepared:
    """A frame's cloud, or the one of the row that it was fused into, and the frame's pixel pairs.

    Attributes:
        frame: the frame.
        cloud: the augmented points.
        origin: int64 (N, 2), the pixel (u, v) that each of the cloud's points came from, in the image that it was in.
        image: uint8 (H, W, 3), as the teacher will see it.
        rows, pixel: pairs: int64 (P,) rows of the cloud, and float (P, 2) where they lie in the image.
        first: the cloud's first row among the joined clouds of a step.
    """

    frame: RGBDFrame
    cloud: PointCloud
    origin: np.ndarray
    image: np.ndarray
    rows: np.ndarray
    pixel: np.ndarray
    first: int = 0


def prepare_frame(
    frame: RGBDFrame, pixel_stride: int, settings: Preparation, rng: np.random.Generator, pairs: int
) -> Prepared:
    """A frame of a step.

    Args:
        frame: the frame.
        pixel_stride: every n-th pixel in each direction becomes a point.
        settings: augmentation, and how pairs are chosen.
        rng: where all randomness comes from.
        pairs: how many pixel pairs.

    Raises:
        FrameError, InputError: the frame has no depth, or too few points are left.
    """
    points, seen, origin = frame.points(pixel_stride)
    xyz, rgb, kept = settings.augmentation(points, seen, rng)
    if len(xyz) < _FEWEST_POINTS:
        raise FrameError(f"frame {frame.name}: only {len(xyz)} points are left, too few to learn from")
    image, pixel, alive = settings.images(frame.color, origin[kept], rng)
    # The paper's sampling is uniform over the pixels with depth that the teacher sees, as many in every frame.
    rows = choose_pairs(xyz, np.flatnonzero(alive), pairs, settings.pair_sampling, settings.pair_voxel, rng)
    return Prepared(frame, PointCloud.from_arrays(xyz, rgb), origin[kept], image, rows, pixel[rows])


@dataclass(frozen=True)
class _View:
    name: tuple[int, int]
    frame: RGBDFrame
    points: FramePoints
    rng: np.random.Generator
    pairs: int


@dataclass
class FusedViews:
    """Frames of one scene that become one cloud: the student sees a piece of a room, the teacher each image."""

    _views: list[_View] = field(default_factory=list)

    @property
    def names(self) -> list[tuple[int, int]]:
        """What the frames were called when they were added."""
        return [view.name for view in self._views]

    def add(
        self, frame: RGBDFrame, pixel_stride: int, name: tuple[int, int], rng: np.random.Generator, pairs: int
    ) -> None:
        """Take up a frame; arguments and errors are those of :func:`prepare_frame`, and FrameError without a pose."""
        if frame.pose is None:
            raise FrameError(f"frame {frame.name} has no pose, and without one it cannot be fused with other views")
        self._views.append(_View(name, frame, frame.points(pixel_stride), rng, pairs))

    def prepare(self, settings: Preparation) -> list[tuple[tuple[int, int], Prepared]]:
        """Each frame under its name; all have the same cloud, whose augmentation the first one's random state decides.

        Raises:
            FrameError, InputError: too few points are left.
        """
        if not self._views:
            return []
        every = [view.points for view in self._views]
        owner = np.repeat(np.arange(len(every)), [len(one.xyz) for one in every])
        origin = np.concatenate([one.pixel for one in every])
        joined = np.concatenate([one.xyz for one in every]), np.concatenate([one.rgb for one in every])
        xyz, rgb, kept = settings.augmentation(*joined, self._views[0].rng)
        if len(xyz) < _FEWEST_POINTS:
            raise FrameError(f"only {len(xyz)} points of these fused views are left, too few to learn from")
        cloud, owner, origin = PointCloud.from_arrays(xyz, rgb), owner[kept], origin[kept]
        prepared = []
        for number, view in enumerate(self._views):
            mine = np.flatnonzero(owner == number)
            image, pixel, alive = settings.images(view.frame.color, origin[mine], view.rng)
            chosen = choose_pairs(
                xyz[mine], np.flatnonzero(alive), view.pairs, settings.pair_sampling, settings.pair_voxel, view.rng
            )
            one = Prepared(view.frame, cloud, origin, image, mine[chosen], pixel[chosen])
            prepared.append((view.name, one))
        return prepared
