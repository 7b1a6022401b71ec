"""What is fuzzed, and how a good input becomes a bad one."""

import random
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_LARGEST_SEED = 20_000
_DIGITS = re.compile(rb"\d+")
# Numbers that a header may claim, and numbers that no header does.
_NUMBERS = (b"0", b"-1", b"4294967296", b"99999999999", b"18446744073709551616", b"1e400", b"nan", b"9" * 5000)
_BOUNDARIES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        seeds: good inputs to begin with.
        read: gets bytes; may raise PPKTZooError and nothing else.
        words: bytes that mean something to it.
        bombs: inputs that would take memory or time without end where they were believed.
        cost: how many times as long an input takes as those of other targets, since it starts a process; as many
            times fewer inputs are read.
    """

    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]
    words: tuple[bytes, ...] = ()
    bombs: Callable[[], Sequence[bytes]] = tuple
    cost: int = 1


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where there is such a place; removed when the program ends."""
    place = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="ppkt-zoo-fuzz-", dir=place if place.is_dir() else None)


def scratch(name: str) -> Path:
    """A path in a folder that is removed when the program ends; its own folder is made."""
    path = Path(_folder().name) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def as_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    """A reader of a path as one of bytes: they are written under ``name`` first."""

    def reader(data: bytes) -> object:
        path = scratch(name)
        path.write_bytes(data)
        return read(path)

    return reader


def mutated(target: Target, seeds: Sequence[bytes], choice: random.Random) -> bytes:
    """A good input with some bytes changed, left out, doubled, swapped, or replaced by words of the format."""
    data = bytearray(choice.choice(seeds)[:_LARGEST_SEED])
    for _ in range(choice.choice((1, 1, 2, 3, 8))):
        at, length = choice.randrange(len(data) + 1), choice.choice((1, 1, 2, 4, 16, 200))
        kind = choice.randrange(32)
        if kind < 4 and at < len(data):
            data[at] ^= 1 << choice.randrange(8)
        elif kind < 8:
            del data[at : at + length]
        elif kind < 12:
            data[at:at] = data[at : at + length]
        elif kind < 16:
            data[at:at] = choice.choice(target.words or (b"\0",))
        elif kind < 20:
            other = choice.choice(seeds)
            start = choice.randrange(len(other) + 1)
            data[at : at + length] = other[start : start + length]
        elif kind < 24:
            data[at : at + length] = choice.randbytes(length)
        elif kind < 28:
            word = choice.choice(target.words or (b"\0",))
            data[at : at + len(word)] = word
        elif kind == 28 and (number := _DIGITS.search(data, at)) is not None:
            data[number.start() : number.end()] = choice.choice(_NUMBERS)
        elif kind == 29:
            size = choice.choice((2, 4, 8))
            claimed = choice.choice(_BOUNDARIES) % 2 ** (8 * size)
            data[at : at + size] = claimed.to_bytes(size, choice.choice(("little", "big")))
        elif kind == 30:
            data[at:at] = data[at : at + length] * choice.choice((10, 100, 1000))
        else:
            data[at:at] = choice.choice((b"[", b"{", b'{"a":', b"(", b"-", b"\t", b"\0")) * choice.choice((50, 3000))
    return bytes(data)
