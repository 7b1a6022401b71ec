"""A box for every object: a zoo backbone inside VoteNet, in a training loop of your own.

python examples/finetune_detection.py [WEIGHT or random] [STEPS] [FOLDER to save to]

The scenes are procedural rooms and need no files; put yours in their place: xyz float32 (N, 3) in metres, z up,
rgb uint8 (N, 3), boxes (K, 7) of centre, full size and heading about z, and a class for each. What is saved opens in
`ppkt-zoo detect FILE --model FOLDER`. For a recipe that resumes, tests and writes such a folder, on your own scans too:
`ppkt-zoo detection train`.
"""

import sys

import numpy as np
import torch

import ppkt_zoo
from ppkt_zoo import CloudBatch, PointCloud
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig, detect, evaluate_detector
from ppkt_zoo.downstream.detection.loss import detection_loss
from ppkt_zoo.downstream.detection.recipe import SceneAugmentation
from ppkt_zoo.downstream.detection.targets import TrueBoxes, mean_sizes
from ppkt_zoo.rooms import RoomScenes


def main(
    weight: str | None = None, steps: int = 60, scenes: int = 4, points: int = 20_000, out: str | None = None
) -> float:
    """Fine-tune on a few scenes; the mean average precision on them, and what is found in one never seen."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    name = weight or ppkt_zoo.list_weights("sr_unet14_s*")[0]
    if name == "random":  # the control: the same network without its pretraining
        backbone = ppkt_zoo.load_backbone(ppkt_zoo.list_weights("sr_unet14_s*")[0], weights=None)
    else:
        backbone = ppkt_zoo.load_backbone(name)

    source = RoomScenes(seed=41003, rooms=scenes + 1)
    train, test = [source[index] for index in range(scenes)], source[scenes]
    sizes = mean_sizes(train, source.box_classes, turned=True)
    shape = VoteNetConfig(heading_bins=12, seeds=512, proposals=128, width=128)
    model = VoteNet(backbone, source.box_classes, sizes, shape).train()

    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    augment = SceneAugmentation(flip_x=0.5, flip_y=0.5, rotation_z=180)
    for step in range(steps):
        scene = train[step % scenes]
        rows = rng.choice(len(scene.xyz), min(points, len(scene.xyz)), replace=False)
        xyz, rgb, boxes = augment(scene.xyz[rows], scene.rgb[rows], scene.boxes, rng)
        batch = CloudBatch.collate([PointCloud.from_arrays(xyz, rgb)])
        truth = TrueBoxes.collate([(boxes, scene.box_label)])
        loss = detection_loss(model(batch), truth, model.mean_sizes, margin=0.02)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        schedule.step()
        if step % 20 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.total.item():.2f}")

    known = evaluate_detector(model, train, points=points).mean_average_precision(0.25)
    found = detect(model, test.xyz, test.rgb)
    print(f"{name}: mAP@0.25 {known:.3f} on the {scenes} rooms it learned; in another it finds {len(found)} objects:")
    for box, label, score in list(zip(found.boxes, found.label, found.score, strict=True))[:5]:
        print(f"  {found.classes[label]:<14} {score:.2f} at {np.round(box[:3], 2)}, {np.round(box[3:6], 2)} m")
    if out is not None:
        told = {"data": f"{scenes} procedural rooms", "data_licence": "Apache-2.0", "licence": "Apache-2.0"}
        ppkt_zoo.save_detector(out, model, golden_cloud=(test.xyz, test.rgb), **told)
        print(f"saved: ppkt-zoo detect FILE --model {out}")
    return known


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]), out=next(iter(sys.argv[3:4]), None))
