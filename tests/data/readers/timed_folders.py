"""TUM RGB-D and ARKitScenes folders of the room of frame_folders, byte for byte as they are downloaded."""

import json
from pathlib import Path

import numpy as np

from tests.data.frame_folders import CAMERA, HEIGHT, POSES, WIDTH, render, save_color, save_depth

TUM_START, TUM_STEP = 1305031102.175304, 0.033
# Each depth image is a little later than its colour image, and colour images come first.
TUM_LATE = 0.011
ARKIT_START, ARKIT_STEP = 6845.806, 0.1


def to_quaternion(rotation: np.ndarray) -> np.ndarray:
    """(x, y, z, w), by the textbook case of a positive trace; the poses here all have one or are made to."""
    vector = np.array(
        [rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]]
    )
    squares = np.array(
        [
            1 + rotation[0, 0] - rotation[1, 1] - rotation[2, 2],
            1 - rotation[0, 0] + rotation[1, 1] - rotation[2, 2],
            1 - rotation[0, 0] - rotation[1, 1] + rotation[2, 2],
            1 + np.trace(rotation),
        ]
    )
    largest = int(squares.argmax())
    out = np.zeros(4)
    out[largest] = np.sqrt(squares[largest]) / 2
    scale = 1 / (4 * out[largest])
    if largest == 3:
        out[:3] = vector * scale
    else:
        for other in set(range(3)) - {largest}:
            out[other] = (rotation[largest, other] + rotation[other, largest]) * scale
        out[3] = vector[largest] * scale
    return out


def to_axis_angle(rotation: np.ndarray) -> np.ndarray:
    quaternion = to_quaternion(rotation)
    quaternion *= np.sign(quaternion[3]) or 1
    angle = 2 * np.arccos(np.clip(quaternion[3], -1, 1))
    return quaternion[:3] / np.sin(angle / 2) * angle


def tum(folder: Path, world: np.ndarray | None = None, every: int = 1) -> Path:
    """rgb/ and depth/ by time, lists with three lines of comment, motion capture at 100 Hz (here: each pose held)."""
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    head = "# {} \n# file: 'rgbd_dataset_freiburg1_xyz.bag'\n# timestamp {}\n"
    colors, depths = [head.format("color images", "filename")], [head.format("depth maps", "filename")]
    truth = [head.format("ground truth trajectory", "tx ty tz qx qy qz qw")]
    for number, pose in enumerate(POSES):
        color, depth = render(pose)
        time, late = TUM_START + TUM_STEP * number, TUM_START + TUM_STEP * number + TUM_LATE
        save_color(folder / f"rgb/{time:.6f}.png", color)
        save_depth(folder / f"depth/{late:.6f}.png", depth, 5000.0)
        colors.append(f"{time:.6f} rgb/{time:.6f}.png\n")
        depths.append(f"{late:.6f} depth/{late:.6f}.png\n")
        stored = pose if world is None else world @ pose
        numbers = " ".join(f"{value:.6f}" for value in (*stored[:3, 3], *to_quaternion(stored[:3, :3])))
        truth += [f"{late + shift:.4f} {numbers}\n" for shift in (-0.005, 0.005)]
    (folder / "rgb.txt").write_text("".join(colors))
    (folder / "depth.txt").write_text("".join(depths))
    (folder / "groundtruth.txt").write_text("".join(truth))
    return folder


def arkit(scan: Path, inner: str | None = None) -> Path:
    """A scan of 3dod: ID_frames/lowres_wide, lowres_depth, lowres_wide_intrinsics, lowres_wide.traj, annotation."""
    video = scan.name
    frames = scan / (f"{video}_frames" if inner is None else inner)
    for name in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
        (frames / name).mkdir(parents=True)
    lines = []
    for number, pose in enumerate(POSES):
        color, depth = render(pose)
        time = ARKIT_START + ARKIT_STEP * number
        save_color(frames / f"lowres_wide/{video}_{time:.3f}.png", color)
        save_depth(frames / f"lowres_depth/{video}_{time:.3f}.png", depth)
        # The real files' stamps of intrinsics differ by up to a millisecond from the images'.
        near = time + 0.001 * (number % 3 - 1)
        focal = CAMERA[0, 0] + number
        values = f"{WIDTH} {HEIGHT} {focal:g} {focal:g} {CAMERA[0, 2]:g} {CAMERA[1, 2]:g}"
        (frames / f"lowres_wide_intrinsics/{video}_{near:.3f}.pincam").write_text(values)
        to_camera = np.linalg.inv(pose)
        numbers = (*to_axis_angle(to_camera[:3, :3]), *to_camera[:3, 3])
        lines.append(f"{time + 0.0004:.6f} " + " ".join(f"{value:.9f}" for value in numbers) + "\n")
    (frames / "lowres_wide.traj").write_text("".join(lines))
    (scan / f"{video}_3dod_annotation.json").write_text(json.dumps(ARKIT_ANNOTATION))
    return scan


def _box(label: str, centre: list[float], size: list[float], axes: list[list[float]]) -> dict:
    aligned = {"centroid": centre, "axesLengths": size, "normalizedAxes": np.ravel(axes).tolist()}
    return {"uid": "x", "label": label, "segments": {"obbAligned": aligned}}


_C, _S = np.cos(0.4), np.sin(0.4)
ARKIT_ANNOTATION = {
    "skipped": False,
    "data": [
        _box("chair", [0.5, 1.0, 0.45], [0.6, 0.5, 0.9], [[_C, _S, 0], [-_S, _C, 0], [0, 0, 1]]),
        # The vertical axis may stand anywhere, and point down.
        _box("tv monitor", [1.0, 2.0, 1.2], [0.5, 1.1, 0.1], [[0, 0, -1], [1, 0, 0], [0, 1, 0]]),
        _box("unicorn", [0, 0, 0], [1, 1, 1], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ],
}
