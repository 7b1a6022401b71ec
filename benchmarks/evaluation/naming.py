"""Points of a real kitchen named without one 3D label, held against what the teacher sees in their own images."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from benchmarks.evaluation.material import KITCHEN_CLASSES, VOC_NAMES, Amount, Material, cloud_of, teacher_label
from benchmarks.evaluation.permissive import HELD_OUT, SEEN, Key, Permissive
from benchmarks.evaluation.students import Pretrained
from benchmarks.machine import VOC_TEACHER
from ppkt_zoo.evaluation.metrics import Confusion
from ppkt_zoo.evaluation.teacher_classes import find_teacher_classes
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.teachers.teacher import VOC_CLASSES
from ppkt_zoo.visualization.classes import segmentation_picture

NAMED_FRAME: Key = ("uois-tabletop", 8)
"""What the picture shows."""
# Metres from the camera beyond which a picture shows nothing.
_FAR = 1.6


@torch.no_grad()
def named(student: Pretrained, material: Material, seeds: Sequence[int]) -> dict[str, object]:
    """mIoU over the kitchen's classes and IoU of each, a value a seed."""
    teacher = student.teacher([material.shared / VOC_TEACHER])
    frames, backbone, amount = material.kitchen, student.backbone, material.amount
    level = list(backbone.level_channels)[-1]
    iou = []
    for seed in seeds:
        images = [frames[number].color for number in _drawn(amount.looked_at, amount, seed)]
        classes = find_teacher_classes(teacher, VOC_CLASSES, student.projection, images, seed=seed)
        number_of = np.array([KITCHEN_CLASSES.index(VOC_NAMES.get(name, "background")) for name in classes.names])
        confusion = Confusion(len(KITCHEN_CLASSES))
        for number in _drawn(amount.named, amount, seed):
            one = cloud_of(frames[number])
            features = backbone(CloudBatch.collate([one.cloud])).at(level, torch.arange(len(one.cloud)))
            confusion.update(teacher_label(material.labeller, one), number_of[classes.of_points(features).numpy()])
        iou.append(np.nan_to_num(confusion.iou()))
    table = np.stack(iou)
    return {
        "miou": table.mean(axis=1).tolist(),
        "classes": {name: table[:, row].tolist() for row, name in enumerate(KITCHEN_CLASSES)},
    }


@torch.no_grad()
def draw_named(student: Pretrained, material: Material, key: Key = NAMED_FRAME) -> Image.Image:
    """A permissively licensed frame in the teacher's classes; the teacher sees the images of all the others."""
    teacher = student.teacher([material.shared / VOC_TEACHER])
    frames = Permissive(material.shared)
    others = [one for one in frames.keys((*HELD_OUT, *SEEN)) if one != key]
    images = [frames.source(source)[index].color for source, index in others]
    classes = find_teacher_classes(teacher, VOC_CLASSES, student.projection, images)
    one = frames.cloud(key)
    near = one.frame.depth[one.pixel[:, 1], one.pixel[:, 0]] < _FAR
    cloud = PointCloud(one.cloud.xyz[near], None if one.cloud.rgb is None else one.cloud.rgb[near])
    label = classes.of_points(student.backbone.encode(cloud.xyz, cloud.rgb)).numpy()
    assert one.frame.pose is not None
    assert cloud.rgb is not None
    return segmentation_picture(
        cloud.xyz.numpy(),
        cloud.rgb.numpy(),
        label,
        classes.names,
        title=f"the teacher's classes by {student.name}, no 3D label",
        seen_from=one.frame.pose[:3, 3],
    )


def _drawn(between: tuple[int, int], amount: Amount, seed: int) -> list[int]:
    """Some frames of a stretch of the walk, rising."""
    first, last = between
    drawn = np.random.default_rng([seed, 47]).permutation(last - first)[: amount.named_per_seed]
    return sorted(first + int(number) for number in drawn)
