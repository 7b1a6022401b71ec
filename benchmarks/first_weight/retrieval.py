"""Part (a): of a few thousand pixels of several frames, does a point's feature find its own?"""

import torch
from _probes.clouds import cloud_of, pick
from _probes.heads import draw_rows, pixel_embeddings, point_features, read_heads
from _probes.journal import Journal
from held_out import kitchen, mosd, rooms
from setting import ROOMS_TO_RETRIEVE, Setting

from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.transfer.losses import retrieval_accuracy


def measure(setting: Setting, journal: Journal) -> dict[str, object]:
    """top-1 and top-5 for each held-out set and each draw: the student, and an untrained one with the same UPL."""
    amount = setting.amount
    sources: dict[str, FrameSource] = {
        "unseen rooms": rooms(setting, ROOMS_TO_RETRIEVE, 4 * amount.rooms_test_rooms, 1),
        "real kitchen": kitchen(setting),
        "real table tops": mosd(setting),
    }
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    for name, source in sources.items():
        draws = [journal.remember(f"{name}/{seed}", _draw_once, setting, source, seed) for seed in range(setting.seeds)]
        found[name] = {who: [draw[who] for draw in draws] for who in ("ppkt", "untrained")}
    return {"pairs": amount.pairs, "frames": amount.retrieval_frames, "sets": found}


def _draw_once(setting: Setting, source: FrameSource, seed: int) -> dict[str, dict[str, float]]:
    heads = read_heads(setting.projection, setting.recipe.loss.level)
    frames = [cloud_of(source[index]) for index in pick(source, setting.amount.retrieval_frames, seed)]
    rows = list(draw_rows(frames, setting.amount.pairs, seed))
    pairs = list(zip(frames, rows, strict=True))
    pixels = torch.cat([pixel_embeddings(setting.teacher, heads.upl, one, row) for one, row in pairs])
    control = setting.untrained(seed, [one.cloud for one in frames])
    found = {}
    for who, backbone, embed in (
        ("ppkt", setting.student, heads.head),
        ("untrained", control, heads.with_random_head(seed).head),
    ):
        points = [embed(point_features(backbone, heads.level, one, row)).detach() for one, row in pairs]
        found[who] = retrieval_accuracy(torch.cat(points), pixels)
    return found
