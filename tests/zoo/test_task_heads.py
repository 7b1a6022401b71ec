"""Verify, publish, card and config treat a head of any task alike, and import its code only when they meet one."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ppkt_zoo
from ppkt_zoo.cli.main import app
from ppkt_zoo.errors import WeightError
from ppkt_zoo.zoo.card import in_words_of_0_1, write_card
from ppkt_zoo.zoo.config import FILES
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder
from ppkt_zoo.zoo.head import HEADS, format_of
from ppkt_zoo.zoo.load import verify
from tests.zoo.fine_tuned import CLASSES, TASKS
from tests.zoo.tiny_weight import edit_config, make_folder, rewrite_tensors

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "weight_of_0_1_0"
# Tensors of either head that its stored output depends on.
CHANGED = ("bias", "vote.bias")
# As a card shows the second class, whose stars are no markup.
SHOWN = "2 classes: office chair, pipe \\*bent\\*"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    at = tmp_path_factory.mktemp("heads")
    return {task: make(at / task).path for task, (make, _, _) in TASKS.items()}


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def fine_tuned(made: dict[str, Path], task: str, tmp_path: Path) -> WeightFolder:
    """A fresh copy of a weight with a head of the task."""
    return open_weight_folder(shutil.copytree(made[task], tmp_path / "copy"))


def publish(folder: Path, code: int = 0) -> str:
    asked = ["publish", str(folder), "--repo", "me/mine", "--dry-run", "--no-picture", "--private"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == code, done.output
    return done.output


def test_every_task_of_the_table_is_tested_here() -> None:
    assert {head.task for head in HEADS} == set(TASKS)


def test_verify_and_publish_compare_the_heads_output(fine_tuned: WeightFolder, task: str) -> None:
    _, tensors, output = TASKS[task]
    report = verify(fine_tuned.path)
    assert report.ok
    assert set(report.errors) == {"coarse", "fine", output}
    told = publish(fine_tuned.path)
    assert f"{output} " in told
    assert tensors in told


def test_a_damaged_head_is_neither_verified_nor_published(fine_tuned: WeightFolder, task: str) -> None:
    _, tensors, output = TASKS[task]
    file = fine_tuned.path / tensors
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert f"{tensors} is not the recorded file" in publish(fine_tuned.path, code=2)
    file.write_bytes(good)
    # Damage that no hash shows: other numbers.
    rewrite_tensors(
        fine_tuned.path, tensors, lambda found: [one.add_(1) for key, one in found.items() if key in CHANGED]
    )
    with pytest.raises(WeightError, match=rf"NOT VERIFIED.*{output} "):
        verify(open_weight_folder(fine_tuned.path))
    assert "NOT VERIFIED" in publish(fine_tuned.path, code=2)


def test_the_card_names_files_loader_and_classes(fine_tuned: WeightFolder, task: str) -> None:
    head = format_of(task)
    (line,) = [one for one in fine_tuned.card().splitlines() if head.tensors in one]
    assert f"`{head.tensors}`, `{head.config}`" in line
    assert line.endswith(SHOWN)
    (loader,) = (name for name in ("load_segmentation", "load_detector") if name in line)
    assert getattr(ppkt_zoo, loader)(fine_tuned.path).classes == CLASSES
    assert SHOWN in publish(fine_tuned.path).replace("\n", " ")


@pytest.mark.parametrize("missing", [0, 1])
def test_one_of_the_two_files_alone_is_refused(fine_tuned: WeightFolder, task: str, missing: int) -> None:
    head = format_of(task)
    files = json.loads((fine_tuned.path / "config.json").read_text())["files"]
    del files[(head.tensors, head.config)[missing]]
    edit_config(fine_tuned.path, files=files)
    with pytest.raises(WeightError, match=rf"lists only one of {head.tensors} and {head.config}"):
        open_weight_folder(fine_tuned.path)


def test_two_heads_at_once_are_refused(fine_tuned: WeightFolder) -> None:
    files: dict[str, Any] = json.loads((fine_tuned.path / "config.json").read_text())["files"]
    entry = files["golden.safetensors"]
    edit_config(fine_tuned.path, files={**dict.fromkeys(FILES, entry), **files})
    with pytest.raises(WeightError, match="heads for segmentation and detection: a weight has one head or none"):
        open_weight_folder(fine_tuned.path)


@pytest.mark.parametrize(("loader", "other"), [("load_segmentation", "detection"), ("load_detector", "segmentation")])
def test_the_loader_of_another_task_says_so(made: dict[str, Path], tmp_path: Path, loader: str, other: str) -> None:
    load = getattr(ppkt_zoo, loader)
    with pytest.raises(WeightError, match=f"has a head for {other}, not for .*: fine-tune one first, ppkt-zoo"):
        load(made[other])
    with pytest.raises(WeightError, match="is a backbone without a head"):
        load(make_folder(tmp_path / "bare").path)


def test_cards_of_0_1_are_still_known(fine_tuned: WeightFolder, task: str) -> None:
    """That version named no classes, and no detector."""
    told = () if task == "segmentation" else None
    card = in_words_of_0_1(write_card(fine_tuned.config, fine_tuned.record(), classes=told))
    assert "\n## Limits\n" in card
    (fine_tuned.path / "README.md").write_text(card)
    assert verify(fine_tuned.path).ok
    (fine_tuned.path / "README.md").write_text(card.replace("not specified", "specified"))
    with pytest.raises(WeightError, match=r"README\.md is not the card"):
        verify(fine_tuned.path)
    assert verify(FIXTURE).ok, "a folder that 0.1.0 wrote"


def test_a_backbone_alone_needs_no_code_of_any_task() -> None:
    code = (
        f"import sys, pathlib, ppkt_zoo; ppkt_zoo.verify(pathlib.Path({str(FIXTURE)!r})); "
        "print([name for name in sys.modules if name.startswith('ppkt_zoo.downstream')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
