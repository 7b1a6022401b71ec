"""Small files and names that stand in for a reader's own, so that the blocks of the documentation run as written."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

import ppkt_zoo
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.rooms import RoomsFrames
from tests.data.frame_folders import looking, render, save_color, save_depth
from tests.data.readers import own_scans

_KINECT = np.array([[585.0, 0, 320], [0, 585, 240], [0, 0, 1]])


def a_cloud(points: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """A block of coloured points, three metres wide."""
    rng = np.random.default_rng(0)
    return rng.uniform(0, (3, 3, 2), (points, 3)).astype(np.float32), rng.integers(0, 256, (points, 3), np.uint8)


def names_for_python() -> dict[str, Any]:
    """What the examples take for granted."""
    xyz, rgb = a_cloud()
    pages = [a_cloud(500), a_cloud(400)]
    return {"__name__": "documentation", "xyz": xyz, "rgb": rgb, "clouds": pages, "classes": ("wall", "floor", "chair")}


def fill(folder: Path, text: str) -> None:
    """Make what a page's text names: scans, frames, labelled scans, fine-tuned models."""
    for name, make in _MAKERS.items():
        if name in text:
            make(folder / name)


def _cloud(path: Path) -> None:
    write_cloud(path, *a_cloud())


def _frames(folder: Path) -> None:
    folder.mkdir()
    for number in range(2):
        pose = looking((0.1 * number, 0.2, 1.4), 25.0 * number, -20.0)
        color, depth = render(pose, _KINECT, (480, 640))
        stem = f"frame-{number:06d}"
        save_color(folder / f"{stem}.color.png", color)
        save_depth(folder / f"{stem}.depth.png", np.where(np.isfinite(depth), depth, 0))
        np.savetxt(folder / f"{stem}.pose.txt", pose)


def _walk(folder: Path) -> None:
    """Small frames that overlap, with poses and intrinsics, as somebody's own camera would have taken them."""
    folder.mkdir()
    source = RoomsFrames(seed=5, rooms=1, frames_per_room=4, height=60, width=80, walk=True)
    for number in range(len(source)):
        frame = source[number]
        save_color(folder / f"frame-{number:06d}.color.png", frame.color)
        save_depth(folder / f"frame-{number:06d}.depth.png", frame.depth)
        np.savetxt(folder / f"frame-{number:06d}.pose.txt", frame.pose)
    np.savetxt(folder / "camera-intrinsics.txt", source[0].intrinsics)


def _labelled(folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        own_scans.scan(folder, f"scan{number}.npz", number)
        own_scans.boxes(folder, f"scan{number}")
    own_scans.names(folder)


def _segmenter(folder: Path) -> None:
    ppkt_zoo.save_segmentation(folder, SegmentationModel(_backbone(), ("wall", "floor", "chair")))


def _detector(folder: Path) -> None:
    shape = VoteNetConfig(heading_bins=4, seeds=64, proposals=16, width=16)
    ppkt_zoo.save_detector(folder, VoteNet(_backbone(), ("chair", "table"), torch.full((2, 3), 0.8), shape).eval())


def _backbone() -> ppkt_zoo.backbones.base.Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return ppkt_zoo.create_backbone("sr_unet14_slim", input_spec=ppkt_zoo.InputSpec(voxel_size=0.1))


_MAKERS = {
    "scan.ply": _cloud,
    "new_scan.ply": _cloud,
    "redkitchen": _frames,
    "my_camera": _walk,
    "scans": _labelled,
    "runs/points/model": _segmenter,
    "runs/boxes/model": _detector,
}
