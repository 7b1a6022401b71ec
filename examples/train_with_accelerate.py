"""Fine-tune a zoo backbone with Accelerate: bfloat16, and as many processes as there are devices (DDP).

accelerate launch --multi_gpu --mixed_precision bf16 examples/train_with_accelerate.py [WEIGHT] [STEPS] [FOLDER]

Without a GPU, Accelerate leaves several processes to torch's own launcher:

ACCELERATE_USE_CPU=1 ACCELERATE_MIXED_PRECISION=bf16 torchrun --nproc_per_node 2 examples/train_with_accelerate.py

The scenes are procedural rooms; put yours in the place of `Scenes`. Each process sees another part of them.
"""

import sys

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import ppkt_zoo
from ppkt_zoo import CloudBatch, PointCloud
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.rooms import CLASSES, RoomScenes

Sample = tuple[PointCloud, Tensor]


class Scenes(Dataset[Sample]):
    """A cloud, and a class for each of its points; -1 for "not known"."""

    def __init__(self, rooms: int) -> None:
        self.rooms = RoomScenes(seed=41003, rooms=rooms)

    def __len__(self) -> int:
        return len(self.rooms)

    def __getitem__(self, index: int) -> Sample:
        scene = self.rooms[index]
        return PointCloud.from_arrays(scene.xyz, scene.rgb), torch.from_numpy(scene.label).long()


def collate(samples: list[Sample]) -> tuple[CloudBatch, Tensor]:
    """Clouds of different sizes end to end, and their labels."""
    return CloudBatch.collate([cloud for cloud, _ in samples]), torch.cat([label for _, label in samples])


def main(weight: str | None = None, steps: int = 60, out: str | None = None, scenes: int = 4, batch: int = 1) -> float:
    """Train; the last loss, as the mean over the processes."""
    set_seed(0)
    accelerator = Accelerator()  # processes, device and precision are those of the launcher
    model = SegmentationModel(ppkt_zoo.load_backbone(weight or ppkt_zoo.list_weights("sr_unet14_s*")[0]), CLASSES)
    rates = [{"params": model.backbone.parameters(), "lr": 1e-3}, {"params": model.head.parameters(), "lr": 5e-3}]
    optimizer = torch.optim.AdamW(rates, weight_decay=0.01)
    loader = DataLoader(Scenes(scenes), batch_size=batch, shuffle=True, collate_fn=collate)
    model, optimizer, loader = accelerator.prepare(model.train(), optimizer, loader)

    loss, step = torch.zeros(()), 0
    while step < steps:
        for clouds, label in loader:
            known = (label >= 0).nonzero()[:, 0]
            loss = F.cross_entropy(model(clouds, known), label[known])  # scores of the labelled points alone
            optimizer.zero_grad()
            accelerator.backward(loss)  # DDP takes the mean of the processes' gradients
            optimizer.step()
            step += 1
            if step == steps:
                break
    mean = float(accelerator.reduce(loss.detach(), "mean"))
    how = f"processes: {accelerator.num_processes}, precision: {accelerator.mixed_precision}"
    accelerator.print(f"loss {mean:.3f} after {steps} steps; {how}")
    if out is not None and accelerator.is_main_process:
        told = {"data": f"{scenes} procedural rooms", "data_licence": "Apache-2.0"}
        ppkt_zoo.save_segmentation(out, accelerator.unwrap_model(model), **told)
    return mean


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]), *sys.argv[3:4])
