"""Encode a cloud with a pretrained backbone, pick a point, and find what is similar to it.

python examples/encode_cloud.py my_cloud.ply [WEIGHT]
"""

import sys

import numpy as np

import ppkt_zoo
from ppkt_zoo.evaluation.similarity import similarity, top_matches
from ppkt_zoo.points.files.cloud_files import read_cloud


def main(path: str, weight: str | None = None) -> np.ndarray:
    """Print the places whose features are nearest to those of the cloud's middle; each point's similarity to it."""
    backbone = ppkt_zoo.load_backbone(weight or ppkt_zoo.default_weight())
    xyz, rgb, _ = read_cloud(path)  # metres, z up
    features = backbone.encode(xyz, rgb)  # float32 (N, C), row i belongs to point i

    picked = np.linalg.norm(xyz - np.median(xyz, axis=0), axis=1).argmin()
    found = similarity(features, picked)  # cosine similarity, −1 to 1

    print(f"{len(xyz)} points, {features.shape[1]} channels; picked {xyz[picked].round(2)}")
    for point in top_matches(xyz, found, picked):
        print(f"  similarity {found[point]:.2f}: {xyz[point].round(2)}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
