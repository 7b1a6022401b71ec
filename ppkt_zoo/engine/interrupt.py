"""SIGTERM and Ctrl-C end a run after the step in hand, with a checkpoint."""

import signal
from types import FrameType

from ppkt_zoo.errors import TrainingError


class Stopped(TrainingError):  # noqa: N818 — it is a request that was honoured, not a fault
    """The run was asked to stop and has written its checkpoint; the same command goes on from there."""


class StopRequest:
    """Context in which SIGTERM and SIGINT only raise a flag. A second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        return self.signal is not None

    def __enter__(self) -> "StopRequest":
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self._before[number] = signal.signal(number, self._note)
            except ValueError:  # not in the main thread: the host program keeps its own handlers
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal == signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.signal = number


def leave_signals_to_main(worker: int) -> None:
    """For data workers: a signal to the whole process group (Ctrl-C, a scheduler) is the main process's to answer."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
