"""The teacher's classes on clouds, without one 3D label: what PPKT's embedding space means.

Pixels and points share one space (arXiv 2104.04687, section 3). Pixels that the teacher is sure of give each of its
classes a place there, and a point takes the class whose place is nearest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.transfer.projection import UPL, PointHead, ProjectionKind
from ppkt_zoo.transfer.teachers import Teacher, image_tensor

__all__ = ["TeacherClasses", "find_teacher_classes"]

# Fewer sure cells than this make no place for a class.
_FEWEST_CELLS = 30
_UPL, _HEAD = "upl.", "head."


@dataclass(frozen=True)
class TeacherClasses:
    """The teacher's classes in the embedding space.

    Attributes:
        names: of the classes that were seen often enough.
        places: float32 (K, D), of length 1.
        cells: how many cells of feature maps each rests on.
        head: the weight's point head.
    """

    names: tuple[str, ...]
    places: Tensor
    cells: tuple[int, ...]
    head: PointHead

    @torch.no_grad()
    def likeness(self, features: Tensor) -> Tensor:
        """Point features float32 (N, C) of the weight → cosine to each class's place, float32 (N, K)."""
        return self.head(features) @ self.places.T

    def of_points(self, features: Tensor) -> Tensor:
        """Point features float32 (N, C) → the nearest class of each, int64 (N,), an index into ``names``."""
        return self.likeness(features).argmax(dim=1)


@torch.no_grad()
def find_teacher_classes(
    teacher: Teacher,
    classes: Sequence[str],
    projection: Mapping[str, Tensor],
    images: Iterable[np.ndarray],
    least_confidence: float = 0.5,
) -> TeacherClasses:
    """Where a teacher's classes lie in the embedding space of a weight that learned from it.

    Args:
        teacher: the weight's own, at the stage that it was transferred from, with a classifier for every cell.
        classes: names of its classes.
        projection: of the weight, see :func:`ppkt_zoo.load_projection`.
        images: uint8 (H, W, 3) each, unlabelled; of the scene itself or of others like it.
        least_confidence: probability of its class above which a cell counts.

    Raises:
        WeightError: the weight came without UPL and point head, or was made with another teacher or stage.
        TeacherError: the teacher's file held no classifier.
        InputError: its classes are of whole images, or fewer than two were seen often enough.
    """
    upl, head = _upl(projection), _head(projection)
    if upl.channels != teacher.channels:
        raise WeightError(
            f"the weight's UPL takes {upl.channels} channels, the teacher's {teacher.spec.stage} has "
            f"{teacher.channels}: give the teacher that the weight's record names"
        )
    total, count = torch.zeros(len(classes), upl.dim), torch.zeros(len(classes), dtype=torch.int64)
    for color in images:
        image = image_tensor(color)
        scores, features = teacher.logits(image), teacher(image)
        if scores.ndim != 4 or scores.shape[1] != len(classes) or scores.shape[2:] != features.shape[2:]:
            raise InputError(
                f"the teacher's scores {tuple(scores.shape)} are not {len(classes)} for every cell of its features "
                f"{tuple(features.shape)}: a segmenter is needed, such as deeplabv3_mobilenet_v2"
            )
        confidence, label = scores[0].softmax(dim=0).flatten(1).max(dim=0)
        cells = F.normalize(upl.projection(features.float())[0].flatten(1).T, dim=1)
        sure = confidence >= least_confidence
        total.index_add_(0, label[sure], cells[sure])
        count += torch.bincount(label[sure], minlength=len(classes))
    kept = (count >= _FEWEST_CELLS).nonzero()[:, 0].tolist()
    if len(kept) < 2:
        raise InputError(
            f"the teacher is sure of {len(kept)} classes in these images: give more images, or a lower least_confidence"
        )
    places = F.normalize(total[kept] / count[kept, None], dim=1)
    return TeacherClasses(tuple(classes[row] for row in kept), places, tuple(count[kept].tolist()), head)


def _upl(projection: Mapping[str, Tensor]) -> UPL:
    state, kind = _part(projection, _UPL)
    first, last = _ends(state)
    upl = UPL(first.shape[1], last.shape[0], kind)
    upl.load_state_dict(state)
    return upl


def _head(projection: Mapping[str, Tensor]) -> PointHead:
    state, kind = _part(projection, _HEAD)
    first, last = _ends(state)
    head = PointHead(first.shape[1], last.shape[0], kind)
    head.load_state_dict(state)
    return head


def _part(projection: Mapping[str, Tensor], prefix: str) -> tuple[dict[str, Tensor], ProjectionKind]:
    state = {key.removeprefix(prefix): one for key, one in projection.items() if key.startswith(prefix)}
    if not any(key.endswith("weight") for key in state):
        raise WeightError(f"the weight came without {prefix}projection: it was not taught by pixels")
    return state, "linear" if "projection.weight" in state else "mlp"


def _ends(state: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The matrices of the first and the last layer."""
    names = sorted(key for key in state if key.endswith("weight"))
    return state[names[0]], state[names[-1]]
