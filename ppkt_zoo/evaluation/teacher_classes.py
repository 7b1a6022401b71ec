"""The teacher's classes on clouds, without one 3D label: what PPKT's embedding space means.

Pixels and points share one space (arXiv 2104.04687, section 3). Cells of which the teacher is sure carry its classes
there, and a point takes the class of the cells that it lies nearest to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.teachers.teacher import Teacher, image_tensor
from ppkt_zoo.transfer.projection import UPL, PointHead

# A class that fewer sure cells have is not known.
_FEWEST_CELLS = 30
# Neighbours asked, as the kNN probe asks them; cells kept; points compared at once.
_NEIGHBOURS, _MOST_CELLS, _CHUNK = 20, 4000, 8192


@dataclass(frozen=True)
class TeacherClasses:
    """Cells of which the teacher is sure, in the embedding space.

    Attributes:
        names: of the classes that were seen often enough.
        cells: float32 (M, D), of length 1; drawn from all, so that common classes have more.
        label: int64 (M,), the class of each, an index into ``names``.
        head: the weight's point head.
    """

    names: tuple[str, ...]
    cells: Tensor
    label: Tensor
    head: PointHead

    @torch.no_grad()
    def shares(self, features: Tensor) -> Tensor:
        """Point features float32 (N, C) of the weight → share of each class among the nearest cells, (N, K)."""
        classes = F.one_hot(self.label, len(self.names)).float()
        nearest = min(_NEIGHBOURS, len(self.cells))
        parts = [
            classes[(self.head(some) @ self.cells.T).topk(nearest, dim=1).indices].mean(dim=1)
            for some in features.split(_CHUNK)
        ]
        return torch.cat(parts)

    def of_points(self, features: Tensor) -> Tensor:
        """Point features float32 (N, C) → the class of each, int64 (N,), an index into ``names``."""
        return self.shares(features).argmax(dim=1)


@torch.no_grad()
def find_teacher_classes(
    teacher: Teacher,
    classes: Sequence[str],
    projection: Mapping[str, Tensor],
    images: Iterable[np.ndarray],
    least_confidence: float = 0.5,
    seed: int = 0,
) -> TeacherClasses:
    """Where cells of a teacher's classes lie in the embedding space of a weight that learned from it.

    Args:
        teacher: the weight's own, at the stage that it was transferred from, with a classifier for every cell.
        classes: names of its classes.
        projection: of the weight, see :func:`ppkt_zoo.load_projection`.
        images: uint8 (H, W, 3) each, unlabelled; of the scene itself or of others like it.
        least_confidence: probability of its class above which a cell counts.
        seed: which of the cells are kept where there are more than 4 000.

    Raises:
        WeightError: the weight came without UPL and point head, or was made with another teacher or stage.
        TeacherError: the teacher's file held no classifier.
        InputError: its classes are of whole images, or fewer than two were seen often enough.
    """
    upl, head = UPL.from_tensors(projection), PointHead.from_tensors(projection)
    if upl.channels != teacher.channels:
        raise WeightError(
            f"the weight's UPL takes {upl.channels} channels, the teacher's {teacher.spec.stage} has "
            f"{teacher.channels}: give the teacher that the weight's record names"
        )
    places, labels = [torch.empty(0, upl.dim)], [torch.empty(0, dtype=torch.int64)]
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
        places.append(cells[sure])
        labels.append(label[sure])
    found = torch.cat(labels)
    kept = (torch.bincount(found, minlength=len(classes)) >= _FEWEST_CELLS).nonzero()[:, 0].tolist()
    if len(kept) < 2:
        raise InputError(
            f"the teacher is sure of {len(kept)} classes in these images: give more images, or a lower least_confidence"
        )
    rows = torch.isin(found, torch.tensor(kept)).nonzero()[:, 0]
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:_MOST_CELLS]]
    number = torch.full((len(classes),), -1)
    number[kept] = torch.arange(len(kept))
    return TeacherClasses(tuple(classes[row] for row in kept), torch.cat(places)[rows], number[found[rows]], head)
