"""Dictionaries of torch-pointcloud in and out: our backbone on its samples and batches, our features for its models.

python examples/torch_pointcloud_dict.py [WEIGHT]

torch-pointcloud itself is not needed. A sample is a dict of `pos` (N, 3), `color` (N, 3) and `segment` (N,); its
`collate` joins samples end to end and adds `batch` (N,), the cloud of each point. Features go to `x` (N, C). Take the
dict before `Rescale` and `Shift`: a backbone wants metres with z up.
"""

import sys
from typing import Any

import torch
from torch import Tensor

import ppkt_zoo
from ppkt_zoo import Backbone, CloudBatch, PointCloud
from ppkt_zoo.rooms import make_room, room_cloud


def bytes_of(color: Tensor | None, largest: float | None) -> Tensor | None:
    """uint8 colours. Its data sets differ (ScanNet: floats up to 255, others up to 1), so floats need ``largest``."""
    if color is None or color.dtype == torch.uint8:
        return color
    if largest is None:
        raise ValueError("color holds floats: say largest=255.0 or largest=1.0, its data sets differ")
    return (color / largest * 255).round().clamp(0, 255).byte()


def clouds_of(data: dict[str, Any], largest: float | None = None) -> list[PointCloud]:
    """The clouds of a sample, or of a collated batch, each in the order of its points."""
    color = bytes_of(data.get("color"), largest)
    batch = data.get("batch", torch.zeros(len(data["pos"]), dtype=torch.long))
    rows = [(batch == number).nonzero()[:, 0] for number in range(int(batch.max()) + 1)]
    return [PointCloud.from_arrays(data["pos"][some], None if color is None else color[some]) for some in rows]


def with_features(data: dict[str, Any], backbone: Backbone, largest: float | None = None, **how: Any) -> dict[str, Any]:
    """The dict with frozen features as ``x``, float32 (N, C), in the order of ``pos``; ``how`` goes to ``encode``."""
    found = [backbone.encode(cloud.xyz, cloud.rgb, **how) for cloud in clouds_of(data, largest)]
    return data | {"x": torch.cat(found).to(data["pos"].device)}


def forward(data: dict[str, Any], backbone: Backbone, largest: float | None = None) -> Tensor:
    """Features with gradients, (N, C), for a training loop over its batches."""
    levels = backbone(CloudBatch.collate(clouds_of(data, largest)))
    features: Tensor = levels[list(backbone.level_channels)[-1]]
    return features


def sample(seed: int) -> dict[str, Tensor]:
    """A room as one of its data sets would give it."""
    xyz, rgb, label, _ = (torch.from_numpy(one) for one in room_cloud(make_room(seed), spacing=0.08, views=2))
    return {"pos": xyz, "color": rgb, "segment": label.long()}


def main(weight: str | None = None) -> dict[str, Tensor]:
    """Two rooms, collated as it collates them, with features; then one step of training."""
    backbone, rooms = ppkt_zoo.load_backbone(weight), [sample(0), sample(1)]
    batch = {key: torch.cat([one[key] for one in rooms]) for key in rooms[0]}
    batch["batch"] = torch.cat([torch.full((len(one["pos"]),), number) for number, one in enumerate(rooms)])
    batch = with_features(batch, backbone)
    print(", ".join(f"{key} {tuple(value.shape)}" for key, value in batch.items()))
    loss = forward(batch, backbone.train()).square().mean()
    loss.backward()
    print(f"features have gradients: {loss.requires_grad}")
    return batch


if __name__ == "__main__":
    main(*sys.argv[1:])
