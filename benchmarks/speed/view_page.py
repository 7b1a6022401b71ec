"""The view page: its size, how long Chromium takes to open it and to answer a click, and how long it takes to make.

    python -m benchmarks.speed.view_page

The cloud is a furnished room of about a million points with made-up features (64 channels, those of a voxel of 3 cm
alike), so that nothing is encoded. Chromium draws in software; after a click it draws some of the points first, as on
every slow machine. On a machine that does other work the processor time says more than the clock: of making a page that
of this process, of the browser that of all its processes.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import keep, machine, table, told
from ppkt_zoo.rooms import make_room, room_cloud
from ppkt_zoo.visualization.page import Page, view
from tests.support.chromium import Tab, why_not

_POINTS, _CHANNELS, _VOXEL = 1_000_000, 64, 0.03
_SIZE = (1280, 800)
#: What the page promises.
GOALS = {"megabytes": 12.0, "seconds to open": 3.0, "seconds from click to similarity": 0.3, "seconds to make": 20.0}


def cloud(seed: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A room whose points are repeated a little apart until there are a million; colours, and features of voxels."""
    xyz, rgb, _, _ = room_cloud(make_room(seed), spacing=0.02, seed=seed, views=12)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(xyz), _POINTS)
    place = (xyz[rows] + rng.normal(scale=0.004, size=(_POINTS, 3))).astype(np.float32)
    voxels = np.floor((place - place.min(axis=0)) / _VOXEL).astype(np.int64)
    _, voxel = np.unique((voxels[:, 0] << 40) | (voxels[:, 1] << 20) | voxels[:, 2], return_inverse=True)
    centres = np.zeros((voxel.max() + 1, 3))
    centres[voxel] = place
    # Features change smoothly through the room, as those of a network do.
    waves = np.sin(centres @ rng.normal(scale=2.0, size=(3, _CHANNELS)) + rng.uniform(0, 6, _CHANNELS))
    features = (waves + 0.2 * rng.normal(size=waves.shape)).astype(np.float32)
    return place, rgb[rows], features[voxel]


def made(xyz: np.ndarray, rgb: np.ndarray, features: np.ndarray) -> tuple[Page, dict[str, float]]:
    """The page, and what making it took."""
    clock, processor = time.perf_counter(), time.process_time()
    page = view(xyz, rgb, features, title="benchmark")
    return page, {"clock s": time.perf_counter() - clock, "processor s": time.process_time() - processor}


def opened(path: Path, repeats: int) -> dict[str, Any]:
    """What opening it and clicking on it takes, medians, in a browser that was warmed up."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, Tab(Path(folder), _SIZE) as tab:
        version = tab.call("Browser.getVersion")["product"]
        for repeat in range(repeats + 1):
            begin = tab.processor_seconds()
            seconds = tab.open(path.resolve().as_uri())
            tab.run(_DRAWN)
            between = tab.processor_seconds()
            drawn, computed = tab.run(_CLICK)
            times = {
                "open s": seconds,
                "open and draw, processor s": between - begin,
                "click to similarity s": computed / 1000,
                "click to drawn similarity s": drawn / 1000,
                "click to drawn similarity, processor s": tab.processor_seconds() - between,
            }
            if repeat:  # the first one compiles shaders
                for name, value in times.items():
                    found.setdefault(name, []).append(value)
    return {"browser": version} | {name: statistics.median(values) for name, values in found.items()}


# Milliseconds from a click to the frame with the new colours, and to similarity and colours alone.
_CLICK = """new Promise((done) => {
  const { panes, picking, gl } = ppktZoo, began = performance.now();
  const { clientWidth, clientHeight } = panes[0].element;
  picking.pick(panes[0].pointAt(clientWidth / 2, clientHeight / 2, 200));
  const computed = performance.now() - began;
  requestAnimationFrame(() => requestAnimationFrame(() => {
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4)); // waits for the drawing
    done([performance.now() - began, computed]);
  }));
})"""
_DRAWN = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {
  ppktZoo.gl.readPixels(0, 0, 1, 1, ppktZoo.gl.RGBA, ppktZoo.gl.UNSIGNED_BYTE, new Uint8Array(4));
  done(0);
})))"""


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if reason := why_not():
        parser.error(reason)
    page, making = made(*cloud())
    with tempfile.TemporaryDirectory() as folder:
        browser = opened(page.save(Path(folder) / "page.html"), options.repeats)
    here = machine()
    row = {"points": len(page.rows), "of": _POINTS, "megabytes": len(page.html) / 1e6, **making, **browser}
    print(told(here))
    print(table([row]))
    print(f"kept in {keep('view_page', {'machine': here, 'goals': GOALS, 'notes': page.notes, 'figures': row})}")


if __name__ == "__main__":
    main()
