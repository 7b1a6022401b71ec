"""A folder of RGB-D frames without ROS: point at a thing in one frame, find it in all the others.

python examples/rgbd_folder.py FOLDER U,V [FIRST] [WEIGHT] [OUT]

FOLDER is any that `ppkt-zoo data inspect FOLDER` reads: colour and depth images with a pose or a camera file, a TUM,
ScanNet or Open3D recording, ... U,V is a pixel of frame FIRST. A picture for each frame shows the most similar pixels,
and `similarity.npz` has them all. A recorder of your own needs no more than the three lines of `encode_images`.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import ppkt_zoo
from ppkt_zoo import Backbone
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.points.back_projection import back_project


def encode_images(
    color: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray, pose: np.ndarray | None, backbone: Backbone
) -> np.ndarray:
    """Features of one frame as an image, float32 (H, W, C), NaN where depth is missing.

    ``color`` uint8 (H, W, 3), ``depth`` metres (H, W) with 0 for a hole, ``intrinsics`` (3, 3), ``pose`` (4, 4) from
    the camera to a world with z up (without one, the image's upper edge is taken for up).
    """
    level = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])  # the camera looks straight ahead
    xyz, pixel = back_project(depth, intrinsics, level if pose is None else pose)
    column, row = pixel.T
    image = np.full((*depth.shape, backbone.out_channels), np.nan, np.float32)
    image[row, column] = backbone.encode(xyz, color[row, column])
    return image


def similarity_images(folder: str, place: tuple[int, int], first: int, backbone: Backbone) -> Iterator[tuple]:
    """Name, colour and similarity (H, W) in [-1, 1] of every frame to the pixel (u, v) of the first."""
    frames = open_frames(folder)
    order = [first, *(number for number in range(len(frames)) if number != first)]
    wanted = None
    for number in order:
        frame = frames[number]
        image = encode_images(frame.color, frame.depth, frame.intrinsics, frame.pose, backbone)
        unit = image / np.linalg.norm(image, axis=-1, keepdims=True)
        if wanted is None:
            wanted = unit[place[1], place[0]]
            if not np.isfinite(wanted).all():
                sys.exit(f"{folder}: pixel {place} of frame {first} has no depth: point at another one")
        yield frame.name.replace("/", "_"), frame.color, unit @ wanted


def main(
    folder: str, place: str, first: int = 0, weight: str | None = None, out: str = "found"
) -> dict[str, np.ndarray]:
    """Write a picture for each frame and all similarities; name → similarity."""
    column, row = (int(one) for one in place.split(","))
    backbone, found = ppkt_zoo.load_backbone(weight), {}
    Path(out).mkdir(parents=True, exist_ok=True)
    for name, color, similarity in similarity_images(folder, (column, row), first, backbone):
        found[name] = similarity.astype(np.float32)
        strength = np.clip(np.nan_to_num(similarity, nan=-1.0), 0, 1)[..., None] ** 4
        shown = color * 0.35 * (1 - strength) + np.array([255, 210, 0]) * strength
        Image.fromarray(np.hstack([color, shown.astype(np.uint8)])).save(Path(out) / f"{name}.png")
        print(f"{name}: {np.nanmean(similarity > 0.8):.1%} of the pixels are similar")
    np.savez_compressed(Path(out) / "similarity.npz", **found)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:4]), *sys.argv[4:])
