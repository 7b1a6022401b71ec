# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Fine-tuning with five labels
#
# Somebody clicks on five points of each class in one scan. Is that enough to name the rest, and the points of another
# scan? Pretrained and random parameters are trained on the same clicks.

# %%
import numpy as np
import torch
import torch.nn.functional as F

import ppkt_zoo
from ppkt_zoo import CloudBatch, PointCloud
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.evaluation.metrics import Confusion
from ppkt_zoo.rooms import CLASSES, make_room, room_cloud

NAMES = ("floor", "wall", "chair", "table")
CLICKS = 5


def scan(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A room: points, colours, and a number of NAMES for each point, -1 for everything else."""
    xyz, rgb, label, _ = room_cloud(make_room(seed), spacing=0.06, views=6)
    numbers = np.array([NAMES.index(one) if one in NAMES else -1 for one in CLASSES])
    return xyz, rgb, np.where(label < 0, -1, numbers[label])


xyz, rgb, truth = scan(21)  # two kitchens: chairs and tables are in both
other_xyz, other_rgb, other_truth = scan(7)
print(f"{len(xyz)} points;", {name: int((truth == number).sum()) for number, name in enumerate(NAMES)})

# %% [markdown]
# The clicks: five points of each class, drawn at random. Everything else has no label.

# %%
rng = np.random.default_rng(0)
clicks = np.concatenate([rng.choice(np.flatnonzero(truth == one), CLICKS, replace=False) for one in range(len(NAMES))])
print(f"{len(clicks)} labelled points of {len(xyz)}")

# %% [markdown]
# ## Training
#
# A linear layer on the backbone, an ordinary PyTorch loop. Each step turns the room, and the loss looks at the clicked
# points alone.


# %%
def turned(points: np.ndarray) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)
    return points @ turn.T


def train(weights: str | None, steps: int = 20) -> SegmentationModel:
    torch.manual_seed(0)
    name = "sr_unet14_slim.ppkt_voc" if weights else "sr_unet14_slim"
    spec = None if weights else ppkt_zoo.load_backbone("sr_unet14_slim.ppkt_voc").input_spec
    backbone = ppkt_zoo.load_backbone(name, weights=weights, input_spec=spec)
    model = SegmentationModel(backbone, NAMES)
    rates = [{"params": backbone.parameters(), "lr": 5e-4}, {"params": model.head.parameters(), "lr": 5e-3}]
    optimizer = torch.optim.AdamW(rates, weight_decay=0.01)
    rows, label = torch.from_numpy(clicks), torch.from_numpy(truth[clicks])
    model.train()
    for step in range(steps):
        batch = CloudBatch.collate([PointCloud.from_arrays(turned(xyz), rgb)])
        loss = F.cross_entropy(model(batch, rows), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in (0, steps - 1):
            print(f"  step {step}: loss {loss.item():.2f}")
    return model


models = {}
for title, weights in (("pretrained", "default"), ("random", None)):
    print(title)
    models[title] = train(weights)

# %% [markdown]
# ## How good is it?
#
# mIoU over the named classes, on all points of the clicked room and on a room in which nobody clicked.

# %%
for title, model in models.items():
    scores = [
        Confusion(len(NAMES)).update(label, model.predict(points, colors).labels).mean_iou()
        for points, colors, label in ((xyz, rgb, truth), (other_xyz, other_rgb, other_truth))
    ]
    print(f"{title:10}  clicked room {scores[0]:.2f}   other room {scores[1]:.2f}")

# %% [markdown]
# One seed and one pair of rooms show how it is done, not how large the gain is. Measured gains, with intervals over
# seeds: [fine-tuning](../results/downstream.md).

# %%
from ppkt_zoo.visualization.classes import segmentation_picture

found = models["pretrained"].predict(other_xyz, other_rgb).labels
segmentation_picture(other_xyz, other_rgb, found, NAMES, truth=other_truth, height=240)

# %% [markdown]
# ## Keep it
#
# The folder opens in `ppkt-zoo segment FILE --model my_model` and in `ppkt_zoo.load_segmentation`.

# %%
ppkt_zoo.save_segmentation("my_model", models["pretrained"], data="five clicks a class in one procedural room")
print(ppkt_zoo.load_segmentation("local-dir:my_model").classes)
