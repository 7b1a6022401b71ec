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
# # First steps
#
# A cloud goes in, a feature vector for each of its points comes out. This notebook needs no file and no network: the
# cloud is a furnished room that the package generates.

# %%
import numpy as np

import ppkt_zoo

backbone = ppkt_zoo.load_backbone()  # the weight to begin with
print(ppkt_zoo.default_weight(), backbone.input_spec.voxel_size, "m voxels,", backbone.out_channels, "channels")

# %% [markdown]
# ## A cloud
#
# Points in metres with z up, colours as uint8. Of your own file, `ppkt_zoo.load_cloud("scan.ply")` gives both, as
# `.xyz` and `.rgb`.

# %%
from ppkt_zoo.rooms import make_room, room_cloud

xyz, rgb, _, _ = room_cloud(make_room(7), spacing=0.04, views=10)
print(xyz.shape, xyz.dtype, rgb.shape, rgb.dtype, "extent", np.ptp(xyz, axis=0).round(1), "m")

# %% [markdown]
# ## Features
#
# Row *i* of the features belongs to point *i*.

# %%
features = backbone.encode(xyz, rgb)
print(features.shape, features.dtype)

# %% [markdown]
# Their three main directions as red, green and blue. Things of one kind have one colour: that is what
# pretraining gave the network, since it never saw a label.

# %%
from ppkt_zoo.visualization.picture import feature_picture

feature_picture(xyz, rgb, features, height=260)

# %% [markdown]
# ## What is similar?
#
# The cosine between features. `readout="similarity"` takes what the weight recommends for this purpose.

# %%
from ppkt_zoo.evaluation.similarity import similarity, top_matches
from ppkt_zoo.visualization.similarity import similarity_picture

found = backbone.encode(xyz, rgb, readout="similarity")
middle = xyz.mean(axis=0)
picked = int(np.linalg.norm(xyz - middle, axis=1).argmin())
alike = similarity(found, picked)
for row in top_matches(xyz, alike, picked):
    print(f"similarity {alike[row]:.2f} at {xyz[row].round(2)}")
similarity_picture(xyz, rgb, alike, picked, height=260)

# %% [markdown]
# ## Levels, and clouds without colour
#
# The network has several levels, from half a metre to single voxels. This weight takes clouds without colour too.

# %%
for name, level in backbone.encode(xyz, rgb, levels="all").items():
    print(f"{name:9} {level.shape}")

grey = backbone.encode(xyz)
unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (features, grey)]
print(f"cosine between features with and without colour: {(unit[0] * unit[1]).sum(axis=1).mean():.2f}")

# %% [markdown]
# ## Does it work here?
#
# Every weight carries the features that it gave when it was made. `verify` computes them again on this machine.

# %%
print(ppkt_zoo.verify(ppkt_zoo.default_weight()))
