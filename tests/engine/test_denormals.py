"""The processor's flag is as it was once a network has run."""

import numpy as np
import torch

from ppkt_zoo import create_backbone
from ppkt_zoo.engine.denormals import flushed_denormals


def _denormals_live() -> bool:
    return bool((torch.full((4,), 1e-40) * torch.ones(4)).count_nonzero() == 4)


def test_inside_they_are_zero_and_afterwards_not() -> None:
    assert _denormals_live()
    with flushed_denormals():
        assert not _denormals_live()
        with flushed_denormals():
            pass
        assert not _denormals_live()
    assert _denormals_live()


def test_encode_leaves_the_flag_alone() -> None:
    points = np.random.default_rng(0).random((200, 3), np.float32)
    create_backbone("sr_unet14_small").encode(points, points)
    assert _denormals_live()
