"""Part (b): the class of each point of rooms that were never seen, by linear probe and kNN."""

import numpy as np
from _probes.clouds import FrameCloud, cloud_of
from _probes.journal import Journal
from _probes.probing import ProbeTask
from held_out import rooms
from setting import ROOMS_TO_FIT, ROOMS_TO_TEST, Setting
from students import measure_students

from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.rooms import CLASSES


def measure(setting: Setting, journal: Journal) -> dict[str, object]:
    """Scores of the pretrained student, of random ones and of colour and position, for every seed."""
    amount = setting.amount
    fit = rooms(setting, ROOMS_TO_FIT, amount.rooms, amount.frames_per_room)
    test = rooms(setting, ROOMS_TO_TEST, amount.rooms_test_rooms, amount.frames_per_room)

    def labelled(one: FrameCloud) -> tuple[PointCloud, np.ndarray]:
        return one.cloud, one.label()

    task = ProbeTask(
        classes=CLASSES,
        fit=lambda index: labelled(cloud_of(fit[index])),
        test=lambda index: labelled(cloud_of(test[index])),
        fit_size=len(fit),
        test_size=len(test),
        fit_frames=min(amount.rooms_fit_frames, len(fit)),
        per_frame=60,
        per_class=600,
    )
    return measure_students(setting, journal, task)
