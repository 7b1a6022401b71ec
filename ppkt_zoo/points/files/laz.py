"""LAZ, unpacked by lazrs in a process of its own that can neither take ours with it nor run on without end."""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.text import one_line

_ROWS = 1 << 18
# Beyond the file itself; lazrs needs a few megabytes.
_MEMORY = 1 << 30
_SECONDS = 60
_SLOWEST_POINTS_A_SECOND = 50_000


def laz_records(content: bytes, vlr: bytes, offset: int, record: int, points: int, where: str) -> Iterator[bytes]:
    """The records of all points, some hundred thousand at a time.

    Args:
        vlr: the LASzip record of its header.
        offset: where the compressed points begin.
        record: bytes of a point's record.
        points: how many there are.
        where: begins messages.

    Raises:
        InputError: the decompressor is not installed, or it failed, died, or did not end.
    """
    lazrs = need("lazrs", "las", f"{where}: reading LAZ", InputError)
    seconds = _SECONDS + points // _SLOWEST_POINTS_A_SECOND
    numbers = (len(content), len(vlr), offset, record, points, len(content) + _MEMORY, seconds)
    child = Path(__file__).with_name("laz_child.py")
    command = [sys.executable, "-I", "-S", str(child), str(Path(lazrs.__file__).parents[1]), *map(str, numbers)]
    with tempfile.TemporaryFile() as told:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=told,
                env={**os.environ, "RUST_BACKTRACE": "0"},
            )
        except (OSError, ValueError) as error:
            raise InputError(f"{where}: no process could be started to unpack this LAZ file ({error})") from error
        clock = threading.Timer(seconds, process.kill)
        clock.daemon = True
        clock.start()
        done = 0
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            # Where it dies early, its exit tells below.
            with contextlib.suppress(OSError):
                # It reads everything before it writes anything, so neither waits for the other.
                process.stdin.write(vlr)
                process.stdin.write(content)
                process.stdin.close()
            while done < points:
                rows = process.stdout.read(min(points - done, _ROWS) * record)
                if not rows or len(rows) % record:
                    break
                done += len(rows) // record
                yield rows
            code = process.wait()
        finally:
            clock.cancel()
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if code != 0 or done != points:
            told.seek(0)
            lines = told.read(2000).decode("utf-8", errors="replace").strip().splitlines()
            reason = one_line(lines[-1], 200) if lines else f"the decompressor ended with {code}"
            raise InputError(
                f"{where}: this LAZ file is cut short or damaged: {done} of {points} points could be unpacked "
                f"({reason})"
            )
