"""Shell completion: what real shells make of the scripts, and that nothing heavy is loaded for it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ppkt_zoo import list_backbones, list_weights
from ppkt_zoo.cli.completion import COMPLETE, completions
from ppkt_zoo.cli.known_names import model_names, weight_names
from ppkt_zoo.cli.main import app
from ppkt_zoo.files.shipped import shipped_recipes
from ppkt_zoo.zoo.head import HEADS
from ppkt_zoo.zoo.manifest import load_manifest
from tests.support.commands import run
from tests.support.leaves import commands

PLACE = Path(sys.executable).parent
WEIGHTS = [name for name in list_weights() if name.startswith("sr_unet14_small")]


def completed(*words: str) -> list[str]:
    *given, part = words
    return [value for value, _ in completions(typer.main.get_command(app), given, part)]


def shell(*command: str) -> list[str]:
    """Lines that a shell prints; ``ppkt-zoo`` is the one of this environment."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    if shutil.which("ppkt-zoo", path=str(PLACE)) is None:
        pytest.skip("ppkt-zoo is not installed as a command beside this Python")
    environment = {**os.environ, "PATH": f"{PLACE}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def bash(*words: str) -> list[str]:
    """What bash offers for the last of these words, which it hands to the function as it does on Tab."""
    quoted = " ".join(f"'{word}'" for word in words)
    tried = f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _ppkt_zoo; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return [line for line in shell("bash", "--norc", "-c", f"source <(ppkt-zoo completion bash); {tried}") if line]


def test_bash_completes_commands_options_and_names() -> None:
    assert bash("ppkt-zoo", "enc") == ["encode"]
    assert bash("ppkt-zoo", "encode", "--weight", "sr_unet14_small") == WEIGHTS
    assert bash("ppkt-zoo", "encode", "--weight", "=", "sr_unet14_small") == WEIGHTS, "as bash splits --weight=…"
    assert bash("ppkt-zoo", "segmentation", "train", "ow") == ["own"]


def test_bash_leaves_files_to_itself() -> None:
    assert bash("ppkt-zoo", "encode", "my scan (1") == []
    assert "-o default" in run("completion", "bash").stdout


def test_bash_registers_the_function() -> None:
    (line,) = shell("bash", "--norc", "-c", "source <(ppkt-zoo completion bash); complete -p ppkt-zoo")
    assert "-F _ppkt_zoo ppkt-zoo" in line


def test_fish_completes_with_descriptions_and_files(tmp_path: Path) -> None:
    (tmp_path / "scan_of_a_room.ply").touch()
    script = "ppkt-zoo completion fish | source; complete -C"
    found = shell("fish", "--no-config", "-c", f"{script} 'ppkt-zoo seg'; {script} 'ppkt-zoo encode {tmp_path}/sc'")
    assert [line.partition("\t")[0] for line in found] == [
        "segment",
        "segmentation",
        f"{tmp_path}/scan_of_a_room.ply",
    ]
    assert all(line.partition("\t")[2] for line in found[:2])


def test_zsh_reads_the_script_and_is_given_names() -> None:
    inside = (
        "compdef() { registered=$*; }; source <(ppkt-zoo completion zsh); print -r -- $registered; "
        '_describe() { print -rl -- "${(@P)3}"; }; _files() { print files; }; '
        "words=(ppkt-zoo show sr_unet14_small.); CURRENT=3; _ppkt_zoo; words=(ppkt-zoo encode /x); _ppkt_zoo"
    )
    assert shell("zsh", "-f", "-c", inside) == ["_ppkt_zoo ppkt-zoo", *WEIGHTS, "files"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("",), {"encode", "data", "completion"}),
        (("data", ""), {"inspect", "pack"}),
        (("data", "inspect", "--ev"), {"--every"}),
        (("encode", "--mod"), {"--module"}),
        (("list", "b"), {"backbones"}),
        (("verify", "sr_unet14_small"), set(WEIGHTS)),
        (("show", "sr_unet"), {*list_backbones("sr_unet*"), *list_weights("sr_unet*")}),
        (("pretrain", "sunr"), {"sunrgbd"}),
        (("pretrain", "sunrgbd", "-d", "x=y", "--work"), {"--workers"}),
        (("teacher", "train", ""), set(shipped_recipes("teachers"))),
        (("detection", "train", "sc"), {"scannet"}),
        (("grid", "segmentation", "s3"), {"s3dis"}),
        (("grid", "detection", "recipe", "--on", ""), {"test", "validation"}),
        (("encode", "--read-out=few"), {"--read-out=few_labels"}),
        (("encode", "-w", ""), set(list_weights())),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("schema", "data p"), {"data pack"}),
    ],
)
def test_words_are_completed(words: tuple[str, ...], found: set[str]) -> None:
    assert found <= set(completed(*words))
    assert all(value.startswith(words[-1]) for value in completed(*words))


@pytest.mark.parametrize("words", [("nosuch", ""), ("encode", ""), ("encode", "--out", "a"), ("verify", "nosuch")])
def test_where_nothing_is_known_the_shell_offers_files(words: tuple[str, ...]) -> None:
    assert completed(*words) == []


def test_no_command_can_be_completed_into_an_error() -> None:
    for command in commands():
        assert "--json" in completed(*command.split(), "--j")
        completed(*command.split(), "")


def test_names_are_those_of_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sorted(weight_names()) == list_weights()
    heads = {head.tensors for head in HEADS}
    assert model_names() == [one.name for one in load_manifest().weights if heads & set(one.files)]
    for content in ("", "{", "[]", '{"weights": 3}'):
        (tmp_path / "damaged.json").write_text(content)
        monkeypatch.setattr("ppkt_zoo.cli.known_names.MANIFEST_PATHS", (tmp_path / "damaged.json",))
        assert weight_names() == [], "a shell has no place for an error"


def test_heads_of_models_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"name": f"net.{head.task}", "files": {head.tensors: {}}} for head in HEADS]
    monkeypatch.setattr("ppkt_zoo.cli.known_names._listed", lambda: [*rows, {"name": "net.bare", "files": {}}])
    assert model_names() == [row["name"] for row in rows]


@pytest.mark.parametrize("words", [["encode", "-w", "sr"], ["segmentation", "train", ""], ["show", ""], [""]])
def test_completing_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        f"import sys\nsys.argv = ['ppkt-zoo', *{words}]\nfrom ppkt_zoo.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'PIL', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    environment = {**os.environ, COMPLETE: "bash"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()


def test_nothing_of_the_user_is_run_while_someone_types(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text("open('sprung', 'w')\n")
    completed("encode", "--module", str(trap), "--wei")
    assert not (Path.cwd() / "sprung").exists()
