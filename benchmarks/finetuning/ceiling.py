"""The best score that any labelling by voxels could have on the test's table tops."""

from pathlib import Path

import numpy as np
import torch

from benchmarks.finetuning.grids import PARTS
from ppkt_zoo.downstream.segmentation import load_segmentation_recipe
from ppkt_zoo.downstream.splits import open_splits
from ppkt_zoo.evaluation.metrics import IGNORE, Confusion
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize


def table_top_ceilings(shared: Path, voxel_sizes: tuple[float, ...] = (0.04, 0.02)) -> dict[str, float]:
    """mIoU on the full clouds where every voxel is given the class of most of its points, by voxel size in metres."""
    part = next(part for part in PARTS if part.folder == "table_tops")
    folders = {name: shared / place for name, place in part.data}
    scenes = open_splits(load_segmentation_recipe(part.grid.recipe), folders, Path()).test
    found = {}
    for size in voxel_sizes:
        confusion = Confusion(len(scenes.classes))
        for number in range(len(scenes)):
            scene = scenes[number]
            batch = CloudBatch.collate([PointCloud.from_arrays(scene.xyz, scene.rgb)])
            inverse = voxelize(batch, InputSpec(voxel_size=size)).inverse.numpy()
            confusion.update(scene.label.astype(np.int64), most_common(inverse, scene.label, len(scenes.classes)))
        found[f"{size:g}"] = confusion.mean_iou()
    return found


def most_common(voxel: np.ndarray, label: np.ndarray, classes: int) -> np.ndarray:
    """The class that most labelled points of each point's voxel have, int64 (N,)."""
    known = label != IGNORE
    votes = np.zeros((int(voxel.max()) + 1, classes), np.int64)
    np.add.at(votes, (voxel[known], label[known].astype(np.int64)), 1)
    return torch.from_numpy(votes).argmax(dim=1).numpy()[voxel]
