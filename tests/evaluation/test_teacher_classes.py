"""A teacher's classes are found in the embedding space, and points near them take them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ppkt_zoo import load_backbone, load_projection
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.evaluation.teacher_classes import find_teacher_classes
from ppkt_zoo.points.back_projection import back_project, pixel_values
from ppkt_zoo.teachers.teacher import VOC_CLASSES, TeacherSpec, image_tensor, load_teacher
from ppkt_zoo.transfer.projection import sample_bilinear

WEIGHT = "sr_unet14_slim.ppkt_voc"


class Halves:
    """A teacher whose left cells are one class and whose right cells are another."""

    channels = 3
    spec = TeacherSpec(architecture="deeplabv3_mobilenet_v2", stage="concat_projection", weights="file")

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        features = torch.zeros(1, 3, 8, 8)
        features[:, 0, :, :4], features[:, 1, :, 4:] = 1, 1
        return features

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return 9 * self(image)


def projection() -> dict[str, torch.Tensor]:
    upl, head = nn.Conv2d(3, 5, 1), nn.Linear(2, 5)
    with torch.no_grad():
        upl.bias.zero_()
        head.bias.zero_()
        head.weight.copy_(upl.weight[:, :2, 0, 0])
    parts = {"upl.projection.": upl, "head.projection.": head}
    return {prefix + key: one.detach() for prefix, layer in parts.items() for key, one in layer.state_dict().items()}


def test_points_take_the_class_of_the_nearest_cells() -> None:
    torch.manual_seed(0)
    image = np.zeros((16, 16, 3), np.uint8)
    found = find_teacher_classes(Halves(), ("left", "right", "never"), projection(), [image, image])
    assert (found.names, torch.bincount(found.label).tolist()) == (("left", "right"), [64, 64])
    assert found.of_points(torch.tensor([[1.0, 0.1], [0.1, 1.0], [2.0, 0.0]])).tolist() == [0, 1, 0]
    torch.testing.assert_close(found.shares(torch.eye(2)), torch.eye(2))


def test_what_does_not_fit_is_told() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(InputError, match="are not 2 for every cell"):
        find_teacher_classes(Halves(), ("left", "right"), projection(), [image])
    with pytest.raises(InputError, match="sure of 0 classes"):
        find_teacher_classes(Halves(), ("left", "right", "never"), projection(), [image], least_confidence=1.1)
    with pytest.raises(WeightError, match=r"came without upl\.projection"):
        find_teacher_classes(Halves(), ("left", "right", "never"), {"head.projection.weight": torch.eye(2)}, [image])
    wide = {**projection(), "upl.projection.weight": torch.zeros(5, 4, 1, 1)}
    with pytest.raises(WeightError, match="takes 4 channels"):
        find_teacher_classes(Halves(), ("left", "right", "never"), wide, [image])


def test_tables_are_found_on_a_real_kitchen_without_a_3d_label(shared: Path) -> None:
    file = shared / "teachers" / "deeplabv3_mobilenet_v2_voc21.safetensors"
    spec = TeacherSpec(
        architecture="deeplabv3_mobilenet_v2",
        stage="concat_projection",
        weights="file",
        padding="tensorflow",
        image_size=(385, 513),
    )
    teacher = load_teacher(spec, file)
    kitchen = SevenScenes(shared / "frames" / "seven_scenes_redkitchen")
    images = [kitchen[number].color for number in (0, 20, 40, 60)]
    found = find_teacher_classes(teacher, VOC_CLASSES, load_projection(WEIGHT), images)
    assert {"background", "diningtable"} <= set(found.names)
    frame = kitchen[90]
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride=3)
    features = torch.from_numpy(load_backbone(WEIGHT).encode(xyz, pixel_values(frame.color, pixel)))
    label = found.of_points(features)
    # What the teacher itself says at each point's pixel, of an image that it did not give cells of.
    place = teacher.pixel_to_feature(torch.from_numpy(pixel), frame.color.shape[:2])
    scores = sample_bilinear(teacher.logits(image_tensor(frame.color)), torch.zeros(len(xyz), dtype=torch.int64), place)
    truth, said = scores.argmax(dim=1) == VOC_CLASSES.index("diningtable"), label == found.names.index("diningtable")
    assert int(truth.sum()) > 500
    assert (truth & said).sum() / (truth | said).sum() > 0.5
