"""One RGB-D frame to a picture of its features: back-project, turn upright, encode, put back into the image.

python examples/encode_frame.py FOLDER [INDEX] [WEIGHT]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import ppkt_zoo
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.points.back_projection import back_project
from ppkt_zoo.visualization.pca import pca_colors


def main(folder: str, index: str = "0", weight: str | None = None, out: str = "frame_features.png") -> np.ndarray:
    """Write the frame's colours beside its features; the features as an image (H, W, C), NaN where depth is missing."""
    backbone = ppkt_zoo.load_backbone(weight or ppkt_zoo.default_weight())
    frame = open_frames(folder)[int(index)]  # its pose turns the camera's frame to z up, by gravity
    xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose)
    column, row = pixel.T
    features = backbone.encode(xyz, frame.color[row, column])

    image = np.full((*frame.depth.shape, features.shape[1]), np.nan, np.float32)
    image[row, column] = features
    picture = np.zeros_like(frame.color)
    picture[row, column] = pca_colors(features)
    Image.fromarray(np.hstack([frame.color, picture])).save(Path(out))
    print(f"{frame.name}: {len(xyz)} of {frame.depth.size} pixels have depth and a feature; wrote {out}")
    return image


if __name__ == "__main__":
    main(*sys.argv[1:])
