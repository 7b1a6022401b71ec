"""Farthest points, balls, nearest points and interpolation at PointNet++'s sizes: native, PyTorch, and other libraries.

    python -m benchmarks.speed.point_operators

All run alternately in one process; the figures are medians of processor milliseconds of one thread, so that others on
the machine disturb little. torch-cluster, fpsample and scipy are measured where they are installed. Native and PyTorch
must give equal rows; the other libraries answer slightly other questions, which `questions` in the JSON file says.
PointNet++'s whole forward pass and training step run with the native operators and with those in PyTorch.
"""

import argparse
import importlib
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import keep, machine, table, told
from benchmarks.speed.furnished_room import room
from ppkt_zoo.backbones import interpolation, pointnet2
from ppkt_zoo.backbones.interpolation import interpolate
from ppkt_zoo.engine.machine import versions
from ppkt_zoo.native import library
from ppkt_zoo.points import sampling
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.sampling import ball_neighbours, farthest_points, nearest

CENTERS, RADII, NEIGHBOURS = (2048, 1024, 512, 256), (0.2, 0.4, 0.8, 1.2), (64, 32, 16, 16)
CASES = {"frame": (16_000, 1), "room": (100_000, 1), "8 frames": (16_000, 8)}
QUESTIONS = {
    "torch-cluster": "fps from the first row, without rules for ties; radius and knn for each cloud of a batch",
    "fpsample": "bucket_fps_kdline_sampling (h=7) from a given row, without rules for ties; cloud after cloud",
    "scipy": "cKDTree built and asked for every call; query_ball_point gives all points of a ball; cloud after cloud",
}
Run = Callable[[], Any]


class Clouds:
    """One case: points of equal clouds end to end, their centres and the nearest ones."""

    def __init__(self, points: int, clouds: int) -> None:
        parts = [torch.from_numpy(room(points, seed)[0]) for seed in range(clouds)]
        self.xyz, self.sizes = torch.cat(parts), tuple(len(part) for part in parts)
        chosen = farthest_points(self.xyz, self.sizes, CENTERS[0])
        self.parts = parts
        self.centers = [part[rows] for part, rows in zip(parts, chosen, strict=True)]
        self.batch = torch.repeat_interleave(torch.arange(clouds), torch.tensor(self.sizes))

    def first(self, count: int) -> tuple[Tensor, tuple[int, ...], Tensor]:
        """The first centres of each cloud end to end, their numbers, and the cloud of each."""
        numbers = (count,) * len(self.parts)
        cloud = torch.repeat_interleave(torch.arange(len(self.parts)), torch.tensor(numbers))
        return torch.cat([some[:count] for some in self.centers]), numbers, cloud


@contextmanager
def without_native() -> Iterator[None]:
    """The operators in PyTorch, as where there is no native library."""
    kept = sampling.library, interpolation.library
    sampling.library = interpolation.library = lambda: None
    try:
        yield
    finally:
        sampling.library, interpolation.library = kept


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if library() is None:
        parser.error("there is no native library: build it with `python -m ppkt_zoo.native build`")
    torch.set_num_threads(1)
    peers = {name: module for name in ("torch_cluster", "fpsample", "scipy.spatial") if (module := _optional(name))}
    rows = [row for name, size in CASES.items() for row in operators(name, Clouds(*size), peers, options.repeats)]
    network = [row for name, size in CASES.items() for row in networks(name, *size, options.repeats)]
    here = machine()
    here["versions"] |= versions(("torch-cluster", "fpsample", "scipy"))
    print(told(here) + "\n")
    print(table(rows), end="\n\n")
    print(table(network))
    result = {"machine": here, "clock": "processor ms of one thread", "questions": QUESTIONS, "operators": rows}
    print(f"\nkept in {keep('point_operators', result | {'pointnet2': network})}")


def operators(case: str, clouds: Clouds, peers: dict[str, Any], repeats: int) -> list[dict[str, Any]]:
    """A row of the table for each operator of a case."""
    cluster, fps, tree = (peers.get(name) for name in ("torch_cluster", "fpsample", "scipy.spatial"))
    rows = []
    runs = {"native": lambda: farthest_points(clouds.xyz, clouds.sizes, CENTERS[0])}
    if cluster:
        # A cloud's share of points rounds up there: all clouds are of about one size here.
        share = CENTERS[0] / max(clouds.sizes)
        runs["torch-cluster"] = lambda: cluster.fps(clouds.xyz, clouds.batch, share, random_start=False)
    if fps:
        runs["fpsample"] = lambda: [
            fps.bucket_fps_kdline_sampling(part.numpy(), CENTERS[0], 7, 0) for part in clouds.parts
        ]
    rows.append({"case": case, "operator": f"farthest {CENTERS[0]}"} | compare(runs, repeats))
    places, sizes, batch = clouds.xyz, clouds.sizes, clouds.batch
    for wanted, radius, count in zip(CENTERS, RADII, NEIGHBOURS, strict=True):
        centers, numbers, cloud = clouds.first(wanted)
        rows.append(
            {"case": case, "operator": f"ball {wanted} of {radius} m"}
            | compare(_balls(centers, numbers, cloud, places, sizes, batch, radius, count, cluster, tree), repeats)
        )
        places, sizes, batch = centers, numbers, cloud
    for name, targets, count in (("fp1", 512, 256), ("fp2", 1024, 512), ("points", 0, 1024)):
        fine = clouds.first(targets) if targets else (clouds.xyz, clouds.sizes, clouds.batch)
        coarse = clouds.first(count)
        rows.append(
            {"case": case, "operator": f"3 nearest, {name}"} | compare(_nearest(fine, coarse, cluster, tree), repeats)
        )
    found, weights = nearest(clouds.xyz, clouds.sizes, *clouds.first(1024)[:2], 3)
    feats = torch.randn(len(clouds.first(1024)[0]), 256)
    rows.append(
        {"case": case, "operator": "interpolate 256"}
        | compare({"native": lambda: interpolate(feats, found, weights)}, repeats)
    )
    return rows


def _balls(
    centers: Tensor, numbers: tuple[int, ...], cloud: Tensor, places: Tensor, sizes: tuple[int, ...], batch: Tensor,
    radius: float, count: int, cluster: Any, tree: Any,
) -> dict[str, Run]:  # fmt: skip
    runs: dict[str, Run] = {"native": lambda: ball_neighbours(centers, numbers, places, sizes, radius, count)}
    if cluster:
        runs["torch-cluster"] = lambda: cluster.radius(places, centers, radius, batch, cloud, max_num_neighbors=count)
    if tree:
        pairs = list(zip(centers.split(list(numbers)), places.split(list(sizes)), strict=True))
        runs["scipy"] = lambda: [tree.cKDTree(b.numpy()).query_ball_point(a.numpy(), radius) for a, b in pairs]
    return runs


def _nearest(
    fine: tuple[Tensor, tuple[int, ...], Tensor],
    coarse: tuple[Tensor, tuple[int, ...], Tensor],
    cluster: Any,
    tree: Any,
) -> dict[str, Run]:
    runs: dict[str, Run] = {"native": lambda: nearest(fine[0], fine[1], coarse[0], coarse[1], 3)}
    if cluster:
        runs["torch-cluster"] = lambda: cluster.knn(coarse[0], fine[0], 3, coarse[2], fine[2])
    if tree:
        pairs = list(zip(fine[0].split(list(fine[1])), coarse[0].split(list(coarse[1])), strict=True))
        runs["scipy"] = lambda: [tree.cKDTree(b.numpy()).query(a.numpy(), 3) for a, b in pairs]
    return runs


def networks(case: str, points: int, clouds: int, repeats: int) -> list[dict[str, Any]]:
    """PointNet++ on voxels of 2 cm: rows of the table for both passes."""
    torch.manual_seed(0)
    network = pointnet2(input_spec=InputSpec(voxel_size=0.02))
    batch = CloudBatch.collate([PointCloud.from_arrays(*room(points, seed)) for seed in range(clouds)])
    some = torch.arange(0, batch.xyz.shape[0], 8)

    def forward(level: str) -> list[Tensor]:
        with torch.no_grad():
            return [network.eval()(batch)[level]]

    def step() -> list[Tensor]:
        network.train().zero_grad()
        network(batch).at("points", some).square().mean().backward()
        return []

    works: dict[str, Run] = {
        "forward, seeds": lambda: forward("fp2"),
        "forward, all points": lambda: forward("points"),
        "training step": step,
    }
    return [
        {"case": case, "work": name} | compare({"native": work}, max(2, repeats // 2)) for name, work in works.items()
    ]


def compare(runs: dict[str, Run], repeats: int) -> dict[str, Any]:
    """Medians in milliseconds, and how often as long as the native run the others take; "-" for what is not there."""

    def plain() -> Any:
        with without_native():
            return runs["native"]()

    mine, theirs = (_tensors(run()) for run in (runs["native"], plain))
    if len(mine) != len(theirs) or not all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True)):
        raise RuntimeError("native and PyTorch give different results")
    timed = {"native": runs["native"], "pytorch": plain} | runs
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(repeats):
        for name, run in timed.items():
            start = time.thread_time()
            run()
            seconds[name].append(time.thread_time() - start)
    middle = {name: 1e3 * statistics.median(values) for name, values in seconds.items()}
    row: dict[str, Any] = {"native": middle["native"], "pytorch": middle["pytorch"]}
    row |= {name: middle.get(name, "-") for name in QUESTIONS}
    return row | {"pytorch / native": middle["pytorch"] / middle["native"]}


def _tensors(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def _optional(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: it is not measured")
        return None


if __name__ == "__main__":
    main()
