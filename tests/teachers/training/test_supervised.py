"""The supervised teacher's loss, and average precision."""

import math

import numpy as np
import pytest
import torch

from ppkt_zoo.teachers.training.held_out import average_precision
from ppkt_zoo.teachers.training.moco import MoCo
from ppkt_zoo.teachers.training.recipe import ContrastSection
from ppkt_zoo.teachers.training.supervised import Supervised
from tests.teachers.training.tiny_teacher import CLASSES, random_batch


@pytest.fixture
def model() -> Supervised:
    torch.manual_seed(0)
    return Supervised("resnet18", norm_group=2)


def test_the_loss_is_the_sum_over_classes(model: Supervised) -> None:
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(math.log(3))  # every class with probability 3/4
    batch = random_batch()
    assert batch.target is not None
    there = float(batch.target.sum()) / 4
    loss, figures = model(batch)
    assert float(loss.detach()) == pytest.approx(-there * math.log(0.75) - (CLASSES - there) * math.log(0.25), rel=1e-5)
    assert float(figures["top1"]) == float(batch.target[:, 0].mean())


def test_both_methods_start_from_the_same_resnet(model: Supervised) -> None:
    torch.manual_seed(0)
    moco = MoCo("resnet18", ContrastSection(dim=16, queue=8), norm_group=2)
    for name, tensor in moco.resnet.state_dict().items():
        assert tensor.equal(model.resnet.state_dict()[name]), name


def test_average_precision() -> None:
    score = np.array([0.9, 0.8, 0.7, 0.1])
    assert average_precision(score, np.array([True, False, True, False])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(score, np.array([False, False, False, True])) == pytest.approx(1 / 4)
    assert average_precision(score, np.array([True, True, True, True])) == 1
