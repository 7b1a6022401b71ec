"""Distillation of the teacher's classes at pixels: the KL by hand, and that the classes are the teacher's own."""

import torch
import torch.nn.functional as F

from ppkt_zoo.teachers.spec import VOC_SEGMENTER
from ppkt_zoo.teachers.teacher import Teacher
from ppkt_zoo.teachers.torchvision import DeepLabV3MobileNetV2
from ppkt_zoo.transfer.projection import sample_bilinear
from ppkt_zoo.transfer.soft_classes import SoftClasses
from tests.transfer.steps import CHANNELS, TEACHER, as_points, pixel_batch, point_features


def objective(temperature: float = 1.0) -> SoftClasses:
    draw = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    weight, bias = torch.randn(3, TEACHER, generator=draw), torch.randn(3, generator=draw)
    return SoftClasses(CHANNELS["stride1"], weight, bias, "stride1", temperature)


def test_the_loss_by_hand_and_only_the_student_learns() -> None:
    taught, batch, features = objective(2.0), pixel_batch(), point_features()
    found = taught(as_points(features), batch, detail=True)
    logits = batch.teacher_at_pairs() @ taught.classifier_weight.T + taught.classifier_bias
    have = taught.head(features["stride1"][batch.pixels.point])
    wanted, given = (logits / 2).softmax(1), (have / 2).log_softmax(1)
    torch.testing.assert_close(found.loss, 4 * (wanted * (wanted.log() - given)).sum(1).mean())
    assert found.figures["same_class"] == float((logits.argmax(1) == have.argmax(1)).float().mean())
    found.loss.backward()
    assert features["stride1"].grad is not None
    assert features["stride1"].grad.any()
    assert set(taught.state_dict()) == {"head.weight", "head.bias"}  # the teacher's classes are not among them


def test_the_classes_are_those_of_the_teachers_own_map() -> None:
    torch.manual_seed(0)
    network = DeepLabV3MobileNetV2()
    spec = VOC_SEGMENTER.model_copy(update={"image_size": None})
    features = Teacher(spec.model_copy(update={"stage": "concat_projection"}), network)
    logits = Teacher(spec, network)
    images = torch.rand(1, 3, 65, 97)
    weight, bias = features.classifier()
    places, rows = torch.tensor([[1.3, 2.2], [0.0, 0.5], [3.9, 3.1]]), torch.zeros(3, dtype=torch.int64)
    by_hand = sample_bilinear(features(images), rows, places) @ weight.T + bias
    torch.testing.assert_close(by_hand, sample_bilinear(logits(images), rows, places), atol=1e-5, rtol=1e-4)
    itself = logits.classifier()
    assert torch.equal(F.linear(by_hand, *itself), by_hand)
