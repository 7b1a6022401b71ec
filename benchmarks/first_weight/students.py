"""The three that every probe compares: the pretrained student, a random one, and no network at all."""

import numpy as np
from _probes.journal import Journal
from _probes.probing import ProbeTask, Report, of_backbone, of_raw, probe_scores
from setting import Setting

from ppkt_zoo.points.cloud import PointCloud

_STATISTICS_FRAMES = 8


def measure_students(setting: Setting, journal: Journal, task: ProbeTask) -> dict[str, object]:
    """Scores for every seed; each seed has its own draw of frames and points, and its own random network."""
    seeds = list(range(setting.seeds))

    def untrained(seed: int) -> list[Report]:
        control = setting.untrained(seed, _statistics_clouds(task, seed))
        return probe_scores(task, of_backbone(control), [seed])

    return {
        "classes": list(task.classes),
        "fit_frames": task.fit_frames,
        "test_frames": task.test_size,
        "per_frame": task.per_frame,
        "per_class": task.per_class,
        "students": {
            "ppkt": journal.remember("ppkt", probe_scores, task, of_backbone(setting.student), seeds),
            "untrained": [journal.remember(f"untrained/{seed}", untrained, seed)[0] for seed in seeds],
            "raw": journal.remember("raw", probe_scores, task, of_raw, seeds),
        },
    }


def _statistics_clouds(task: ProbeTask, seed: int) -> list[PointCloud]:
    frames = np.random.default_rng([seed, 53]).permutation(task.frames_of(seed))[:_STATISTICS_FRAMES]
    return [task.fit(int(index))[0] for index in frames]
