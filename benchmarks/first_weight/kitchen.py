"""Part (c), first half: the teacher's labels of a real kitchen, found again from points alone."""

import numpy as np
from _probes.clouds import cloud_of
from _probes.journal import Journal
from _probes.probing import ProbeTask
from _probes.teacher_labels import KITCHEN_CLASSES, teacher_label
from held_out import kitchen
from setting import Setting
from students import measure_students

from ppkt_zoo.points.cloud import PointCloud


def measure(setting: Setting, journal: Journal) -> dict[str, object]:
    """Scores of the pretrained student, of random ones and of colour and position, for every seed."""
    source = kitchen(setting)
    (fit_from, fit_to), (test_from, test_to) = setting.amount.kitchen_fit, setting.amount.kitchen_test

    def labelled(index: int) -> tuple[PointCloud, np.ndarray]:
        one = cloud_of(source[index])
        return one.cloud, teacher_label(setting.labeller, one)

    task = ProbeTask(
        classes=KITCHEN_CLASSES,
        fit=lambda index: labelled(fit_from + index),
        test=lambda index: labelled(test_from + index),
        fit_size=fit_to - fit_from,
        test_size=test_to - test_from,
        fit_frames=fit_to - fit_from,
        per_frame=150,
        per_class=4000,
    )
    return measure_students(setting, journal, task)
