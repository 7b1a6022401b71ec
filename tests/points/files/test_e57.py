"""E57: scans are placed by their poses, colours brought to 8 bits, and damage ends in one error of ours."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pye57", reason="needs the extra e57: pip install 'ppkt-zoo[e57]'")

import pye57

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files import e57
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.e57 import count_scans

RNG = np.random.default_rng(0)
FIRST, SECOND = RNG.normal(size=(300, 3)), RNG.normal(size=(200, 3))
COLORS = RNG.integers(0, 256, (300, 3), dtype=np.uint8)
# A quarter turn about z (w, x, y, z), and a shift.
TURN, SHIFT = np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)]), np.array([10.0, -2.0, 0.5])
INVALID = 7


def fields(xyz: np.ndarray, rgb: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """A scan as the library writes it."""
    found = {f"cartesian{axis}": xyz[:, place].copy() for place, axis in enumerate("XYZ")}
    names = ("colorRed", "colorGreen", "colorBlue")
    return found | ({} if rgb is None else {name: rgb[:, place].copy() for place, name in enumerate(names)})


@pytest.fixture
def two_scans(tmp_path: Path) -> Path:
    """One with colour and one that was turned, moved, and has a point that the scanner did not see."""
    file = tmp_path / 'a "room" 🪑.e57'
    written = pye57.E57(str(file), mode="w")
    written.write_scan_raw(fields(FIRST, COLORS))
    state = np.zeros(len(SECOND), np.int8)
    state[INVALID] = 2
    written.write_scan_raw({**fields(SECOND), "cartesianInvalidState": state}, rotation=TURN, translation=SHIFT)
    written.close()
    return file


def test_scans_are_joined_by_their_poses(two_scans: Path) -> None:
    cloud = read_cloud(two_scans)
    turned = np.stack([-SECOND[:, 1], SECOND[:, 0], SECOND[:, 2]], axis=1) + SHIFT
    expected = np.concatenate([FIRST, np.delete(turned, INVALID, axis=0)])
    np.testing.assert_allclose(cloud.xyz, expected, atol=1e-6)
    assert cloud.dropped == 1
    assert cloud.rgb is not None
    np.testing.assert_array_equal(cloud.rgb[:300], COLORS)
    assert (cloud.rgb[300:] == 128).all(), "grey where a scan has no colour"
    assert count_scans(two_scans.read_bytes()) == 2


def test_large_scans_come_in_parts(tmp_path: Path) -> None:
    many = RNG.normal(size=(600_000, 3))
    written = pye57.E57(str(tmp_path / "a.e57"), mode="w")
    written.write_scan_raw(fields(many))
    written.close()
    cloud = read_cloud(tmp_path / "a.e57")
    assert cloud.rgb is None
    np.testing.assert_allclose(cloud.xyz, many, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda content: content[: len(content) // 2], "its header announces"),
        (lambda content: content[:30], "less than its header"),
        (lambda content: b"ASTM" + content[4:9] + content[9:].replace(b"E57", b"E58"), "checksum|damaged|announces"),
        (lambda content: b"PK" + content[2:], "not an E57 file"),
        (lambda content: content[:8] + b"\x02" + content[9:], "version 2"),
        (lambda content: content[:2000] + bytes([content[2000] ^ 255]) + content[2001:], "checksum"),
        (lambda content: content[:24] + b"\xff" * 8 + content[32:], "damaged"),
    ],
)
def test_damage_is_named(two_scans: Path, change: "object", told: str) -> None:
    two_scans.write_bytes(change(two_scans.read_bytes()))  # type: ignore[operator]
    with pytest.raises(InputError, match=told) as caught:
        read_cloud(two_scans)
    assert str(caught.value).startswith(str(two_scans))
    assert "\n" not in str(caught.value)


def test_a_process_that_does_not_end_is_ended(two_scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(e57, "_SECONDS", 0)
    monkeypatch.setattr(e57, "_SLOWEST_POINTS_A_SECOND", 10**12)
    with pytest.raises(InputError, match="damaged"):
        read_cloud(two_scans)


def test_more_points_than_the_limit_are_refused(two_scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = two_scans.read_bytes()
    monkeypatch.setenv("PPKT_ZOO_MAX_BYTES", str(400 * 24))
    with pytest.raises(InputError, match="500 points are announced"):
        e57.parse_e57(content, str(two_scans))
