"""The segmenter and the detector that come with the package, on a room that they never saw."""

from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.downstream.detection.boxes import iou_matrix
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.rooms import CLASSES, Room, make_room, room_cloud
from tests.support.commands import answer, run

_ROOM = 3_141


@pytest.fixture(scope="module")
def room() -> Room:
    return make_room(_ROOM)


@pytest.fixture(scope="module")
def scan(room: Room) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    xyz, rgb, label, _ = room_cloud(room, spacing=0.03, views=6, noise=True)
    return xyz, rgb, label


@pytest.mark.parametrize(("colored", "least"), [(True, 0.8), (False, 0.7)])
def test_segment_names_the_points(
    scan: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path, colored: bool, least: float
) -> None:
    xyz, rgb, label = scan
    file = write_cloud(tmp_path / "room.ply", xyz, rgb if colored else None)
    told = run("segment", file, "--out", tmp_path / "labels.npz")
    assert "sr_unet14_small.rooms_segmentation" in told.output
    with np.load(tmp_path / "labels.npz") as found:
        right = (found["label"] == label).mean()
    wall = (label == CLASSES.index("wall")).mean()
    assert wall < least - 0.1, "a room in which one class alone would do shows nothing"
    assert right > least


def test_detect_finds_furniture(room: Room, scan: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    xyz, rgb, _ = scan
    file = write_cloud(tmp_path / "room.ply", xyz, rgb)
    found = answer("detect", file, "--out", tmp_path / "boxes.json")
    truth = {"bed", "chair", "sofa", "table", "desk", "bookshelf"}
    rows = [number for number, item in enumerate(room.objects) if item.name in truth]
    assert rows, "the room has no furniture to find"
    boxes = [box for box in found.boxes if box.name in truth]
    placed = np.array([[*box.center, *box.size, box.heading] for box in boxes])
    overlap = iou_matrix(room.boxes[rows], placed)
    assert (overlap.max(axis=1) > 0.25).mean() >= 0.5
