"""How things are timed side by side, what the limit of a machine is, and which voxels the speed benchmarks use."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.speed.furnished_room import VOXEL_SIZE, room
from ppkt_zoo.native import library
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.voxelize import voxelize
from ppkt_zoo.sparse import Grid
from ppkt_zoo.sparse.engines.gemm import multiply

Clock = Callable[[], float]
Run = Callable[[], Any]
_DENSE_EDGE = 2048


def instructions() -> dict[str, str]:
    """The vector instructions that ran: the native library's level (or none), and PyTorch's."""
    native = library()
    return {
        "native": "none" if native is None else native.level,
        "torch": torch.backends.cpu.get_cpu_capability(),
    }


def interleaved(runs: Mapping[str, Run], repeats: int, now: Clock = time.perf_counter) -> dict[str, float]:
    """Median seconds of each run; they take turns, so that a machine's moods meet all of them. One turn warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start = now()
            run()
            seconds = now() - start
            if repeat:
                times[name].append(seconds)
    return {name: statistics.median(found) for name, found in times.items()}


def dense_runs() -> dict[str, Run]:
    """Products of two dense fp32 matrices by PyTorch's own library and, where there is one, by oneDNN."""
    a, b = torch.randn(_DENSE_EDGE, _DENSE_EDGE), torch.randn(_DENSE_EDGE, _DENSE_EDGE)
    return {"dense mm": lambda: torch.mm(a, b), "dense oneDNN": lambda: multiply(a, b)}


def dense_rate(seconds: Mapping[str, float]) -> float:
    """Products a second (multiply and add count as two) of the faster one of :func:`dense_runs`."""
    return 2.0 * _DENSE_EDGE**3 / min(seconds[name] for name in ("dense mm", "dense oneDNN"))


def room_voxels() -> Tensor:
    """int32 (M, 4): the furnished room on its grid of 2 cm, about 175 000 voxels."""
    return voxelize(CloudBatch.collate([PointCloud.from_arrays(*room())]), InputSpec(voxel_size=VOXEL_SIZE)).coords


def some_voxels(coords: Tensor, count: int) -> Tensor:
    """As many voxels as asked: the part of the room nearest to a corner, or several rooms as several clouds.

    Args:
        coords: int32 (M, 4), of one room.
        count: how many; a part of a room of 16 400 is about what one depth frame fills.

    Returns:
        int32 (count, 4), sorted.
    """
    clouds = []
    for cloud in range(-(-count // len(coords))):
        left = min(len(coords), count - cloud * len(coords))
        distance = (coords[:, 1:] - coords[len(coords) // 2, 1:]).float().square().sum(dim=1)
        one = coords[distance.argsort(stable=True)[:left].sort().values].clone()
        one[:, 0] = cloud
        clouds.append(one)
    return torch.cat(clouds)


def pairs(coords: Tensor, kernel: int = 3) -> int:
    """How many pairs of neighbours a submanifold kernel meets."""
    return int((Grid(coords).submanifold(1, kernel).table >= 0).sum())
