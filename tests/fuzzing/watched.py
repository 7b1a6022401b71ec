"""Inputs read one after another in a process of its own, under limits of memory and time; whatever ends it is told."""

import mmap
import os
import resource
import signal
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

MEMORY = 2 << 30
"""Bytes that a process may take beside what it holds before the first input."""
SECONDS = 10.0
"""Longest time of one input."""

_LARGEST = 4 << 20
_HEAD = struct.Struct("<qqd")


@dataclass
class Watched:
    """What came of the inputs.

    Attributes:
        read: how many were taken.
        faults: where and what → the input; errors that are not ours, hangs, and processes that died.
        slowest: seconds of the slowest input.
        peak: bytes that the process grew by.
    """

    read: int = 0
    faults: dict[str, bytes] = field(default_factory=dict)
    slowest: float = 0.0
    peak: int = 0


def watch(
    read: Callable[[bytes], bool], inputs: Callable[[int], Iterator[bytes]], known: Watched | None = None
) -> Watched:
    """Read ``inputs(0)`` one after another; where the process ends at input i, go on with ``inputs(i + 1)``.

    Args:
        read: whether it took an input; raises what is not ours.
        inputs: gives the inputs from a place on.
        known: counted on.
    """
    found, start = known or Watched(), 0
    while start is not None:
        start = _one_process(read, inputs, start, found)
    return found


def _one_process(
    read: Callable[[bytes], bool], inputs: Callable[[int], Iterator[bytes]], start: int, found: Watched
) -> int | None:
    """Read until the end (None) or until the process ends (the place to go on from)."""
    shared = mmap.mmap(-1, _HEAD.size + 8 + _LARGEST)
    _HEAD.pack_into(shared, 0, start, 0, time.monotonic())
    answer, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(answer)
        os._exit(_read_all(read, inputs, start, shared, writer))
    os.close(writer)
    # A pipe that is full would stop the child, so its findings are read while it works.
    os.set_blocking(answer, False)
    text, hung, before, worked = b"", False, 0.0, 0.0
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        while piece := _piece(answer):
            text += piece
        if done:
            break
        began = _HEAD.unpack_from(shared, 0)[2]
        # Looked at twice: while the child writes it, its bytes are zero for a moment.
        if began != before:
            worked = _cpu_seconds(child)
        waited = time.monotonic() - began
        # On a busy machine an input may wait for its turn; one that never works at all waits for something else.
        late = waited > SECONDS and (_cpu_seconds(child) - worked > SECONDS / 2 or waited > 6 * SECONDS)
        if late and began == before and not hung:
            hung = True
            os.kill(child, signal.SIGKILL)
        before = began
        time.sleep(0.05)
    os.close(answer)
    for line in text.decode(errors="replace").splitlines():
        _take(line, found)
    at, taken, _ = _HEAD.unpack_from(shared, 0)
    found.read += taken
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        return None
    (length,) = struct.unpack_from("<q", shared, _HEAD.size)
    data = bytes(shared[_HEAD.size + 8 : _HEAD.size + 8 + min(length, _LARGEST)])
    how = f"hangs (over {SECONDS:g} s)" if hung else f"ends the process (status {status})"
    found.faults.setdefault(how, data)
    return at + 1


def _read_all(
    read: Callable[[bytes], bool], inputs: Callable[[int], Iterator[bytes]], start: int, shared: mmap.mmap, writer: int
) -> int:
    pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_AS, (pages + MEMORY,) * 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken, slowest, places = 0, 0.0, set()
    for at, data in enumerate(inputs(start), start=start):
        began = time.monotonic()
        struct.pack_into("<q", shared, _HEAD.size, len(data))
        shared[_HEAD.size + 8 : _HEAD.size + 8 + min(len(data), _LARGEST)] = data[:_LARGEST]
        _HEAD.pack_into(shared, 0, at, taken, began)
        try:
            taken += read(data)
        except BaseException as error:  # noqa: BLE001 (whatever comes out is what is looked for)
            line = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} {os.path.basename(line.filename)}:{line.lineno}"
            if place not in places:
                places.add(place)
                os.write(writer, f"fault\t{place}\t{data.hex() if len(data) < 100_000 else ''}\n".encode())
        slowest = max(slowest, time.monotonic() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    _HEAD.pack_into(shared, 0, 0, taken, time.monotonic())
    os.write(writer, f"end\t{slowest}\t{grown}\n".encode())
    return 0


def _cpu_seconds(process: int) -> float:
    """Processor time of a process."""
    with open(f"/proc/{process}/stat") as file:
        parts = file.read().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _piece(pipe: int) -> bytes:
    try:
        return os.read(pipe, 1 << 16)
    except BlockingIOError:
        return b""


def _take(line: str, found: Watched) -> None:
    kind, *parts = line.split("\t")
    if kind == "end":
        found.slowest = max(found.slowest, float(parts[0]))
        found.peak = max(found.peak, int(parts[1]))
    elif kind == "fault":
        found.faults.setdefault(parts[0], bytes.fromhex(parts[1]))
