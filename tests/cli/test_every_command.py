"""What all commands have in common: options, examples in the help, and where it all goes."""

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ppkt_zoo.cli.contract import PROMISES
from ppkt_zoo.files.shipped import shipped_recipes
from ppkt_zoo.files.talk import is_quiet, talk_console
from tests.support.commands import answer, document, run
from tests.support.doc_blocks import USAGE_ERROR, arguments_of, check_command, commands_in
from tests.support.leaves import commands
from tests.support.small_weight import NAME

_KINDS = {"segmentation": "segmentation", "detection": "detection", "teacher": "teachers"}


@pytest.mark.parametrize("command", sorted(commands()))
def test_has_the_common_options_and_a_help_with_examples(command: str) -> None:
    told = run(*command.split(), "--help", COLUMNS="80", TERMINAL_WIDTH="80").stdout
    lines = [line.strip() for line in told.splitlines()]
    assert max(len(line) for line in told.splitlines()) <= 80
    for option in ("--json", "--quiet", "--verbose", "--module", "--help"):
        assert re.search(rf"^[│ ]*{option}\b", told, re.MULTILINE), option
    assert "Examples:" in lines
    for one in PROMISES[command].examples:
        assert f"ppkt-zoo {one}" in lines or "convert minkowski" in one, "each stands in one line"


@pytest.mark.parametrize("command", sorted(PROMISES))
def test_its_examples_are_command_lines_that_exist(command: str) -> None:
    for example in PROMISES[command].examples:
        (words,) = commands_in(f"ppkt-zoo {example}")
        arguments = arguments_of(words)
        assert arguments is not None
        assert arguments[: len(command.split())] == command.split()
        check_command(arguments)
        for recipe in _recipes(arguments):
            kind = _KINDS.get(arguments[1 if arguments[0] == "grid" else 0], "pretraining")
            assert recipe.endswith(".yaml") or recipe in shipped_recipes(kind), recipe


def _recipes(arguments: list[str]) -> list[str]:
    if arguments[0] == "pretrain":
        return [arguments[1]]
    if arguments[0] == "grid" or arguments[1:2] == ["train"]:
        return [arguments[2]]
    return [arguments[3]] if arguments[1:2] == ["test"] else []


def test_an_example_that_does_not_exist_is_found() -> None:
    with pytest.raises(USAGE_ERROR):
        check_command(["encode", "scan.ply", "--nowhere", "x.png"])


@pytest.mark.usefixtures("_small_listed")
def test_quiet_leaves_results_warnings_and_errors(small_cloud: Path, tmp_path: Path) -> None:
    words = ("encode", small_cloud, "-o", tmp_path / "o.npz")
    loud, quiet = run(*words), run(*words, "--quiet")
    assert quiet.stdout == loud.stdout == f"{tmp_path / 'o.npz'}\n"
    assert "points " in loud.stderr
    assert quiet.stderr == ""
    assert run("show", "nosuch", "-q", code=2).stderr == run("show", "nosuch", code=2).stderr != ""
    city = tmp_path / "city.xyz"
    city.write_text("\n".join(f"{37 * n % 2003} {91 * n % 1999} {n % 7} 1 2 3" for n in range(300)))
    told = run("encode", city, "-o", tmp_path / "o.npz", "-q").stderr.splitlines()
    assert told
    assert all(line.startswith("warning: ") for line in told)
    assert not is_quiet(), "the next command talks again"


@pytest.mark.usefixtures("_small_listed")
def test_verbose_tells_versions_files_engine_and_time(small_cloud: Path, small_folder: Path, tmp_path: Path) -> None:
    words = ("encode", small_cloud, "-o", tmp_path / "o.npz")
    told = run(*words, "--verbose")
    assert told.stdout == run(*words).stdout
    lines = [line.removeprefix("verbose: ") for line in told.stderr.splitlines() if line.startswith("verbose: ")]
    assert re.match(r"ppkt-zoo \S+, torch \S+, Python \S+ on \S+ \S+; engine on the CPU: ", lines[0])
    assert f"reading {small_cloud}" in lines
    assert any(line.startswith("reading ") and line.endswith("model.safetensors") for line in lines)
    assert any(re.fullmatch(r"network on cpu, engine \w+", line) for line in lines)
    assert re.match(r"\d+\.\d\d s, processor time of this process \d+\.\d\d s", lines[-1])
    assert not logging.getLogger("ppkt_zoo").handlers, "the next command tells no more than it should"
    assert "verbose: " not in run(*words).stderr
    assert json.loads(run(*words, "-v", "--json").stdout)["result"]["weight"] == NAME


def test_quiet_and_verbose_contradict_each_other() -> None:
    for words in (("-q", "-v"), ("-v", "-q")):
        assert "contradict" in run("list", *words, code=2).stderr
    assert "contradict" in document("list", "-qv", code=2).error.message


@pytest.mark.usefixtures("_small_listed")
def test_the_options_may_stand_before_the_command() -> None:
    assert json.loads(run("--json", "list").stdout) == json.loads(run("list", "--json").stdout)
    assert run("--quiet", "verify").stderr == ""
    assert json.loads(run("data", "--json", "inspect", "nosuch", code=2).stdout)["command"] == "data inspect"
    assert "verbose: " in run("-v", "list").stderr


def test_progress_of_every_layer_is_silent_under_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.cli.run import tables
    from ppkt_zoo.engine.progress import TrainingProgress

    lines = tables.weights_lines

    def working(pattern: str) -> Any:
        with TrainingProgress() as progress:
            progress.say("halfway")
        talk_console().print("a remark")
        return lines(pattern)

    monkeypatch.setattr(tables, "weights_lines", working)
    loud = run("list")
    assert "halfway" in loud.stderr
    assert "a remark" in loud.stderr
    assert run("list", "-q").stderr == ""
    assert run("list", "-q").stdout == loud.stdout


@pytest.mark.usefixtures("_small_listed")
@pytest.mark.parametrize("words", [["list"], ["show", NAME], ["verify"], ["version"], ["schema", "list"], ["cache"]])
def test_what_only_answers_says_nothing_on_standard_error(words: list[str]) -> None:
    done = run(*words)
    assert done.stderr == ""
    assert done.stdout.endswith("\n")


@pytest.mark.usefixtures("_small_listed")
def test_results_alone_are_on_standard_output(small_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.safetensors"
    done = run("convert", "spunet", f"local-dir:{small_folder}", "-o", out)
    assert done.stdout == f"{out}\n"
    assert done.stderr.startswith("written: ")
    published = run("publish", small_folder, "--repo", "me/small", "--dry-run", "--no-picture")
    assert published.stderr.startswith("weight ")
    assert published.stdout.startswith("---\n")
    assert answer("fetch", NAME).weights[0].name == NAME
    assert os.linesep.join(run("fetch", NAME).stdout.splitlines()).startswith(f"{NAME}: ")
