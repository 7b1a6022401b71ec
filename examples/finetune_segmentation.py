"""A class for every point: a zoo backbone and a linear layer in a training loop of your own.

python examples/finetune_segmentation.py [WEIGHT or random] [STEPS] [FOLDER to save to]

The scenes are procedural rooms and need no files; put yours in their place: xyz float32 (N, 3) in metres, z up,
rgb uint8 (N, 3), label int (N,) with -1 for "not known". What is saved opens in `ppkt-zoo segment FILE --model FOLDER`.
For a recipe that resumes, tests and writes such a folder, on your own scans too: `ppkt-zoo segmentation train`.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F

import ppkt_zoo
from ppkt_zoo import CloudBatch, PointCloud
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.evaluation.metrics import Confusion
from ppkt_zoo.rooms import CLASSES, RoomScenes


def turned(scene: LabelledScene, rng: np.random.Generator) -> np.ndarray:
    """The points, turned about the vertical by a random angle."""
    a = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]], np.float32)
    return np.asarray(scene.xyz @ turn.T)


def main(weight: str | None = None, steps: int = 60, scenes: int = 4, out: str | None = None) -> float:
    """Fine-tune on a few scenes; the mIoU on one that was never seen."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    name = weight or ppkt_zoo.list_weights("sr_unet14_s*")[0]
    if name == "random":  # the control: the same network without its pretraining
        backbone = ppkt_zoo.load_backbone(ppkt_zoo.list_weights("sr_unet14_s*")[0], weights=None)
    else:
        backbone = ppkt_zoo.load_backbone(name)
    model = SegmentationModel(backbone, CLASSES)  # a linear head on the last level, an nn.Module like any other

    rates = [{"params": backbone.parameters(), "lr": 1e-3}, {"params": model.head.parameters(), "lr": 5e-3}]
    optimizer = torch.optim.AdamW(rates, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in rates], total_steps=steps)

    source = RoomScenes(seed=41003, rooms=scenes + 1)
    train, test = [source[index] for index in range(scenes)], source[scenes]
    model.train()
    for step in range(steps):
        scene = train[step % scenes]
        batch = CloudBatch.collate([PointCloud.from_arrays(turned(scene, rng), scene.rgb)])
        label = torch.from_numpy(scene.label.astype(np.int64))
        known = (label >= 0).nonzero()[:, 0]
        scores = model(batch, known)  # (points asked, classes)
        loss = F.cross_entropy(scores, label[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.3f}")

    found = model.predict(test.xyz, test.rgb)  # eval mode, no gradients
    miou = Confusion(len(CLASSES)).update(test.label, found.labels).mean_iou()
    print(f"{name}: mIoU {miou:.3f} on a room that was never seen, after {steps} steps on {scenes} rooms")
    if out is not None:
        told = {"data": f"{scenes} procedural rooms", "data_licence": "Apache-2.0", "licence": "Apache-2.0"}
        ppkt_zoo.save_segmentation(out, model, golden_cloud=(test.xyz, test.rgb), **told)
        print(f"saved: ppkt-zoo segment FILE --model {out}")
    return miou


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]), out=next(iter(sys.argv[3:4]), None))
