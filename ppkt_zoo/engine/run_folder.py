"""`run_folder`: a run alone in its folder, from its first file to its last."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ppkt_zoo.engine.checkpoint import clear_parts
from ppkt_zoo.engine.data_workers import worker_troubles_named
from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.locks import FolderLock
from ppkt_zoo.files.targets import check_folder_target


@contextmanager
def run_folder(out: Path, main: bool = True) -> Iterator[None]:
    """Context in which this process, of all on the machine, works in a run's folder.

    Args:
        out: made where it is missing.
        main: whether this process writes there; of several that learn together one does, and locks.

    Raises:
        TrainingError: another process is at work there; or the folder cannot be written; or, inside, data workers are
            killed and files or memory run out.
    """
    with worker_troubles_named():
        if not main:
            yield
            return
        check_folder_target(out, TrainingError, "--out")
        with FolderLock(out, "this run's folder", "or give another --out", TrainingError):
            clear_parts(out / "checkpoints")
            yield
