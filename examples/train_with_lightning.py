"""Fine-tune a zoo backbone with PyTorch Lightning; what is saved opens in `ppkt-zoo segment FILE --model FOLDER`.

python examples/train_with_lightning.py [WEIGHT] [STEPS] [FOLDER to save to]

Needs lightning: pip install "ppkt-zoo[examples]". The scenes are procedural rooms; put yours in the place of `Scenes`.
"""

import sys

import lightning
import torch
import torch.nn.functional as F
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


class Segmenter(lightning.LightningModule):
    """A backbone with a linear head; the head learns five times as fast."""

    def __init__(self, weight: str) -> None:
        super().__init__()
        self.model = SegmentationModel(ppkt_zoo.load_backbone(weight), CLASSES).train()  # loaded in eval mode

    def training_step(self, batch: tuple[CloudBatch, Tensor], index: int) -> Tensor:
        clouds, label = batch  # Lightning has moved both to the device
        known = (label >= 0).nonzero()[:, 0]
        loss = F.cross_entropy(self.model(clouds, known), label[known])  # scores of the labelled points alone
        self.log("loss", loss, prog_bar=True, batch_size=len(clouds.sizes))
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        rates = ((self.model.backbone, 1e-3), (self.model.head, 5e-3))
        return torch.optim.AdamW([{"params": part.parameters(), "lr": lr} for part, lr in rates], weight_decay=0.01)


def main(weight: str | None = None, steps: int = 60, out: str | None = None, scenes: int = 4, **trainer: int) -> float:
    """Train; the last loss. Further options are those of Lightning's Trainer."""
    lightning.seed_everything(0, verbose=False)
    learner = Segmenter(weight or ppkt_zoo.list_weights("sr_unet14_s*")[0])
    loader = DataLoader(Scenes(scenes), batch_size=2, shuffle=True, collate_fn=collate)
    lightning.Trainer(max_steps=steps, max_epochs=-1, **trainer).fit(learner, loader)
    loss = float(learner.trainer.callback_metrics["loss"])
    print(f"loss {loss:.3f} after {learner.global_step} steps")
    if out is not None:
        ppkt_zoo.save_segmentation(out, learner.model, data=f"{scenes} procedural rooms", data_licence="Apache-2.0")
        print(f"saved: ppkt-zoo segment FILE --model {out}")
    return loss


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]), *sys.argv[3:4])
