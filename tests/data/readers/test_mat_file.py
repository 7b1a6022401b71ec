"""MATLAB's format 5, read by hand: what scipy writes comes back, and nothing that is damaged ends the process."""

import io
import random
import struct
import zlib

import numpy as np
import pytest

from ppkt_zoo.data.readers.mat_file import MatDamage, find_variable
from ppkt_zoo.errors import FrameError


def written(packed: bool = False) -> bytes:
    savemat = pytest.importorskip("scipy.io").savemat
    rows = np.array(
        [("bed", np.array([1.5, -2, 3])), ("Schränkchen", np.array([7], np.int16))],
        dtype=[("name", object), ("place", object)],
    )
    stream = io.BytesIO()
    savemat(stream, {"first": np.eye(3), "things": rows, "nothing": np.empty((0, 0))}, do_compression=packed)
    return stream.getvalue()


def swapped_matrix(name: bytes, values: list[float]) -> bytes:
    """A file of a big-endian machine."""

    def element(kind: int, content: bytes) -> bytes:
        return struct.pack(">2I", kind, len(content)) + content + bytes(-len(content) % 8)

    body = element(6, struct.pack(">2I", 6, 0)) + element(5, struct.pack(">2i", 1, len(values))) + element(1, name)
    body += element(9, struct.pack(f">{len(values)}d", *values))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI" + element(14, body)


@pytest.mark.parametrize("packed", [False, True])
def test_what_scipy_writes_comes_back(packed: bool) -> None:
    content = written(packed)
    (name, place), (other, number) = find_variable(content, "things", "x").rows(("name", "place"))
    assert (name.text(), other.text()) == ("bed", "Schränkchen")
    np.testing.assert_array_equal(place.numbers(), [1.5, -2, 3])
    np.testing.assert_array_equal(number.numbers(), [7])
    first = find_variable(content, "first", "x")
    assert first.shape == (3, 3)
    np.testing.assert_array_equal(first.numbers(), np.eye(3).ravel())
    assert list(find_variable(content, "nothing", "x").rows(("name",))) == []


def test_a_file_of_the_other_byte_order() -> None:
    found = find_variable(swapped_matrix(b"x", [1, 2.5]), "x", "file")
    np.testing.assert_array_equal(found.numbers(), [1, 2.5])


def test_what_is_asked_for_in_vain_is_told() -> None:
    content = written()
    for reason, ask in {
        "there is no chairs": lambda: find_variable(content, "chairs", "x"),
        "no field heading": lambda: list(find_variable(content, "things", "x").rows(("heading",))),
        "a table is something else": lambda: list(find_variable(content, "first", "x").rows(("name",))),
        "numbers are something else": lambda: find_variable(content, "things", "x").numbers(),
        "a text is something else": lambda: find_variable(content, "first", "x").text(),
        "format 7.3": lambda: find_variable(b"MATLAB 7.3 MAT-file", "x", "x"),
    }.items():
        with pytest.raises(MatDamage, match=reason):
            ask()


def test_a_table_of_a_billion_rows_ends_where_its_bytes_do() -> None:
    content = bytearray(written())
    shape = struct.pack("<2I2i", 5, 8, 1, 2)
    at = content.index(shape)
    content[at : at + 16] = struct.pack("<2I2i", 5, 8, 2**30, 1)
    with pytest.raises(MatDamage, match="cut short"):
        list(find_variable(bytes(content), "things", "x").rows(("name",)))


def test_no_damage_does_more_than_raise() -> None:
    whole = written()
    for seed in range(2000):
        choice = random.Random(seed)
        data = bytearray(whole)
        for _ in range(choice.choice((1, 3, 10))):
            data[choice.randrange(128, len(data))] = choice.randrange(256)
        try:
            for name, place in find_variable(bytes(data), "things", "x").rows(("name", "place")):
                name.text()
                place.numbers()
        except MatDamage:
            pass


def test_what_unpacks_to_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zlib.compress(bytes(20 << 20))
    monkeypatch.setenv("PPKT_ZOO_MAX_BYTES", "10M")
    with pytest.raises(FrameError, match=r"this file unpacks to would take .*PPKT_ZOO_MAX_BYTES"):
        find_variable(bytes(128) + struct.pack("<2I", 15, len(packed)) + packed, "x", "what this file")
