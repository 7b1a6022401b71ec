"""A teacher's classes are found in the embedding space, and points near them take them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ppkt_zoo import load_backbone, load_projection
from ppkt_zoo.data.plain import PlainFrames
from ppkt_zoo.data.seven_scenes import SevenScenes
from ppkt_zoo.downstream.teacher_classes import find_teacher_classes
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.back_projection import back_project, pixel_values
from ppkt_zoo.transfer.teachers import VOC_CLASSES, TeacherSpec, load_teacher

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


def test_points_take_the_class_whose_place_is_nearest() -> None:
    torch.manual_seed(0)
    image = np.zeros((16, 16, 3), np.uint8)
    found = find_teacher_classes(Halves(), ("left", "right", "never"), projection(), [image, image])
    assert (found.names, found.cells) == (("left", "right"), (64, 64))
    assert found.of_points(torch.tensor([[1.0, 0.1], [0.1, 1.0], [2.0, 0.0]])).tolist() == [0, 1, 0]
    torch.testing.assert_close(found.likeness(torch.eye(2)).diagonal(), torch.ones(2))


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
    kitchen = SevenScenes(shared / "frames" / "seven_scenes_redkitchen")
    images = [kitchen[number].color for number in (0, 20, 40, 60)]
    found = find_teacher_classes(load_teacher(spec, file), VOC_CLASSES, load_projection(WEIGHT), images)
    assert {"background", "diningtable"} <= set(found.names)
    tops = PlainFrames(shared / "frames" / "mosd", intrinsics=(525.0, 525.0, 319.5, 239.5))
    frame = tops[80]
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose, stride=4)
    backbone = load_backbone(WEIGHT)
    features = torch.from_numpy(backbone.encode(xyz, pixel_values(frame.color, pixel)))
    likeness = found.likeness(features)[:, found.names.index("diningtable")].numpy()
    table = frame.label[pixel[:, 1], pixel[:, 0]] == 0
    assert likeness[table].mean() > likeness[~table].mean(), "a real table is more like a table than what stands on it"
