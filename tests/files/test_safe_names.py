"""Names from files become one part of a path at most, and two names stay two."""

from pathlib import Path

import pytest

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.targets import below, safe_name


@pytest.mark.parametrize(
    "name", ["scene0000_00", "rooms-11-walk", "freiburg1 desk", "Küche 2", "a.b", "x-every2", "(1)", "a" * 100]
)
def test_a_safe_name_stays(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped/evil", "/etc/passwd", "..", ".", "", " ", "-rf", ".hidden", "a/b", "a\\b", "c:x", "a\0b", "a\nb",
        "x\x1b[31m", "a" * 101, "ä" * 60, "nul", "CON.txt", "end.", "end ", "\udcff", "\u202egnp", "?", "~", "a;b", 
        "$x",
    ],
)  # fmt: skip
def test_any_other_name_becomes_one_safe_part(name: str, tmp_path: Path) -> None:
    made = safe_name(name)
    assert made != name
    assert safe_name(made) == made
    path = tmp_path / f"{made}.f16"
    assert path.parent == tmp_path
    path.touch()
    assert path.resolve().parent == tmp_path.resolve()


def test_two_unsafe_names_stay_two() -> None:
    names = ["a/b", "a\\b", "a:b", "a?b", "a_b", ".a_b", "x" * 101, "x" * 102]
    assert len({safe_name(name) for name in names}) == len(names)


def test_a_listed_file_lies_below_its_folder(tmp_path: Path) -> None:
    assert below(tmp_path, "rgb/1.png", FrameError, "rgb.txt") == tmp_path / "rgb" / "1.png"
    assert below(tmp_path, "./a..b.png", FrameError, "rgb.txt") == tmp_path / "a..b.png"


@pytest.mark.parametrize(
    "name", ["", ".", "../x", "a/../../x", "..\\x", "/etc/passwd", "C:\\x", "C:x", "\\\\host\\x", "a\0"]
)
def test_a_listed_file_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=r"^rgb.txt: .* is no file below"):
        below(tmp_path, name, FrameError, "rgb.txt")
