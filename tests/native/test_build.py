"""Compiling the library, and how it gets into a wheel, with compilers that are real, missing, broken or stand-ins."""

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.tags import parse_tag, sys_tags

from ppkt_zoo.native import build as builder
from ppkt_zoo.native.build import BuildError, build

ROOT = Path(__file__).resolve().parents[2]
posix_only = pytest.mark.skipif(os.name == "nt", reason="the stand-ins for compilers are shell scripts")


def script(path: Path, lines: str) -> Path:
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A compiler that writes its arguments to a log, and some text where the result should be."""
    log = tmp_path / "arguments"
    return script(tmp_path / "cxx", f'echo "$@" >> {log}\nfor last; do :; done\necho made > "$last"')


@pytest.mark.parametrize("asked", ["/nonexistent", "/nonexistent -O2"])
def test_a_compiler_that_is_not_there_is_named(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", asked)
    with pytest.raises(BuildError, match=r"^no C\+\+ compiler: CXX is /nonexistent$"):
        build(tmp_path / "made.so")
    assert list(tmp_path.iterdir()) == []


def test_a_path_without_a_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"neither g\+\+ nor clang\+\+ is on the PATH"):
        build(tmp_path / "made.so")


@posix_only
def test_a_compiler_that_fails_is_told_with_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = script(tmp_path / "cxx", 'echo "warming up" >&2\necho "error: no such architecture" >&2\nexit 1')
    monkeypatch.setenv("CXX", str(failing))
    with pytest.raises(BuildError, match=r"fails: error: no such architecture$"):
        build(tmp_path / "lib" / "made.so")
    assert not (tmp_path / "lib").exists()


@posix_only
def test_a_compiler_that_is_no_program_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cxx"
    broken.write_bytes(b"\x7fELF")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(BuildError, match="does not run"):
        build(tmp_path / "made.so")


@posix_only
def test_cxx_may_carry_options_and_a_launcher(stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", f"env {stand_in} -fno-plt")
    build(tmp_path / "lib" / "made.so", ("-g",))
    calls = (tmp_path / "arguments").read_text().splitlines()
    assert len(calls) > 3
    assert all(call.startswith("-fno-plt ") and " -g " in call for call in calls)
    assert (tmp_path / "lib" / "made.so").read_text() == "made\n"


@posix_only
def test_a_folder_that_cannot_be_written_is_told(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", str(stand_in))
    (tmp_path / "lib").write_text("a file")
    with pytest.raises(BuildError, match="cannot be written"):
        build(tmp_path / "lib" / "made.so")


@posix_only
def test_a_library_is_old_when_a_source_has_changed_since(
    stand_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "src"
    shutil.copytree(builder.SOURCE, source)
    monkeypatch.setattr(builder, "SOURCE", source)
    monkeypatch.setenv("CXX", str(stand_in))
    made = build(tmp_path / "made.so")
    assert not builder.is_older_than_sources(made)
    one = source / "maps.cpp"
    text = one.read_text()
    later = made.stat().st_mtime + 5
    os.utime(one, (later, later))
    assert not builder.is_older_than_sources(made), "written anew, but the same"
    one.write_text(text + "\n// changed\n")
    os.utime(one, (later, later))
    assert builder.is_older_than_sources(made)
    made.with_suffix(".json").write_text("{")
    assert not builder.is_older_than_sources(made), "a damaged record says nothing; opening the library refuses it"
    made.with_suffix(".json").unlink()
    assert not builder.is_older_than_sources(made)


def make_wheel(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    pytest.importorskip("hatchling")
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def test_a_wheel_without_a_compiler_is_a_pure_one_and_says_so_in_one_line(tmp_path: Path) -> None:
    done = make_wheel(tmp_path, CXX="/nonexistent", PPKT_ZOO_NATIVE="")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith("ppkt_zoo/native/lib/")]
    assert "ppkt_zoo/native/src/convolve.cpp" in names
    said = [line for line in (done.stdout + done.stderr).splitlines() if "native engine" in line]
    assert len(said) == 1
    assert "will use PyTorch: no C++ compiler: CXX is /nonexistent" in said[0]


def test_a_wheel_that_demands_the_library_fails_without_a_compiler(tmp_path: Path) -> None:
    done = make_wheel(tmp_path, CXX="/nonexistent", PPKT_ZOO_NATIVE="1")
    assert done.returncode != 0
    assert "no C++ compiler: CXX is /nonexistent" in done.stderr
    assert list(tmp_path.glob("*.whl")) == []


def test_an_unknown_value_of_the_switch_is_refused(tmp_path: Path) -> None:
    done = make_wheel(tmp_path, PPKT_ZOO_NATIVE="yes")
    assert done.returncode != 0
    assert "PPKT_ZOO_NATIVE is 0 (leave the native library out) or 1 (demand it), not 'yes'" in done.stderr


@posix_only
def test_a_wheel_carries_the_library_and_the_name_of_its_platform(stand_in: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    done = make_wheel(folder, CXX=str(stand_in), PPKT_ZOO_NATIVE="1")
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    # Not a tag of the interpreter (cp311), and one that pip takes here.
    (tag,) = parse_tag(path.stem.split("-", 2)[2])
    assert str(tag).startswith("py3-none-")
    assert tag in set(sys_tags())
    wheel = zipfile.ZipFile(path)
    (about,) = [name for name in wheel.namelist() if name.endswith(".dist-info/WHEEL")]
    assert "Root-Is-Purelib: false" in wheel.read(about).decode()
    name = builder.LIBRARY.name
    assert wheel.read(f"ppkt_zoo/native/lib/{name}") == b"made\n"
    record = json.loads(wheel.read(f"ppkt_zoo/native/lib/{builder.RECORD.name}"))
    assert record["source"] == builder.source_hash()


@posix_only
def test_a_pure_wheel_can_be_asked_for(stand_in: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dist"
    done = make_wheel(folder, CXX=str(stand_in), PPKT_ZOO_NATIVE="0")
    assert done.returncode == 0, done.stderr
    assert [path.name.endswith("-py3-none-any.whl") for path in folder.iterdir()] == [True]
    assert not (tmp_path / "arguments").exists(), "no compiler was started"
