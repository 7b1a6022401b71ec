"""Readers of strangers' bytes raise our own errors and nothing else; `tools/fuzz.py` asks them far more often."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzzing import TARGETS, check
from tests.fuzzing.watched import MEMORY, SECONDS, watch

ROOT = Path(__file__).resolve().parents[1]
MANY = 300

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="limits of memory are set by way of /proc"
)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """What `tools/fuzz.py` says of each target after ``MANY`` mutated inputs and the target's bombs."""
    folder = tmp_path_factory.mktemp("fuzz")
    command = [sys.executable, ROOT / "tools" / "fuzz.py", "--runs", str(MANY), "--out", folder / "broken"]
    told = subprocess.run([*command, "--results", folder / "found.json"], capture_output=True, text=True, check=False)
    assert told.returncode in (0, 1), told.stderr
    print(told.stdout)
    return json.loads((folder / "found.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_read(name: str) -> None:
    assert all(check(name, data) for data in TARGETS[name].seeds())


@pytest.mark.parametrize("name", TARGETS)
def test_changed_inputs_and_bombs_give_our_errors_alone(name: str, found: dict[str, dict[str, float]]) -> None:
    assert found[name]["broken"] == 0, f"python tools/fuzz.py {name!r} --runs {MANY}"
    if name != "metrics log":  # which goes on without its damaged lines
        assert found[name]["read"] < MANY, "most of them are damaged"


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_give_our_errors_alone(name: str) -> None:
    seeds = TARGETS[name].seeds()

    @settings(
        max_examples=-(-60 // TARGETS[name].cost),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(st.binary(max_size=200), st.sampled_from(seeds), st.floats(0, 1))
    def read(data: bytes, seed: bytes, part: float) -> None:
        check(name, data)
        check(name, seed[: int(part * len(seed))] + data)

    read()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (
            "ply vertices",
            b"ply\nformat binary_little_endian 1.0\nelement vertex 5\nproperty list uchar\nend_header\n" + bytes(99),
        ),
        ("pcd", b"FIELDS x y z\nSIZE 4 4 --4\nTYPE F F F\nWIDTH 1\nHEIGHT 1\nDATA ascii\n1 2 3\n"),
        ("recipe", b"weight: a.b\ncreated: 2020-99-99\n"),
        ("checkpoint", b"\x80\x02K\x01."),
    ],
)
def test_what_was_found_stays_found(name: str, data: bytes) -> None:
    assert not check(name, data)


_WATCHED = """
import sys, time, os
sys.path.insert(0, sys.argv[1])
import tests.fuzzing.watched as watched
watched.SECONDS = 1.0

def read(data):
    if data == b"hang": time.sleep(60)
    if data == b"die": os.abort()
    if data == b"raise": raise KeyError(1)
    if data == b"memory": bytearray(2 * watched.MEMORY)  # whatever else of the process was given back since
    return data == b"good"

inputs = [b"good", b"hang", b"bad", b"die", b"raise", b"memory", b"good"]
found = watched.watch(read, lambda start: iter(inputs[start:]))
print(found.read, sorted((place.split()[0], data) for place, data in found.faults.items()))
"""


def test_whatever_ends_a_reader_is_told() -> None:
    told = subprocess.run(
        [sys.executable, "-c", _WATCHED, ROOT / "tests"], capture_output=True, text=True, check=True, timeout=120
    ).stdout
    faults = "[('KeyError', b'raise'), ('MemoryError', b'memory'), ('ends', b'die'), ('hangs', b'hang')]"
    assert told.strip() == f"2 {faults}"
    assert (MEMORY, SECONDS) == (2 << 30, 10.0)
    assert callable(watch)
