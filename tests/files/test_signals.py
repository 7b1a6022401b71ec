"""Signals at the worst moment: in the middle of what must be done whole."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from ppkt_zoo.errors import InputError
from ppkt_zoo.files import locks
from ppkt_zoo.files.signals import signals_held


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    # Tests in the background of a shell have Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Interrupted(FileLock):
    """Ctrl-C comes while the lock is taken, and while it is given back."""

    def _acquire(self) -> None:
        super()._acquire()
        signal.raise_signal(signal.SIGINT)

    def _release(self) -> None:
        signal.raise_signal(signal.SIGINT)
        super()._release()


@pytest.mark.parametrize("wait", [0.0, None])
def test_a_signal_leaves_no_lock_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: float | None) -> None:
    monkeypatch.setattr(locks, "FileLock", Interrupted)
    with pytest.raises(KeyboardInterrupt), locks.sole_writer(tmp_path / "a.npz", InputError, wait):
        pytest.fail("Ctrl-C was swallowed")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    with locks.sole_writer(tmp_path / "a.npz", InputError) as alone:
        assert alone, "the system's lock was given back as well"


def test_what_came_is_told_at_the_end_and_handlers_are_as_before() -> None:
    done = []

    def work() -> None:
        with signals_held():
            signal.raise_signal(signal.SIGINT)
            done.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_held():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_leave_signals_alone() -> None:
    seen = []

    def work() -> None:
        with signals_held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
