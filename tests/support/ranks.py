"""Several processes that learn together on the CPU, for tests of what is exchanged between them."""

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing


def run_on_ranks(function: Callable[..., Any], folder: Path, *arguments: Any, ranks: int = 2) -> list[Any]:
    """``function(rank, *arguments)`` in as many new processes, joined by gloo; what each of them returned.

    The function must stand at the top of a module; its results must be what torch.save can write.
    """
    torch.multiprocessing.spawn(_run, (function, folder, ranks, arguments), nprocs=ranks)
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(ranks)]


def _run(rank: int, function: Callable[..., Any], folder: Path, ranks: int, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=ranks)
    try:
        torch.save(function(rank, *arguments), folder / f"rank{rank}.pt")
        dist.barrier()
    finally:
        # A rank was once aborted at its end: nothing of DDP, whose reducers lie in cycles, may outlive the group.
        gc.collect()
        dist.destroy_process_group()
