"""Batches from other processes: the same numbers, the same errors, and no hang where workers die or files run out."""

import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ppkt_zoo.engine.data_workers import DataWorkers
from ppkt_zoo.engine.run_folder import run_folder
from ppkt_zoo.errors import FrameError, InputError, TrainingError


class Items(Dataset[dict[str, Tensor]]):
    """Tensors of several layouts; at one number something goes wrong."""

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        if number == 3 and self.wrong == "error":
            raise FrameError("frame 3 is cut short")
        if number == 3 and self.wrong == "memory":
            raise MemoryError
        if number == 3 and self.wrong == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        images = (torch.arange(2 * 4 * 5 * 3) + number).to(torch.uint8).view(2, 4, 5, 3)
        parts = {
            "half": torch.full((3, 2), number / 3).half(),
            "bf16": torch.ones(2).bfloat16(),
            "none": torch.empty(0, 3),
        }
        return {"images": images.permute(0, 3, 1, 2), "part": torch.arange(10.0)[2:5], **parts}


def test_workers_give_what_one_process_gives() -> None:
    alone, together = (list(DataWorkers(Items(), range(1, 5), workers)) for workers in (0, 2))
    assert len(alone) == len(together) == 4
    for one, other in zip(alone, together, strict=True):
        for name, tensor in one.items():
            assert torch.equal(tensor, other[name])
            assert (tensor.dtype, tensor.stride()) == (other[name].dtype, other[name].stride()), name


@pytest.mark.parametrize("workers", [0, 1])
def test_an_items_own_error_comes_as_it_is(workers: int) -> None:
    with pytest.raises(FrameError, match=r"^frame 3 is cut short$"):
        list(DataWorkers(Items("error"), range(5), workers))


def test_a_killed_worker_is_told_with_the_mend() -> None:
    with pytest.raises(TrainingError, match=r"data worker was killed .* fewer --workers.* last checkpoint"):
        list(DataWorkers(Items("killed"), range(5), 1))


def test_memory_that_runs_out_is_told() -> None:
    with pytest.raises(TrainingError, match="not enough memory"):
        list(DataWorkers(Items("memory"), range(5), 1))


def test_too_few_files_are_told_before_a_worker_starts() -> None:
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))
        try:
            list(DataWorkers(Items(), range(5), 2))
        except TrainingError as error:
            os._exit(0 if "ulimit -n" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_number_of_workers_that_cannot_be_is_told() -> None:
    for workers in (-1, 10**6):
        with pytest.raises(InputError, match="workers must be 0 to"):
            DataWorkers(Items(), range(5), workers)


def test_a_second_run_in_a_folder_is_told_who_is_there(tmp_path: Path) -> None:
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        with run_folder(tmp_path):
            os.write(go, b"x")
            signal.pause()
    os.read(ready, 1)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-00000003.part").write_bytes(b"half")
    with pytest.raises(TrainingError, match=rf"process {child} on .* another --out"), run_folder(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with run_folder(tmp_path):  # a kill leaves no lock behind
        assert not list((tmp_path / "checkpoints").iterdir()), "nor half a checkpoint"


def test_a_folder_that_cannot_be_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below", Path(os.fsdecode(b"out-\xff"))):
        with pytest.raises(TrainingError), run_folder(out):
            pass
