"""Classes of a real kitchen by the Pascal VOC segmenter: labels that cost nobody any work."""

import numpy as np
import torch

from _probes.clouds import FrameCloud
from ppkt_zoo.teachers.teacher import VOC_CLASSES, Teacher
from ppkt_zoo.transfer.projection import sample_bilinear

KITCHEN_CLASSES = ("background", "chair", "table", "screen")
VOC_NAMES = {"chair": "chair", "diningtable": "table", "tvmonitor": "screen"}


@torch.no_grad()
def teacher_label(labeller: Teacher, one: FrameCloud) -> np.ndarray:
    """int64 (N,), what the segmenter sees at each point's pixel, as `KITCHEN_CLASSES`; none is left out.

    Its scores are upsampled to the pixels bilinearly, then the largest of all 21 counts; what is neither
    chair, table nor screen is background.
    """
    image = torch.from_numpy(one.frame.color).permute(2, 0, 1)[None].float() / 255.0
    scores = labeller.logits(image)
    size = (one.frame.color.shape[0], one.frame.color.shape[1])
    place = labeller.pixel_to_feature(torch.from_numpy(one.pixel), size)
    voc = sample_bilinear(scores, torch.zeros(len(place), dtype=torch.int64), place).argmax(dim=1)
    table = [KITCHEN_CLASSES.index(VOC_NAMES.get(name, "background")) for name in VOC_CLASSES]
    return torch.tensor(table)[voc].numpy()
