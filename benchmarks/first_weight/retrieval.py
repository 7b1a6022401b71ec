"""Part (a): of a few thousand pixels of several frames, does a point's feature find its own?"""

from collections.abc import Iterator

import numpy as np
import torch
from held_out import FrameCloud, cloud_of, kitchen, mosd, pick, rooms
from journal import Journal
from setting import ROOMS_TO_RETRIEVE, Setting
from torch import Tensor

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.data.frames import FrameSource
from ppkt_zoo.points.cloud import CloudBatch
from ppkt_zoo.transfer.losses import retrieval_accuracy
from ppkt_zoo.transfer.projection import UPL, PointHead


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
    upl, head = _heads(setting)
    frames = [cloud_of(source[index]) for index in pick(source, setting.amount.retrieval_frames, seed)]
    rows = list(_draw(frames, setting.amount.pairs, seed))
    pixels = torch.cat([_pixels(setting, upl, one, row) for one, row in zip(frames, rows, strict=True)])
    control = setting.untrained(seed, [one.cloud for one in frames])
    found = {}
    for who, backbone, embed in (
        ("ppkt", setting.student, head),
        ("untrained", control, _random_head(head, seed)),
    ):
        points = [_points(setting, backbone, embed, one, row) for one, row in zip(frames, rows, strict=True)]
        found[who] = retrieval_accuracy(torch.cat(points), pixels)
    return found


def _heads(setting: Setting) -> tuple[UPL, PointHead]:
    loss = setting.recipe.loss
    upl = UPL(setting.teacher.channels, loss.dim)
    head = PointHead(setting.student.level_channels[loss.level], loss.dim)
    for prefix, module in (("upl.", upl), ("head.", head)):
        own = {key.removeprefix(prefix): value for key, value in setting.projection.items() if key.startswith(prefix)}
        module.load_state_dict(own, strict=True)
    return upl.eval(), head.eval()


def _random_head(head: PointHead, seed: int) -> PointHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2000 + seed)
        return PointHead(head.channels, head.dim).eval()


def _draw(frames: list[FrameCloud], pairs: int, seed: int) -> Iterator[Tensor]:
    """Rows of each frame's points, the same number in each, `pairs` in all."""
    generator = np.random.default_rng([seed, 23])
    for number, one in enumerate(frames):
        share = pairs // len(frames) + (number < pairs % len(frames))
        yield torch.from_numpy(generator.permutation(len(one.cloud))[:share])


@torch.no_grad()
def _pixels(setting: Setting, upl: UPL, one: FrameCloud, rows: Tensor) -> Tensor:
    teacher = setting.teacher
    image = torch.from_numpy(one.frame.color).permute(2, 0, 1)[None].float() / 255.0
    pixel = torch.from_numpy(one.pixel)[rows]
    size = (one.frame.color.shape[0], one.frame.color.shape[1])
    place = teacher.pixel_to_feature(pixel, size)
    return upl(teacher(image), torch.zeros(len(rows), dtype=torch.int64), place)


@torch.no_grad()
def _points(setting: Setting, backbone: Backbone, head: PointHead, one: FrameCloud, rows: Tensor) -> Tensor:
    features = backbone(CloudBatch.collate([one.cloud])).at(setting.recipe.loss.level, rows)
    return head(features)
