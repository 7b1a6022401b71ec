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
# # Pretrain on your own frames
#
# RGB-D frames of your own camera, no label, and a weight that knows your place. Here a rendered room stands in for the
# camera; with your recording, begin at "Look at them first".

# %%
from pathlib import Path

import numpy as np
from PIL import Image

from ppkt_zoo.rooms import RoomsFrames

camera = Path("my_camera")
camera.mkdir(exist_ok=True)
walk = RoomsFrames(seed=5, rooms=1, frames_per_room=8, height=120, width=160, walk=True)
for number in range(len(walk)):
    frame = walk[number]
    stem = camera / f"frame-{number:06d}"
    Image.fromarray(frame.color).save(f"{stem}.color.png")
    Image.fromarray(np.round(frame.depth * 1000).astype(np.uint16)).save(f"{stem}.depth.png")  # millimetres
    np.savetxt(f"{stem}.pose.txt", frame.pose)  # camera to world
np.savetxt(camera / "camera-intrinsics.txt", frame.intrinsics)
print(*sorted(file.name for file in camera.iterdir())[:5], "…", sep="\n")

# %% [markdown]
# ## Look at them first
#
# `ppkt-zoo data inspect my_camera` says the same in more words, and draws a map.

# %%
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.visualization.frame_sheet import frame_sheet

frames = open_frames(camera)
frame_sheet([frames[number] for number in range(0, len(frames), 2)], "every second frame")

# %%
from ppkt_zoo.data.fuse import fuse

place = fuse(frames, voxel=0.04)
print(f"{len(place.xyz)} points, {np.ptp(place.xyz, axis=0).round(1)} m; with wrong poses or units it looks wrong here")

# %% [markdown]
# ## A recipe
#
# PointContrast needs frames that overlap and their poses, and no second network. With a 2D teacher (method `ppkt`)
# the features know more of what things are: [pretraining](../training.md#teachers) names the teachers.
# This recipe has 30 steps, so that it runs while you wait. A weight worth having took thousands.

# %%
from ppkt_zoo.pretraining.recipe import Recipe
from ppkt_zoo.pretraining.trainer import pretrain

recipe = Recipe.model_validate(
    {
        "weight": "sr_unet14_slim.my_place",
        "description": "My place, seen by my camera.",
        "method": "point_contrast",
        "steps": 30,
        "backbone": {"name": "sr_unet14_slim", "input_spec": {"voxel_size": 0.04}},
        "data": [
            {
                "kind": "frames",
                "name": "my_camera",
                "per_step": 2,
                "views": 2,
                "licence": "my own recording",
                "attribution": "me",
            }
        ],
        "augmentation": {"rotation_z": 180, "scale": [0.8, 1.2], "flip": 0.5},
        "point_contrast": {"level": "stride1", "dim": 32, "temperature": 0.4, "pairs": 512},
        "optimiser": {"name": "adamw", "lr": 0.002},
        "log_every": 10,
        "weight_licence": "my own",
    }
)
folder = pretrain(recipe, data={"my_camera": camera}, teacher=None, out=Path("run"), cache=Path("cache"))
print(folder, *sorted(file.name for file in folder.iterdir()), sep="\n  ")

# %%
import json

for line in Path("run/metrics.jsonl").read_text().splitlines():
    row = json.loads(line)
    if "loss" in row:
        print(f"step {row['step']:3}  loss {row['loss']:.2f}")

# %% [markdown]
# ## Use it
#
# The result is a weight folder like any other, with a card, a record and a reference output.

# %%
import ppkt_zoo
from ppkt_zoo.visualization.picture import feature_picture

print(ppkt_zoo.verify(f"local-dir:{folder}"))
features = ppkt_zoo.load_backbone(f"local-dir:{folder}").encode(place.xyz, place.rgb)
feature_picture(place.xyz, place.rgb, features, height=240)
