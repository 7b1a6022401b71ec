"""The proof script from end to end, on two frames of everything and a network that learned nothing."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from ppkt_zoo.evaluation.statistics import mean_interval
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.transfer.projection import UPL, PointHead
from ppkt_zoo.zoo.folder import write_weight_folder
from ppkt_zoo.zoo.record import Metric
from ppkt_zoo.zoo.registry import create_backbone

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "first_weight" / "run.py"
_VOXEL = "backbone.input_spec.voxel_size=0.06"


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight folder as the trainer writes it, with random numbers in it and large voxels."""
    recipe = load_recipe(next(iter(sorted((ROOT / "recipes" / "pretraining").glob("*.yaml")))), [_VOXEL])
    torch.manual_seed(0)
    backbone = create_backbone(recipe.backbone.name, input_spec=recipe.backbone.input_spec)
    upl, head = UPL(256, recipe.loss.dim), PointHead(backbone.level_channels[recipe.loss.level], recipe.loss.dim)
    projection = {f"upl.{key}": value for key, value in upl.state_dict().items()}
    projection |= {f"head.{key}": value for key, value in head.state_dict().items()}
    folder = tmp_path_factory.mktemp("untrained") / "weight"
    data = {"name": "none", "frames": 1, "licence": "CC0-1.0", "attribution": "nobody"}
    write_weight_folder(
        folder,
        backbone,
        name=recipe.weight,
        record={
            "description": "random numbers, for a test",
            "method": "none",
            "data": [data],
            "seed": 0,
            "trained": {"steps": 0, "hours": 0.0, "machine": "none"},
            "licences": {"data": "CC0-1.0", "weights": "CC0-1.0"},
            "citation": "none",
        },
        golden_cloud=PointCloud.from_arrays(4 * torch.rand(500, 3), torch.randint(0, 255, (500, 3), dtype=torch.uint8)),
        projection=projection,
        extra_files={"recipe.yaml": json.dumps(recipe.model_dump(mode="json"))},  # JSON is YAML too.
    )
    return folder


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)


def test_every_part_runs_and_the_page_comes_from_its_figures(shared: Path, untrained: Path, tmp_path: Path) -> None:
    common = ["--weight", f"local-dir:{untrained}", "--shared", str(shared), "--tiny", "--seeds", "2"]
    common += ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    first = run(*common, "--parts", "kitchen,mosd,pictures")
    assert first.returncode == 0, first.stderr
    text = (tmp_path / "out" / "first_weight.md").read_text()
    assert "Not measured in this run: a. The right pixel among thousands; b. Classes" in text

    second = run(*common, "--parts", "retrieval,rooms,kitchen")
    assert second.returncode == 0, second.stderr
    assert (tmp_path / "out" / "first_weight.json").exists()
    results = json.loads((tmp_path / "out" / "first_weight.json").read_text())
    assert set(results["parts"]) == {"retrieval", "rooms", "kitchen", "mosd", "pictures"}
    text = (tmp_path / "out" / "first_weight.md").read_text()
    assert "Not measured" not in text
    assert results["weight"]["sha256"] in text

    # The page's figure is the mean of the JSON's, and the record takes the metrics as they are.
    runs = results["parts"]["kitchen"]["students"]["ppkt"]
    assert str(mean_interval([one["linear, last level"]["miou"] for one in runs])) in text
    for metric in results["metrics"]:
        Metric.model_validate(metric)
    assert {metric["name"] for metric in results["metrics"]} >= {"linear probe mIoU", "retrieval top-1 of 256"}
    for picture in results["parts"]["pictures"].values():
        if isinstance(picture, dict):
            assert 0 < (tmp_path / "out" / picture["file"]).stat().st_size <= 500_000


def module(name: str, folder: Path = SCRIPT.parent) -> ModuleType:
    """A file of the script by itself; its folder is no package."""
    spec = importlib.util.spec_from_file_location(f"first_weight_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    read_arguments = module("arguments").read_arguments
    asked = read_arguments(["--weight", "a.b", "--parts", "mosd,kitchen"])
    assert asked.parts == ("mosd", "kitchen")
    assert asked.seeds == 5
    for words, named in (
        (["--weight", "a.b", "--parts", "kitchn"], "no part 'kitchn': known are retrieval"),
        (["--weight", "a.b", "--seeds", "1"], "at least 2 seeds"),
        ([], "--weight"),
    ):
        with pytest.raises(SystemExit):
            read_arguments(words)
        assert named in capsys.readouterr().err


def test_a_journal_goes_on_after_a_line_that_was_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "part.jsonl"
    asked: list[str] = []

    def measure(name: str) -> dict[str, float]:
        asked.append(name)
        return {name: 0.5}

    journal = module("journal", SCRIPT.parents[1] / "_probes").Journal
    first = journal(file)
    assert first.remember("a", measure, "a") == first.remember("a", measure, "again") == {"a": 0.5}
    first.remember("b", measure, "b")
    whole = file.read_text()
    file.write_text(whole[:-20])
    second = journal(file)
    assert second.remember("a", measure, "never") == {"a": 0.5}
    assert second.remember("b", measure, "b") == {"b": 0.5}
    third = journal(file)
    assert third.remember("b", measure, "never") == {"b": 0.5}
    assert asked == ["a", "b", "b"]
    assert set(third.spent()) == {"seconds", "processor_seconds"}
