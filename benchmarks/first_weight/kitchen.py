"""Part (c), first half: the teacher's labels of a real kitchen, found again from points alone."""

import numpy as np
import torch
from held_out import FrameCloud, cloud_of, kitchen
from journal import Journal
from probing import ProbeTask
from setting import Setting
from students import measure_students

from ppkt_zoo.transfer.projection import sample_bilinear
from ppkt_zoo.transfer.teachers import VOC_CLASSES

CLASSES = ("background", "chair", "table", "screen")
_VOC_NAMES = {"chair": "chair", "diningtable": "table", "tvmonitor": "screen"}


def measure(setting: Setting, journal: Journal) -> dict[str, object]:
    """Scores of the pretrained student, of random ones and of colour and position, for every seed."""
    source = kitchen(setting)
    (fit_from, fit_to), (test_from, test_to) = setting.amount.kitchen_fit, setting.amount.kitchen_test

    def labelled(index: int) -> tuple[FrameCloud, np.ndarray]:
        one = cloud_of(source[index])
        return one, teacher_label(setting, one)

    task = ProbeTask(
        classes=CLASSES,
        fit=lambda index: labelled(fit_from + index),
        test=lambda index: labelled(test_from + index),
        fit_size=fit_to - fit_from,
        test_size=test_to - test_from,
        fit_frames=fit_to - fit_from,
        per_frame=150,
        per_class=4000,
    )
    return measure_students(setting, journal, task)


@torch.no_grad()
def teacher_label(setting: Setting, one: FrameCloud) -> np.ndarray:
    """int64 (N,), what the Pascal VOC segmenter sees at each point's pixel, as `CLASSES`; none is left out.

    Its scores are upsampled to the pixels bilinearly, then the largest of all 21 counts; what is neither
    chair, table nor screen is background.
    """
    image = torch.from_numpy(one.frame.color).permute(2, 0, 1)[None].float() / 255.0
    scores = setting.labeller.logits(image)
    size = (one.frame.color.shape[0], one.frame.color.shape[1])
    place = setting.labeller.pixel_to_feature(torch.from_numpy(one.pixel), size)
    voc = sample_bilinear(scores, torch.zeros(len(place), dtype=torch.int64), place).argmax(dim=1)
    table = [CLASSES.index(_VOC_NAMES.get(name, "background")) for name in VOC_CLASSES]
    return torch.tensor(table)[voc].numpy()
