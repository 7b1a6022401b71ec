"""Several processes that encode: each loads the network once and holds one cloud at a time.

Only paths and results travel between them. A process that is killed, most likely for its memory, takes the source with
it that it was at, and another one goes on with the rest.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

from ppkt_zoo.encoding.encoder import FileEncoder, OutputError
from ppkt_zoo.encoding.plan import Plan
from ppkt_zoo.encoding.results import FileResult
from ppkt_zoo.encoding.sources import Source
from ppkt_zoo.engine.primitive_cache import keep_few_primitives
from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.locks import sole_writer
from ppkt_zoo.files.writing import sweep_parts

# More than any machine has cores for.
MOST_WORKERS = 256
# Seconds for a process to put away what it writes.
_GRACE = 10.0
# Killed one after another, without a cloud between them that was encoded.
_MOST_DEATHS = 4
_FAULT = 1
_TERMINATED = 128 + signal.SIGTERM

Done = tuple[Source, FileResult | None]


def encode_all(
    plan: Plan, sources: Iterable[Source], workers: int, wait_for_others: bool, encoder: FileEncoder | None = None
) -> Generator[Done, None, None]:
    """Encode sources, in this process for one worker, else in as many others.

    Args:
        plan: what is asked.
        sources: any number.
        workers: processes.
        wait_for_others: whether to wait for other runs that are at work on a source.
        encoder: what a single worker goes on with.

    Yields:
        A source and what became of it, in the order in which they are done; None for one that another run is at.

    Raises:
        OutputError and others that concern all sources: see :class:`~ppkt_zoo.encoding.encoder.FileEncoder`.
    """
    seconds = None if wait_for_others else 0.0
    if workers == 1:
        encoder = FileEncoder(plan) if encoder is None else encoder
        for source in sources:
            yield source, encoder(source, seconds)
        return
    # What is there already needs no process, and where all is, none is started.
    left: deque[Source] = deque()
    here = FileEncoder(plan)
    for source in sources:
        kept = here.kept(source)
        if kept is None:
            left.append(source)
        else:
            yield source, kept
    pool = _Pool(plan, left, seconds)
    try:
        yield from pool.run(workers)
    finally:
        pool.stop()


@dataclass
class _Worker:
    process: Any
    pipe: "Connection[Any, Any]"
    source: Source | None = None
    began: bool = False


@dataclass
class _Pool:
    plan: Plan
    waiting: deque[Source]
    seconds: float | None
    workers: list[_Worker] = field(default_factory=list)
    deaths: int = 0

    def run(self, most: int) -> Iterator[Done]:
        for _ in range(min(most, len(self.waiting))):
            self._start()
        while busy := [one for one in self.workers if one.source is not None]:
            ready = wait([one.pipe for one in busy])
            for worker in [one for one in busy if one.pipe in ready]:
                yield from self._answer(worker)

    def stop(self) -> None:
        """End all processes: those that write put away what is half written, and get some seconds for it."""
        for worker in self.workers:
            worker.pipe.close()
            if worker.source is not None:
                worker.process.terminate()
        for worker in self.workers:
            worker.process.join(_GRACE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self.workers.clear()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.plan, self.seconds), daemon=True)
        try:
            with _interrupts_held():
                process.start()
        except (AttributeError, TypeError, ValueError, OSError) as failure:
            if isinstance(failure, OSError):
                raise InputError(f"no process can be started ({failure.strerror}): give fewer workers") from failure
            raise InputError(
                f"what reads sources cannot be handed to other processes ({failure}): give a function that stands at "
                "the top of a module, or workers=1"
            ) from failure
        finally:
            theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        self._hand_over(worker)

    def _hand_over(self, worker: _Worker) -> None:
        worker.source = self.waiting.popleft() if self.waiting else None
        if worker.source is not None:
            # To one that has died; that is told when it is asked for its answer.
            with suppress(OSError):
                worker.pipe.send(worker.source)

    def _answer(self, worker: _Worker) -> Iterator[Done]:
        try:
            kind, value = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        if kind == "ready":
            worker.began = True
            return
        if kind == "fault":
            error, parts = value
            raise error(*parts)
        source, worker.source = worker.source, None
        assert source is not None
        self._hand_over(worker)
        self.deaths = 0
        yield source, value

    def _bury(self, worker: _Worker) -> Iterator[Done]:
        worker.process.join()
        code, source = worker.process.exitcode, worker.source
        self.workers.remove(worker)
        worker.pipe.close()
        if not worker.began:
            raise InputError(
                f"a process ended while it started (exit code {code}), and what it said stands above. In a script of "
                "your own, what starts other processes must stand below: if __name__ == '__main__':"
            )
        if code == _FAULT:
            raise RuntimeError("a process ended by a fault of ppkt-zoo: its traceback stands above")
        self.deaths += 1
        if self.deaths == _MOST_DEATHS:
            raise InputError(
                f"{_MOST_DEATHS} processes were killed one after another ({_killed_by(code)}), most likely since "
                "memory ran out: give fewer --workers, or --tile auto; the same command goes on from here"
            )
        assert source is not None
        reason = (
            f"the process that encoded it was killed ({_killed_by(code)}), most likely since memory ran out: give "
            "fewer --workers, or --tile auto"
        )
        target = self.plan.target(source)
        with sole_writer(target, OutputError) as alone:
            if alone:  # what it was writing is nobody's now
                sweep_parts(target)
        if self.waiting:
            self._start()
        yield source, FileResult(str(source.path), str(target), "failed", error=f"{source.path}: {reason}")


def _killed_by(code: int | None) -> str:
    number = signal.SIGTERM if code == _TERMINATED else -(code or 0)
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until a process is started, and the process inherits that it waits until it knows what to do."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # Its start lets interrupts through again, so it must not fall between these two.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: "Connection[Any, Any]", plan: Plan, seconds: float | None) -> None:
    """What such a process does; Ctrl-C is for the one that started it, which then ends this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, _end)
    keep_few_primitives()
    try:
        if plan.prepare is not None:
            plan.prepare()
        encoder = FileEncoder(plan)
        pipe.send(("ready", None))
        while True:
            pipe.send(("done", encoder(pipe.recv(), seconds)))
    except PPKTZooError as failure:
        pipe.send(("fault", (type(failure), failure.args)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        # All is done, or nobody waits for it any more.
        return


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_TERMINATED)
