"""`--module`: backbones of one's own reach the commands."""

from pathlib import Path

import pytest

from ppkt_zoo.zoo import registry
from tests.support.commands import run

NET = """
import ppkt_zoo
from ppkt_zoo.backbones.sr_unet import sr_unet14_slim
from {helper} import WIDTH

@ppkt_zoo.register_backbone("{name}")
def build(*, input_spec: ppkt_zoo.InputSpec, width: int = WIDTH):
    return sr_unet14_slim(input_spec=input_spec)
"""


def a_module(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_helper.py").write_text("WIDTH = 3\n")
    file = folder / f"{name}.py"
    file.write_text(NET.format(name=name, helper=f"{name}_helper"))
    return file


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_before_the_command_after_it_and_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "own_before" in run("--module", a_module(tmp_path, "own_before"), "list", "backbones", "own_*").stdout
    assert "own_after" in run("list", "backbones", "own_*", "--module", a_module(tmp_path, "own_after")).stdout
    monkeypatch.setenv("PPKT_ZOO_MODULES", str(a_module(tmp_path, "own_environment")))
    assert "own_environment" in run("show", "own_environment").stdout


def test_by_the_name_of_a_module_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_module(tmp_path, "own_named")
    monkeypatch.chdir(tmp_path)
    assert "own_named" in run("list", "backbones", "own_*", "--module", "own_named").stdout


@pytest.mark.parametrize("command", ["encode", "similar", "segment", "detect", "verify", "pretrain", "grid", "publish"])
def test_every_command_has_the_option(command: str) -> None:
    assert "--module" in run(command, "--help").stdout
    for group in ("segmentation", "detection"):
        assert "--module" in run(group, "train", "--help").stdout
    assert "--module" in run("convert", "minkowski", "--help").stdout


def test_a_module_that_cannot_be_imported_is_told_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "own_broken.py"
    for content, said in (
        ("raise ValueError('no such layer')", "ValueError: no such layer"),
        ("def f(:", "SyntaxError"),
        ("import sys; sys.exit('usage: …')", "SystemExit"),
        ("import no_such_library_at_all", "ModuleNotFoundError: No module named 'no_such_library_at_all'"),
    ):
        broken.write_text(content)
        for arguments in (("--module", broken, "list"), ("list", "--module", broken)):
            told = run(*arguments, code=2).stderr
            assert said in told
            assert len(told.splitlines()) == 1
    assert "is not there" in run("list", "--module", tmp_path / "none.py", code=2).stderr
    assert "no such module is installed" in run("list", "--module", "no_such.thing", code=2).stderr
    assert "holds no __init__.py" in run("list", "--module", tmp_path, code=2).stderr


def test_a_module_that_registers_nothing_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "own_nothing.py").write_text("x = 1\n")
    assert "registered no backbone" in run("list", "--module", tmp_path / "own_nothing.py").stderr
