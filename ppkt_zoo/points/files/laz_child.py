"""Unpacks LAZ in a process of its own, run as a script by `laz.py`; it imports nothing of ours.

The decompressor is compiled, and a damaged file can end it with the whole process, by a failed check or by asking for
memory without end. Here it takes nobody with it.

    python -I -S laz_child.py FOLDER_OF_LAZRS SIZE VLR_SIZE OFFSET RECORD POINTS MEMORY SECONDS

Standard input: the LASzip record, then the file. Standard output: the points' records, and nothing else.
"""

import io
import sys

_ROWS = 50_000


def main(folder: str, *numbers: str) -> int:
    """Unpack; 0 where all points were written, 1 with a line on stderr where they were not."""
    size, vlr_size, offset, record, points, memory, seconds = map(int, numbers)
    _limit(memory, seconds)
    sys.path.append(folder)
    import lazrs

    vlr = sys.stdin.buffer.read(vlr_size)
    source = io.BytesIO(sys.stdin.buffer.read(size))
    source.seek(offset)
    try:
        decompressor = lazrs.LasZipDecompressor(source, vlr)
        while points:
            rows = bytearray(min(points, _ROWS) * record)
            decompressor.decompress_many(rows)
            sys.stdout.buffer.write(rows)
            points -= min(points, _ROWS)
        sys.stdout.buffer.flush()
    # A failed check within Rust comes as pyo3's PanicException, which is no Exception.
    except BaseException as error:  # noqa: BLE001 (this process has no other purpose than to tell)
        print(f"{type(error).__name__}: {error}"[:300], file=sys.stderr)
        return 1
    return 0


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's clock alone
        return
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(kind)
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, hard))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
