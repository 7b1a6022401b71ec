"""One matrix over all scenes, on points and on voxels."""

import numpy as np
import pytest
import torch

from ppkt_zoo import InputSpec, create_backbone
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.segmentation.evaluation import evaluate_segmentation, voxel_labels
from ppkt_zoo.downstream.segmentation.model import Prediction, SegmentationModel
from ppkt_zoo.errors import InputError
from tests.downstream.segmentation.tiny_scenes import CLASSES, TinyScenes


class Knowing(SegmentationModel):
    """Says the class that the points' place tells, but takes every chair for a floor."""

    def predict(self, xyz: np.ndarray, rgb: np.ndarray | None = None, **_: object) -> Prediction:
        label = np.minimum(np.digitize(xyz[:, 0], (1.4, 2.8)), 1)
        return Prediction(label, np.eye(3, dtype=np.float32)[label])


def knowing() -> Knowing:
    return Knowing(create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.1)), CLASSES)


def test_one_matrix_over_all_scenes() -> None:
    told: list[tuple[int, int]] = []
    score = evaluate_segmentation(knowing(), TinyScenes(0, 1), report=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]
    assert score.scenes == 2
    assert score.points.matrix.sum() == 2 * 270
    walls, floors, chairs = score.points.matrix.sum(axis=1)
    figures = score.figures()
    assert figures["macc"] == pytest.approx(2 / 3)
    assert figures["miou"] == pytest.approx((1 + floors / (floors + chairs)) / 3)
    assert figures["accuracy"] == pytest.approx((walls + floors) / 540)
    assert set(figures) == {f"{prefix}{name}" for prefix in ("", "voxel_") for name in ("miou", "macc", "accuracy")}
    table = score.table()
    assert [row.name for row in table] == list(CLASSES)
    assert (table[0].iou, table[2].iou, table[2].points) == (1.0, 0.0, chairs)


def test_a_voxel_has_the_class_of_most_of_its_labelled_points() -> None:
    xyz = np.array([[0.01, 0, 0], [0.02, 0, 0], [0.03, 0, 0], [0.04, 0, 0], [0.51, 0, 0], [0.91, 0, 0]], np.float32)
    label = np.array([1, 1, 0, -1, -1, 2], np.int16)
    scene = LabelledScene(xyz, None, label, None, None, None, CLASSES, (), "line")
    probabilities = np.zeros((6, 3), np.float32)
    probabilities[:4, 0], probabilities[:4, 2] = (0.9, 0.3, 0.3, 0.3), (0.1, 0.7, 0.7, 0.7)
    probabilities[4:, 1] = 1
    found = Prediction(probabilities.argmax(axis=1), probabilities)
    truth, prediction = voxel_labels(scene, found, InputSpec(voxel_size=0.1))
    assert truth.tolist() == [1, -1, 2]
    assert prediction.tolist() == [2, 1, 1]


def test_classes_in_no_scene_are_left_out_of_the_mean() -> None:
    classes = (*CLASSES, "sofa")
    model = Knowing(create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.1)), classes)
    model.predict = lambda xyz, rgb=None, **_: Prediction(  # type: ignore[method-assign, assignment]
        torch.zeros(len(xyz), dtype=torch.int64), torch.eye(4)[torch.zeros(len(xyz), dtype=torch.int64)]
    )
    score = evaluate_segmentation(model, TinyScenes(0, classes=classes))
    assert np.isnan(score.table()[3].iou)
    assert score.figures()["miou"] == pytest.approx(score.table()[0].iou / 3)


def test_other_classes_are_refused() -> None:
    with pytest.raises(InputError, match=r"made for 3 classes \(wall, floor, chair\), tiny-scenes has 2"):
        evaluate_segmentation(knowing(), TinyScenes(0, classes=("wall", "floor")))
