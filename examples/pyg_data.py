"""Zoo features in PyTorch Geometric: a transform that gives `Data` its features, and a batch that trains the backbone.

python examples/pyg_data.py [WEIGHT]

Needs torch_geometric: pip install "ppkt-zoo[examples]". `data.pos` is in metres with z up, `data.color` uint8 or floats
in [0, 1]; both keep their names, and features come as `data.x`, a row for each point.
"""

import sys

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import global_mean_pool
from torch_geometric.transforms import BaseTransform

import ppkt_zoo
from ppkt_zoo import Backbone, CloudBatch, PointCloud
from ppkt_zoo.rooms import make_room, room_cloud


class PretrainedFeatures(BaseTransform):
    """Gives every point its features, frozen: as the ``pre_transform`` of a dataset it runs once a cloud."""

    def __init__(self, backbone: Backbone, readout: str | None = None) -> None:
        self.backbone, self.readout = backbone, readout

    def forward(self, data: Data) -> Data:
        data.x = self.backbone.encode(data.pos, data.get("color"), readout=self.readout)
        return data


def cloud_batch(batch: Batch) -> CloudBatch:
    """What a backbone's ``forward`` takes, of a batch of PyTorch Geometric; the points keep their order."""
    return CloudBatch.collate([PointCloud.from_arrays(one.pos, one.get("color")) for one in batch.to_data_list()])


def rooms(count: int) -> list[Data]:
    """Procedural rooms; ``y`` says whether a room is large."""
    found = []
    for seed in range(count):
        xyz, rgb, label, _ = (torch.from_numpy(one) for one in room_cloud(make_room(seed), spacing=0.08, views=2))
        large = int(torch.prod(xyz.amax(0) - xyz.amin(0)) > 60)
        found.append(Data(pos=xyz, color=rgb, segment=label.long(), y=torch.tensor([large])))
    return found


def main(weight: str | None = None, count: int = 4) -> Tensor:
    """One descriptor of each room from frozen features, then one step that trains the backbone; the descriptors."""
    backbone = ppkt_zoo.load_backbone(weight)
    frozen = [PretrainedFeatures(backbone)(data) for data in rooms(count)]
    batch = next(iter(DataLoader(frozen, batch_size=count)))
    descriptors: Tensor = global_mean_pool(batch.x, batch.batch)  # (rooms, C)
    print(f"{batch.num_graphs} rooms, {batch.num_nodes} points: descriptors {tuple(descriptors.shape)}")

    head = torch.nn.Linear(backbone.out_channels, 2)
    features = backbone.train()(cloud_batch(batch))[list(backbone.level_channels)[-1]]  # with gradients
    scores = head(global_mean_pool(features, batch.batch))
    loss = torch.nn.functional.cross_entropy(scores, batch.y)
    loss.backward()
    moved = sum(1 for one in backbone.parameters() if one.grad is not None and bool(one.grad.any()))
    print(
        f"loss {loss.item():.3f}; {moved} of {len(list(backbone.parameters()))} tensors of the backbone got a gradient"
    )
    return descriptors


if __name__ == "__main__":
    main(*sys.argv[1:])
