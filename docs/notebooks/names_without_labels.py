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
# # Names without labels
#
# In pretraining, points learned to lie where their pixels lie in the space of a 2D network. That network knows names
# from photographs. So points can take names from it, without one 3D label.
#
# The 2D network is a file of its own (4 MB, Apache-2.0): `ppkt-zoo teacher import deeplabv3_mnv2_pascal_quant.tflite
# teacher.safetensors` makes it from the file that google-coral publishes. Set `PPKT_ZOO_TEACHER` to its path.

# %%
import os

import numpy as np
import torch
import yaml

import ppkt_zoo
from ppkt_zoo.teachers.teacher import VOC_CLASSES, TeacherSpec, load_teacher
from ppkt_zoo.zoo.load import open_weight

WEIGHT = "sr_unet14_small.ppkt_voc"
recipe = yaml.safe_load(open_weight(WEIGHT).read("recipe.yaml"))
teacher = load_teacher(
    TeacherSpec.model_validate(recipe["teacher"]["spec"]), os.environ.get("PPKT_ZOO_TEACHER", "teacher.safetensors")
)
print(recipe["teacher"]["name"])

# %% [markdown]
# ## Images
#
# The teacher looks at some images, here of other rooms than the one to be named. Where it is sure of a class, it marks
# a place in the shared space.

# %%
from ppkt_zoo.evaluation.teacher_classes import find_teacher_classes
from ppkt_zoo.rooms import RoomsFrames, make_room, room_cloud

images = RoomsFrames(seed=31, rooms=8, frames_per_room=1, height=480, width=640)
found = find_teacher_classes(
    teacher, VOC_CLASSES, ppkt_zoo.load_projection(WEIGHT), (images[number].color for number in range(len(images)))
)
print(f"the teacher is sure of: {', '.join(found.names)}")

# %% [markdown]
# ## Points
#
# Each point takes the class of the places that lie nearest to it. The student never saw these images, and the teacher
# never sees the points.

# %%
from ppkt_zoo.visualization.classes import segmentation_picture

xyz, rgb, _, _ = room_cloud(make_room(7), spacing=0.04, views=10)
features = ppkt_zoo.load_backbone(WEIGHT).encode(torch.from_numpy(xyz), torch.from_numpy(rgb))
label = found.of_points(features).numpy()
for number, name in enumerate(found.names):
    print(f"{name:12} {np.mean(label == number):.0%} of the points")
segmentation_picture(xyz, rgb, label, found.names, title="classes of the 2D network, on points", height=260)

# %% [markdown]
# Pascal VOC has twenty classes, and no word for walls, lamps or cupboards: these are "background". Measured on
# real frames: [fine-tuning and names](../results/downstream.md).
