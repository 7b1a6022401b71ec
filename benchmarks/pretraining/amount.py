"""How much the comparison measures; it stands in every result, so that figures of other amounts never mix."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

# Seeds of frames for retrieval, far from those of any recipe.
RETRIEVAL_ROOMS_SEED = 700_003


@dataclass(frozen=True)
class Amount:
    """How much is measured.

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

    @property
    def name(self) -> str:
        """For file names: ``full`` or ``tiny``, and eight digits of what the amount is."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return f"{'tiny' if self == TINY else 'full'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


FULL = Amount()
TINY = Amount(
    fit_scenes=2,
    test_scenes=1,
    scenes_per_seed=1,
    kitchen_fit=(0, 2),
    kitchen_test=(98, 100),
    mosd_fit=1,
    mosd_test=2,
    retrieval_rooms=2,
    retrieval_frames=2,
    pairs=256,
    tsne_scenes=1,
    tsne_points=20,
    statistics_clouds=1,
)
