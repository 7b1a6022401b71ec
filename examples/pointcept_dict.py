"""Dictionaries of Pointcept in and out: our backbone in its trainer, our features as input of its models.

python examples/pointcept_dict.py [WEIGHT]

Pointcept itself is not needed here. A batch of its loaders is a dict of `coord` (N, 3) in metres, `color` (N, 3),
`segment` (N,) with -1 for "not known", and `offset` (B,): where each cloud ends. In its code base, register the class:

    MODELS.register_module()(PPKTBackbone)    # then: model = dict(type="DefaultSegmentorV2", num_classes=20,
                                              #   backbone_out_channels=64, backbone=dict(type="PPKTBackbone"), ...)

and `Collect` the keys coord and color beside grid_coord and segment. Its `NormalizeColor` divides colours by 255; older
versions give them in [-1, 1]: say so by `color`.
"""

import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

import ppkt_zoo
from ppkt_zoo import CloudBatch, PointCloud
from ppkt_zoo.rooms import make_room, room_cloud

RANGES = {"255": (0.0, 255.0), "1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}


def cloud_batch(data: Mapping[str, Any], color: str = "1") -> CloudBatch:
    """The clouds of a Pointcept batch; ``color`` names the range of its colours, see ``RANGES``."""
    ends = data["offset"].tolist()
    low, high = RANGES[color]
    rgb = None
    if "color" in data:
        rgb = ((data["color"] - low) / (high - low) * 255).round().clamp(0, 255).byte()
    parts = [slice(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
    return CloudBatch.collate(
        [PointCloud.from_arrays(data["coord"][one], None if rgb is None else rgb[one]) for one in parts]
    )


class PPKTBackbone(nn.Module):
    """A zoo backbone as Pointcept's segmentors take one: a dict or `Point` in, features (N, C) of its points out."""

    def __init__(self, weight: str | None = None, color: str = "1") -> None:
        super().__init__()
        self.backbone = ppkt_zoo.load_backbone(weight)
        self.color = color

    def forward(self, input_dict: Mapping[str, Any]) -> Tensor:
        levels = self.backbone(cloud_batch(input_dict, self.color))
        features: Tensor = levels[list(self.backbone.level_channels)[-1]]
        return features


def batch_of(seeds: tuple[int, ...]) -> dict[str, Tensor]:
    """Rooms as Pointcept's `collate_fn` joins them, colours in [0, 1]."""
    rooms = [tuple(map(torch.from_numpy, room_cloud(make_room(seed), spacing=0.08, views=2)[:3])) for seed in seeds]
    coord, color, segment = (torch.cat(part) for part in zip(*rooms, strict=True))
    offset = torch.tensor([len(xyz) for xyz, _, _ in rooms]).cumsum(0)
    return {"coord": coord, "color": color / 255, "segment": segment.long(), "offset": offset}


def main(weight: str | None = None) -> dict[str, Any]:
    """Frozen features as input of a model of theirs, then one step of training as their segmentor takes it."""
    data, backbone = batch_of((0, 1)), PPKTBackbone(weight)
    with torch.no_grad():
        data["feat"] = backbone.eval()(data)  # in place of its colours and normals
    print(", ".join(f"{key} {tuple(value.shape)}" for key, value in data.items()))
    head = nn.Linear(data["feat"].shape[1], int(data["segment"].max()) + 1)
    loss = nn.functional.cross_entropy(head(backbone.train()(data)), data["segment"], ignore_index=-1)
    loss.backward()
    print(f"loss {loss.item():.3f}, with gradients down to the first layer")
    return data


if __name__ == "__main__":
    main(*sys.argv[1:])
