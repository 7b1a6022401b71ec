"""The procedural rooms: how fast they render, and how real a network that knows photographs finds them.

    python benchmarks/rooms.py                 # speed and realism → benchmarks/results/rooms.json
    python benchmarks/rooms.py --sheet         # docs/images/rooms_sheet.png

Speed is wall time and processor time of whole frames of 240×320 (room, camera, picture, depth sensor, files),
eight cameras a room, with one process and with two. Realism is the IoU of the Pascal VOC DeepLab teacher's
answers (``../shared/teachers``) with the rendered labels; desks, stools and small things are left out where they
lie, because VOC has no rule for them. Numbers of one class are only comparable between runs with the same seed.
"""

import argparse
import json
import os
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ppkt_zoo.data.rooms import CLASSES, RoomsFrames
from ppkt_zoo.data.rooms.version import VERSION
from ppkt_zoo.transfer.teachers import VOC_CLASSES, TeacherSpec, load_teacher

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("PPKT_ZOO_SHARED", ROOT.parent / "shared"))
TEACHER = "teachers/deeplabv3_mobilenet_v2_voc21.safetensors"
VOC_OF = {
    "chair": "chair",
    "table": "diningtable",
    "sofa": "sofa",
    "screen": "tvmonitor",
    "plant": "pottedplant",
    "bottle": "bottle",
}
LEFT_OUT = ("desk", "stool", "clutter")
PER_ROOM = 8


def speed(rooms: int) -> dict[str, float]:
    """Frames a second with one process and with two."""
    count = rooms * PER_ROOM
    _render_rooms((100, 1))  # warm up
    wall, processor = time.perf_counter(), time.process_time()
    _render_rooms((101, rooms))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_render_rooms, [(100, 1), (100, 1)]))
        start = time.perf_counter()
        list(pool.map(_render_rooms, [(102, rooms), (103, rooms)]))
        both = time.perf_counter() - start
    return {
        "frames": count,
        "frames_per_second_one_process": count / wall,
        "frames_per_second_two_processes": 2 * count / both,
        "processor_seconds_per_frame": processor / count,
    }


def _render_rooms(task: tuple[int, int]) -> None:
    seed, rooms = task
    frames = RoomsFrames(seed, rooms, PER_ROOM)
    for index in range(len(frames)):
        frames[index]


def realism(seed: int, rooms: int, per_room: int) -> dict[str, object]:
    """IoU, recall and precision of the teacher for each class that it knows."""
    spec = TeacherSpec(
        architecture="deeplabv3_mobilenet_v2",
        stage="logits",
        weights="file",
        padding="tensorflow",
        image_size=(385, 513),
    )
    teacher = load_teacher(spec, SHARED / TEACHER)
    frames = RoomsFrames(seed, rooms, per_room)
    counts = {name: np.zeros(3, dtype=np.int64) for name in VOC_OF}  # both, rendered, answered
    for index in range(len(frames)):
        frame = frames[index]
        assert frame.label is not None
        image = torch.from_numpy(frame.color).permute(2, 0, 1)[None].float() / 255
        scores = torch.nn.functional.interpolate(teacher(image), frame.depth.shape, mode="bilinear")
        answer = scores[0].argmax(0).numpy()
        counted = ~np.isin(frame.label, [CLASSES.index(name) for name in LEFT_OUT])
        for name, voc in VOC_OF.items():
            truth = (frame.label == CLASSES.index(name)) & counted
            said = (answer == VOC_CLASSES.index(voc)) & counted
            counts[name] += np.array([(truth & said).sum(), truth.sum(), said.sum()])
    table = {
        name: {
            "iou": round(float(both / max(truth + said - both, 1)), 3),
            "recall": round(float(both / max(truth, 1)), 3),
            "precision": round(float(both / max(said, 1)), 3),
            "share_of_pixels": round(float(truth / len(frames) / frames.height / frames.width), 4),
        }
        for name, (both, truth, said) in counts.items()
    }
    mean = float(np.mean([table[name]["iou"] for name in ("chair", "table", "sofa", "screen")]))
    return {
        "seed": seed,
        "frames": len(frames),
        "classes": table,
        "mean_iou_chair_table_sofa_screen": round(mean, 3),
    }


def sheet(path: Path, seed: int = 11, count: int = 20, columns: int = 5) -> None:
    """Frames of ``count`` rooms: colour, depth and labels side by side."""
    frames = RoomsFrames(seed, count, 1)
    hues = np.random.default_rng(4).integers(40, 255, (len(CLASSES), 3), dtype=np.uint8)
    tiles = []
    for index in range(count):
        frame = frames[index]
        assert frame.label is not None
        depth = np.clip(255 - frame.depth / 6.0 * 215, 0, 255) * (frame.depth > 0)
        grey = np.repeat(depth.astype(np.uint8)[..., None], 3, axis=2)
        small = [_half(grey), _half(hues[frame.label])]
        tiles.append(np.concatenate([frame.color, np.concatenate(small, axis=1)], axis=0))
    rows = [np.concatenate(tiles[start : start + columns], axis=1) for start in range(0, count, columns)]
    image = Image.fromarray(np.concatenate(rows, axis=0))
    image = image.resize((image.width * 5 // 8, image.height * 5 // 8), Image.Resampling.LANCZOS)
    path.parent.mkdir(parents=True, exist_ok=True)
    # 256 colours keep it small; nobody measures on a sheet.
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _half(image: np.ndarray) -> np.ndarray:
    return image[::2, ::2]


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=8, help="rooms rendered by each process of the speed test")
    parser.add_argument("--sheet", action="store_true", help="only draw docs/images/rooms_sheet.png")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.sheet:
        sheet(ROOT / "docs/images/rooms_sheet.png")
        return
    load = os.getloadavg()[0]
    result: dict[str, object] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "load_before": round(load, 1)},
        "versions": {
            "rooms": VERSION,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "speed": {key: round(value, 3) for key, value in speed(arguments.rooms).items()},
    }
    if (SHARED / TEACHER).exists():
        result["realism"] = realism(seed=6, rooms=60, per_room=2)
    text = json.dumps(result, indent=2)
    path = ROOT / "benchmarks/results/rooms.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")
    print(text)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
