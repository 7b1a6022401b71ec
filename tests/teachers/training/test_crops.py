"""Crops: where they lie, what happens to their colours, and what is in them."""

import numpy as np
import pytest

from ppkt_zoo.errors import FrameError
from ppkt_zoo.teachers.training.dataset import CropDataset, classes_in, random_box, random_crop
from ppkt_zoo.teachers.training.recipe import CropSection, TeacherRecipe
from tests.teachers.training.tiny_teacher import CLASSES, tiny_teacher

PLAIN = CropSection(size=32, jitter_share=0, grey_share=0, blur_share=0)


class Drawn:
    """Eight images of random colours, each of one class; stands for an ImageStore."""

    def __init__(self, labelled: bool = True) -> None:
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (8, 40, 60, 3), dtype=np.uint8)
        self.labelled = labelled

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        return self.images[number], np.full((40, 60), number, np.int8) if self.labelled else None


def _dataset(method: str, images: Drawn | None = None, **changes: object) -> CropDataset:
    recipe = TeacherRecipe.model_validate(tiny_teacher(method, **changes))
    return CropDataset(images or Drawn(), recipe)  # type: ignore[arg-type]


def test_boxes_lie_inside_and_cover_what_was_asked() -> None:
    rng = np.random.default_rng(0)
    boxes = np.array([random_box(240, 320, (0.2, 0.6), rng) for _ in range(500)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 320
    assert boxes[:, 3].max() <= 240
    part = width * height / (240 * 320)
    assert 0.195 < part.min() < 0.23
    assert 0.57 < part.max() < 0.605
    assert 0.73 < (width / height).min() < 0.8
    assert 1.25 < (width / height).max() < 1.37
    assert boxes[:, 0].max() > 100 > 5 > boxes[:, 0].min()


def test_an_image_too_flat_gives_its_largest_box() -> None:
    left, upper, right, lower = random_box(10, 100, (1.0, 1.0), np.random.default_rng(0))
    assert (right - left, lower - upper) == (13, 10)


def test_a_plain_crop_is_its_box_perhaps_mirrored() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :, 0] = np.arange(64) * 4
    seen = set()
    for seed in range(20):
        crop, (left, _, right, _) = random_crop(image, PLAIN, np.random.default_rng(seed))
        red = crop[16, :, 0].astype(float)
        assert abs(red.mean() - 4 * (left + right - 1) / 2) < 3
        seen.add(bool(red[0] < red[-1]))
    assert seen == {True, False}


def test_each_share_changes_what_its_name_says() -> None:
    image = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)

    def crop(**shares: float) -> np.ndarray:
        section = PLAIN.model_copy(update={"area": (1.0, 1.0), "blur": (2.0, 2.0), **shares})
        return random_crop(image, section, np.random.default_rng(0))[0].astype(float)

    plain, grey, blurred, jittered = crop(), crop(grey_share=1), crop(blur_share=1), crop(jitter_share=1)
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 1] == grey[..., 2]).all()
    assert (plain[..., 0] != plain[..., 1]).any()
    assert blurred.std() < 0.6 * plain.std()
    assert np.abs(jittered - plain).mean() > 3
    assert np.array_equal(plain, crop())


def test_classes_in_a_box() -> None:
    label = np.full((10, 20), 4, np.int8)
    label[:, :10] = -1
    label[0, 19] = 28
    assert np.flatnonzero(classes_in(label, (0, 0, 20, 10), 0.02)).tolist() == [4]
    assert np.flatnonzero(classes_in(label, (0, 0, 20, 10), 0.005)).tolist() == [4, 28]
    assert np.flatnonzero(classes_in(label, (15, 0, 20, 10), 0.02)).tolist() == [4, 28]
    assert classes_in(label, (0, 0, 10, 10), 0.02).tolist() == [0.0] * CLASSES
    # Exactly two of a hundred pixels are two per cent.
    label[:2, 10] = 7
    assert classes_in(label, (10, 0, 20, 10), 0.02)[7] == 1


def test_both_methods_see_the_same_crops() -> None:
    moco, supervised = _dataset("moco_v2"), _dataset("supervised")
    for step in range(3):
        one, other = moco[step], supervised[step]
        assert one.query.equal(other.query)
        assert one.query.shape == (4, 3, 32, 32)
        assert one.key is not None
        assert one.target is None
        assert not one.key.equal(one.query)
        assert other.key is None
        assert other.target is not None
        assert other.target.sum(dim=1).tolist() == [1.0] * 4
    assert not moco[0].query.equal(moco[1].query)
    assert sorted(moco[0].order.tolist()) == [0, 1, 2, 3]


def test_an_epoch_shows_every_image_once() -> None:
    supervised = _dataset("supervised")
    classes = [supervised[step].target.argmax(dim=1).tolist() for step in range(4)]  # type: ignore[union-attr]
    assert sorted(classes[0] + classes[1]) == sorted(classes[2] + classes[3]) == list(range(8))
    assert classes[0] + classes[1] != classes[2] + classes[3]


def test_images_without_labels_are_refused() -> None:
    with pytest.raises(FrameError, match="has no labels"):
        _dataset("supervised", Drawn(labelled=False))[0]
    assert _dataset("moco_v2", Drawn(labelled=False))[0].target is None
