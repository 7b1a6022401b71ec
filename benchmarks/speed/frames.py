"""From stored frames to voxels: decode, back-project, voxelise, against Open3D on the same real frames.

    pip install open3d                    # needs libusb-1.0 and libGL of the system
    python -m benchmarks.speed.frames           # two loader processes, frames a second → benchmarks/results/frames.json
    python -m benchmarks.speed.frames --busy    # one process, processor milliseconds a frame → frames_busy.json

Ours: a folder's reader, ``back_project``, ``voxelize`` (mean colour of each voxel, and the voxel of each point).
Open3D's: ``read_image``, ``create_from_rgbd_image``, ``voxel_down_sample`` (mean position and colour). Both read the
same 7-Scenes frames of 640×480 and take turns; both give world coordinates in the data set's own axes. Before
anything is timed, the points of some frames are compared one by one.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.machine import SHARED, keep, machine, table, versions
from ppkt_zoo.data.readers.seven_scenes import SevenScenes
from ppkt_zoo.points.back_projection import back_project, pixel_values
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize

FRAMES = SHARED / "frames" / "seven_scenes_redkitchen"
VOXEL_SIZE = 0.02
# Metres: how far a point of ours may lie from Open3D's.
TOLERANCE = 1e-4
_FAR = 100.0


class Ours(Dataset[tuple[torch.Tensor, ...]]):
    """Frames as voxels: coordinates and features; the voxel of each point is found too, and stays in the worker."""

    def __init__(self, folder: Path) -> None:
        self._frames = SevenScenes(folder, up="world-z")
        self._spec = InputSpec(voxel_size=VOXEL_SIZE)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        xyz, rgb = self.cloud(index)
        voxels = voxelize(CloudBatch.collate([PointCloud.from_arrays(xyz, rgb)]), self._spec)
        return voxels.coords, voxels.features

    def cloud(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Points float32 (N, 3), colours uint8 (N, 3)."""
        frame = self._frames[index]
        xyz, pixel = back_project(frame.depth, frame.intrinsics, frame.pose)
        return xyz, pixel_values(frame.color, pixel)


class Open3D(Dataset[tuple[torch.Tensor, ...]]):
    """Frames as down-sampled clouds: positions and colours."""

    def __init__(self, folder: Path) -> None:
        self._stems = sorted(path.name.removesuffix(".pose.txt") for path in folder.glob("*.pose.txt"))
        self._folder = folder
        self._camera = np.loadtxt(folder / "camera-intrinsics.txt")

    def __len__(self) -> int:
        return len(self._stems)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        small = self.cloud(index).voxel_down_sample(VOXEL_SIZE)
        return torch.from_numpy(np.asarray(small.points)), torch.from_numpy(np.asarray(small.colors))

    def cloud(self, index: int) -> Any:
        """An Open3D PointCloud."""
        import open3d

        stem = str(self._folder / self._stems[index])
        image = open3d.geometry.RGBDImage.create_from_color_and_depth(
            open3d.io.read_image(f"{stem}.color.jpg"),
            open3d.io.read_image(f"{stem}.depth.png"),
            depth_scale=1000.0,
            depth_trunc=_FAR,
            convert_rgb_to_intensity=False,
        )
        fx, fy, cx, cy = self._camera[0, 0], self._camera[1, 1], self._camera[0, 2], self._camera[1, 2]
        camera = open3d.camera.PinholeCameraIntrinsic(640, 480, fx, fy, cx, cy)
        extrinsic = np.linalg.inv(np.loadtxt(f"{stem}.pose.txt"))
        return open3d.geometry.PointCloud.create_from_rgbd_image(image, camera, extrinsic)


def main() -> None:
    """Compare, measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--busy", action="store_true", help="one process, processor time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sides: dict[str, Any] = {"ours": Ours(FRAMES), "open3d": Open3D(FRAMES)}
    largest = largest_difference(sides["ours"], sides["open3d"])
    if not largest <= TOLERANCE:
        raise RuntimeError(f"points differ from Open3D's by up to {largest:.2g} m")
    measure = one_process if options.busy else two_processes
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.repeats):
        for name, side in sides.items():
            times[name].append(measure(side))
    rows = [_row(name, seconds) for name, seconds in times.items()]
    here = machine()
    here["versions"] |= versions(("open3d", "pillow"))
    ratio = statistics.median(times["open3d"]) / statistics.median(times["ours"])
    what = "one process, processor time" if options.busy else "two loader processes"
    print(f"{here['processor']}, {here['cores']} cores, load {here['load']}, {here['versions']}")
    print(f"{len(sides['ours'])} frames of 640×480, voxels of {VOXEL_SIZE} m, {what}\n")
    print(table(rows))
    print(f"\nours {ratio:.2f} times as fast; points equal to {largest:.1g} m")
    result = {
        "machine": here,
        "clock": what,
        "frames": len(sides["ours"]),
        "voxel_size": VOXEL_SIZE,
        "largest_difference_metres": largest,
        "rows": rows,
        "ratio": ratio,
    }
    print(f"kept in {keep('frames_busy' if options.busy else 'frames', result)}")


def largest_difference(ours: Ours, peer: Open3D) -> float:
    """How far corresponding points lie apart at most, in metres, over ten frames; both go row by row."""
    largest = 0.0
    for index in range(0, len(ours), max(1, len(ours) // 10)):
        xyz, theirs = ours.cloud(index)[0], np.asarray(peer.cloud(index).points)
        if xyz.shape != theirs.shape:
            raise RuntimeError(f"frame {index}: ours has {len(xyz)} points, Open3D's {len(theirs)}")
        largest = max(largest, float(np.linalg.norm(xyz - theirs, axis=1).max()))
    return largest


def one_process(frames: Any) -> float:
    """Processor seconds for all frames in this process."""
    return _clock(lambda: [frames[index] for index in range(len(frames))], time.process_time)


def two_processes(frames: Any) -> float:
    """Seconds for all frames through a loader with two workers, from the first frame that arrives on."""
    loader = DataLoader(frames, batch_size=None, num_workers=2, prefetch_factor=4, persistent_workers=True)
    for _ in loader:  # the processes start, libraries load their parts, files come into the system's cache
        pass
    return _clock(lambda: [None for _ in loader], time.perf_counter)


def _clock(run: Callable[[], Any], now: Callable[[], float]) -> float:
    start = now()
    run()
    return now() - start


def _row(name: str, seconds: list[float]) -> dict[str, Any]:
    count = len(Open3D(FRAMES))
    middle = statistics.median(seconds)
    return {
        "side": name,
        "frames a second": count / middle,
        "milliseconds a frame": 1000 * middle / count,
        "slowest round": count / max(seconds),
        "fastest round": count / min(seconds),
    }


if __name__ == "__main__":
    main()
