"""Points of a real kitchen named without one 3D label, held against what the teacher sees in their own images."""

import hashlib
from pathlib import Path

import numpy as np
import torch
import yaml
from _probes.clouds import cloud_of, open_kitchen
from _probes.teacher_labels import KITCHEN_CLASSES, VOC_NAMES, teacher_label
from clusters_of import LABELLER_FILE, Amount
from PIL import Image

from ppkt_zoo.data.fuse import fuse
from ppkt_zoo.evaluation.metrics import Confusion
from ppkt_zoo.evaluation.teacher_classes import find_teacher_classes
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import VOC_CLASSES, Teacher, TeacherSpec, load_teacher
from ppkt_zoo.visualization.classes import segmentation_picture
from ppkt_zoo.zoo.config import PROJECTION
from ppkt_zoo.zoo.folder import WeightFolder


def how(amount: Amount) -> str:
    """Which frames were looked at and named, for the page."""
    looked_at, seen = (f"{first} to {end - 1}" for first, end in (amount.looked_at, amount.named))
    return (
        f"frames {looked_at} of the walk give the images, frames {seen} the points; each seed draws "
        f"{amount.named_per_seed} of either."
    )


def taught_by_the_segmenter(folder: WeightFolder, shared: Path) -> bool:
    """Whether its embedding space has classes: its teacher is the one with a class for every cell."""
    teacher = folder.record().teacher
    digest = hashlib.sha256((shared / LABELLER_FILE).read_bytes()).hexdigest()
    return PROJECTION in folder.config.files and teacher is not None and teacher.sha256 == digest


@torch.no_grad()
def named(folder: WeightFolder, shared: Path, amount: Amount, seeds: list[int]) -> dict[str, object]:
    """mIoU over the kitchen's classes and IoU of each, a value a seed."""
    teacher = _own_teacher(folder, shared)
    labeller = load_teacher(VOC_SEGMENTER, shared / LABELLER_FILE)
    frames, backbone, projection = open_kitchen(shared), folder.backbone(), folder.projection()
    level = list(backbone.level_channels)[-1]
    iou = []
    for seed in seeds:
        images = [frames[number].color for number in _drawn(amount.looked_at, amount.named_per_seed, seed)]
        classes = find_teacher_classes(teacher, VOC_CLASSES, projection, images, seed=seed)
        number_of = [KITCHEN_CLASSES.index(VOC_NAMES.get(name, "background")) for name in classes.names]
        confusion = Confusion(len(KITCHEN_CLASSES))
        for number in _drawn(amount.named, amount.named_per_seed, seed):
            one = cloud_of(frames[number])
            features = backbone(CloudBatch.collate([one.cloud])).at(level, torch.arange(len(one.cloud)))
            confusion.update(teacher_label(labeller, one), np.array(number_of)[classes.of_points(features).numpy()])
        iou.append(np.nan_to_num(confusion.iou()))
    table = np.stack(iou)
    return {
        "miou": table.mean(axis=1).tolist(),
        "classes": {name: table[:, row].tolist() for row, name in enumerate(KITCHEN_CLASSES)},
    }


@torch.no_grad()
def draw_named(folder: WeightFolder, shared: Path, amount: Amount) -> Image.Image:
    """The stretch of the walk whose points are named, fused, in the teacher's classes."""
    teacher = _own_teacher(folder, shared)
    frames, projection = open_kitchen(shared), folder.projection()
    images = [frames[number].color for number in _drawn(amount.looked_at, amount.named_per_seed, 0)]
    classes = find_teacher_classes(teacher, VOC_CLASSES, projection, images)
    room = fuse(frames, range(*amount.named, 2), voxel=0.02, far=4.5)
    features = folder.backbone().encode(torch.from_numpy(room.xyz), torch.from_numpy(room.rgb))
    label = classes.of_points(features).numpy()
    title = f"the teacher's classes by {folder.config.name}, no 3D label"
    return segmentation_picture(room.xyz, room.rgb, label, classes.names, title=title)


def _own_teacher(folder: WeightFolder, shared: Path) -> Teacher:
    """The weight's teacher, at the stage that it learned from."""
    spec = yaml.safe_load(folder.read("recipe.yaml"))["teacher"]["spec"]
    return load_teacher(TeacherSpec.model_validate(spec), shared / LABELLER_FILE)


def _drawn(between: tuple[int, int], count: int, seed: int) -> list[int]:
    """Some frames of a stretch of the walk, rising."""
    first, last = between
    drawn = np.random.default_rng([seed, 47]).permutation(last - first)[:count]
    return sorted(first + int(number) for number in drawn)
