"""Batches prepared by other processes: what goes wrong there is told as it would be here, and never hangs.

What a worker prepares comes back as bytes through its pipe. torch's own way, tensors in shared memory whose open files
are handed over, ends in a hang where a worker runs out of files and in a bus error where ``/dev/shm`` is full.
"""

import errno
import io
import os
import pickle
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ppkt_zoo.engine.interrupt import leave_signals_to_main
from ppkt_zoo.errors import InputError, PPKTZooError, TrainingError

_Batch = TypeVar("_Batch")

MOST_WORKERS = 1024
"""More than any machine has cores for."""
_AHEAD = 4
# Files that a worker keeps open in the main process and that it opens itself, and what all else may need.
_FILES_PER_WORKER, _FILES_BESIDE = 8, 24
_DIED = re.compile(r"DataLoader worker \(pid\(?s?\)?")
_FULL = re.compile(r"can't allocate memory|not enough memory|out of memory")
_SAME = "the same command resumes from its last checkpoint"


class DataWorkers(Generic[_Batch]):
    """The items of a data set in a given order, prepared ahead by some processes; iterable once or more often.

    Args:
        dataset: items by number.
        order: their numbers.
        workers: processes; 0 prepares each item when its turn comes.

    Raises:
        InputError: a number of workers that cannot be.
    """

    def __init__(self, dataset: Dataset[_Batch], order: Sequence[int], workers: int) -> None:
        if not 0 <= workers <= MOST_WORKERS:
            raise InputError(f"workers must be 0 to {MOST_WORKERS}, got {workers}")
        self._dataset, self._order, self._workers = dataset, order, workers

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Generator[_Batch, None, None]:
        """The items. Close it where an exception may end the walk: its workers live as long as it does.

        Raises:
            TrainingError: a worker was killed, or files or memory ran out.
            PPKTZooError: what an item itself raises, wherever it was prepared.
        """
        if self._workers:
            yield from self._prepared()
        else:
            for number in self._order:
                yield self._dataset[number]

    def _prepared(self) -> Generator[_Batch, None, None]:
        _check_files(self._workers)
        loader: DataLoader[bytes] = DataLoader(
            _AsBytes(self._dataset),
            batch_size=None,
            sampler=self._order,
            num_workers=self._workers,
            prefetch_factor=_AHEAD,
            worker_init_fn=leave_signals_to_main,
            collate_fn=_as_it_is,
        )
        with worker_troubles_named():
            for content in loader:
                item = pickle.loads(content)  # written by our own process a moment ago
                if isinstance(item, _Failure):
                    item.again()
                yield item


@contextmanager
def worker_troubles_named() -> Iterator[None]:
    """Context of all that runs beside data workers: torch tells their death wherever the main process is just then.

    Raises:
        TrainingError: a worker was killed, or files or memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, PPKTZooError):
            raise
        if isinstance(error, MemoryError) or _FULL.search(str(error)) is not None:
            raise TrainingError(
                f"there is not enough memory: give fewer --workers or a smaller batch, or a larger machine; {_SAME}"
            ) from error
        if _DIED.search(str(error)) is None:
            raise
        raise TrainingError(
            "a data worker was killed (most likely it, or all of them together, used more memory than there is): "
            f"give fewer --workers, or a machine with more memory; {_SAME}"
        ) from error
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        raise _too_few_files(str(error.strerror)) from error


class _AsBytes(Dataset[bytes]):
    """A data set whose items, or what they raise, come as bytes."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, number: int) -> bytes:
        try:
            return _packed(self._dataset[number])
        except (PPKTZooError, MemoryError, OSError) as error:
            return pickle.dumps(_Failure(error))


class _Failure:
    """An error on its way to the main process."""

    def __init__(self, error: Exception) -> None:
        self._kind, self._parts = type(error), error.args
        self._cause = None if error.__cause__ is None else repr(error.__cause__)

    def again(self) -> None:
        error = self._kind(*self._parts)
        if self._cause is not None:
            error.add_note(f"caused in a data worker by {self._cause}")
        raise error


class _Packer(pickle.Pickler):
    """Tensors as their plain bytes, many times as fast as torch's own way through ``torch.save``."""

    def reducer_override(self, given: Any) -> Any:
        if type(given) is not Tensor or given.device.type != "cpu" or given.layout != torch.strided:
            return NotImplemented
        if given.requires_grad or given.is_quantized:
            return NotImplemented
        # A part of something larger is copied first, so that nothing else travels along; strides stay.
        dense = given if given.untyped_storage().nbytes() == given.numel() * given.element_size() else given.clone()
        content = torch.empty(0, dtype=torch.uint8).set_(dense.untyped_storage()).numpy()
        return _tensor, (content, dense.dtype, tuple(dense.shape), dense.stride())


def _packed(item: object) -> bytes:
    stream = io.BytesIO()
    _Packer(stream, pickle.HIGHEST_PROTOCOL).dump(item)
    return stream.getvalue()


def _tensor(content: np.ndarray, dtype: torch.dtype, shape: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    # Cloned, since what lies in a pickle is aligned as chance has it.
    raw = torch.from_numpy(content).clone()
    return torch.empty(0, dtype=dtype).set_(raw.untyped_storage(), 0, shape, stride)


def _as_it_is(content: Any) -> Any:
    return content


def _check_files(workers: int) -> None:
    """Tell before the first worker starts that files would run out: one that cannot open any more may never answer."""
    try:
        import resource
    except ImportError:  # Windows counts otherwise
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _open_files() + _FILES_PER_WORKER * workers + _FILES_BESIDE
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard == resource.RLIM_INFINITY or needed <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    raise _too_few_files(f"{soft} at once are allowed here, {workers} workers need {needed}")


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 32


def _too_few_files(reason: str) -> TrainingError:
    return TrainingError(
        f"files that may be open at once run out ({reason}): give fewer --workers, or raise the limit by "
        f"`ulimit -n 4096`; {_SAME}"
    )
