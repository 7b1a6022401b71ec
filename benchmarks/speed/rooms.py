"""The procedural rooms: how fast they render, and a sheet to judge them by.

    python -m benchmarks.speed.rooms                 # speed → benchmarks/results/rooms.json
    python -m benchmarks.speed.rooms --sheet         # docs/images/rooms_sheet.png

Speed is wall time and processor time of whole frames of 240×320 (room, camera, picture, depth sensor, files),
eight cameras a room, with one process and with two.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.machine import ROOT, keep, machine
from ppkt_zoo.rooms import CLASSES, RoomsFrames
from ppkt_zoo.rooms.room import VERSION

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
    here = machine()
    found = {key: round(value, 3) for key, value in speed(arguments.rooms).items()}
    for key, value in found.items():
        print(f"{key.replace('_', ' ')}: {value}")
    print(f"kept in {keep('rooms', {'machine': here, 'world': VERSION, 'speed': found})}")


if __name__ == "__main__":
    main()
