"""An Open3D point cloud to features and back: the cloud in the colours of its features, and all features beside it.

python examples/open3d_cloud.py scan.ply [WEIGHT] [OUT.ply]

Needs open3d: pip install "ppkt-zoo[examples]". Open3D's legacy clouds hold colours as floats in [0, 1], its tensor
clouds as uint8 or floats; a backbone takes either. Coordinates must be metres, z up: `cloud.scale(0.001, (0, 0, 0))`
for millimetres, and `cloud.rotate(...)` by a quarter about x where y is up.
"""

import sys
from pathlib import Path

import numpy as np
import open3d as o3d

import ppkt_zoo
from ppkt_zoo import Backbone
from ppkt_zoo.visualization.pca import pca_colors


def features_of(cloud: o3d.geometry.PointCloud, backbone: Backbone) -> np.ndarray:
    """Features of a legacy cloud, float32 (N, C); row i belongs to ``cloud.points[i]``."""
    colors = np.asarray(cloud.colors, np.float32) if cloud.has_colors() else None
    features: np.ndarray = backbone.encode(np.asarray(cloud.points), colors)
    return features


def with_features(cloud: o3d.t.geometry.PointCloud, backbone: Backbone) -> o3d.t.geometry.PointCloud:
    """A tensor cloud whose attribute ``features`` has a row for each point; it goes along when the cloud is cropped."""
    colors = cloud.point.colors.numpy() if "colors" in cloud.point else None
    found = cloud.clone()
    found.point.features = o3d.core.Tensor(backbone.encode(cloud.point.positions.numpy(), colors))
    return found


def main(file: str, weight: str | None = None, out: str = "features.ply") -> np.ndarray:
    """Write the cloud in the colours of its features, and the features as OUT.npy; the features."""
    cloud = o3d.io.read_point_cloud(file)
    if not cloud.has_points():
        sys.exit(f"{file}: Open3D reads no points from it")
    backbone = ppkt_zoo.load_backbone(weight)
    features = features_of(cloud, backbone)
    shown = o3d.geometry.PointCloud(cloud)
    shown.colors = o3d.utility.Vector3dVector(pca_colors(features) / 255)
    o3d.io.write_point_cloud(out, shown)
    np.save(Path(out).with_suffix(".npy"), features)

    coarse = with_features(o3d.t.geometry.PointCloud.from_legacy(cloud), backbone).voxel_down_sample(0.1)
    print(f"{len(cloud.points)} points, {features.shape[1]} channels; wrote {out}")
    print(f"{len(coarse.point.positions)} voxels of 10 cm, each with the mean feature of its points")
    return features


if __name__ == "__main__":
    main(*sys.argv[1:])
