"""How a trained teacher does on images of rooms that it never saw."""

import numpy as np
import torch

from ppkt_zoo.teachers.training.dataset import CropDataset, classes_in, random_box, resized, stacked
from ppkt_zoo.teachers.training.images import ImageStore
from ppkt_zoo.teachers.training.moco import MoCo, contrast_logits
from ppkt_zoo.teachers.training.recipe import TeacherRecipe
from ppkt_zoo.teachers.training.supervised import Supervised

_CROPS_PER_IMAGE = 4
_SEED = 20_260


@torch.no_grad()
def measure(model: MoCo | Supervised, recipe: TeacherRecipe, images: ImageStore) -> dict[str, float]:
    """Figures on held-out images, in eval mode; none where there are no such images."""
    if not len(images):
        return {}
    model.eval()
    try:
        if isinstance(model, MoCo):
            return _contrast(model, recipe, images)
        return _precision(model, recipe, images)
    finally:
        model.train()


def _precision(model: Supervised, recipe: TeacherRecipe, images: ImageStore) -> dict[str, float]:
    """Mean average precision over the classes that occur, and the share of crops whose best class is there."""
    assert recipe.labels is not None
    device = next(model.parameters()).device
    rng = np.random.default_rng(_SEED)
    scores, targets = [], []
    for number in range(len(images)):
        image, label = images[number]
        assert label is not None
        height, width = image.shape[:2]
        boxes = [random_box(height, width, recipe.crop.area, rng) for _ in range(_CROPS_PER_IMAGE)]
        crops = stacked([np.asarray(resized(image, box, recipe.crop.size)) for box in boxes])
        scores.append(model.scores(crops.to(device)).cpu())
        targets.append(np.stack([classes_in(label, box, recipe.labels.share) for box in boxes]))
    score, target = torch.cat(scores).numpy(), np.concatenate(targets) > 0
    present = np.flatnonzero(target.any(axis=0))
    found = [average_precision(score[:, one], target[:, one]) for one in present]
    best = target[np.arange(len(score)), score.argmax(axis=1)]
    return {
        "held_out_map": round(float(np.mean(found)), 4),
        "held_out_map_by_chance": round(float(target[:, present].mean()), 4),
        "held_out_top1": round(float(best.mean()), 4),
        "held_out_crops": float(len(score)),
    }


def _contrast(model: MoCo, recipe: TeacherRecipe, images: ImageStore) -> dict[str, float]:
    """How often a crop's nearest key, among all held-out images, is another crop of the same image."""
    device = next(model.parameters()).device
    count = len(images)
    once = recipe.model_copy(update={"batch": count, "steps": 1, "seed": _SEED})
    batch = CropDataset(images, once)[0]
    assert batch.key is not None
    query, key = (
        torch.cat([model.embedded(part) for part in crops.to(device).split(64)]) for crops in (batch.query, batch.key)
    )
    nearest = contrast_logits(query, query, key, 1.0)[:, 1:].argmax(dim=1)
    return {
        "held_out_top1": round(float((nearest == torch.arange(count, device=device)).float().mean()), 4),
        "held_out_embedding_std": round(float(query.std(dim=0, correction=0).mean() * query.shape[1] ** 0.5), 4),
        "held_out_images": float(count),
    }


def average_precision(score: np.ndarray, target: np.ndarray) -> float:
    """Mean of the precision at each crop that shows the class, from the best score down.

    Args:
        score: (N,), higher means surer.
        target: bool (N,), at least one True.
    """
    found = target[np.argsort(-score, kind="stable")]
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    return float(precision[found].mean())
