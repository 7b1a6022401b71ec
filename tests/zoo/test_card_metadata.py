"""The front matter of a card is what the Hugging Face Hub reads: its own code finds licence, tags and every score."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from huggingface_hub.repocard_data import model_index_to_eval_results

from ppkt_zoo.zoo.card import ROBUSTNESS, in_words_of_0_1, write_card
from ppkt_zoo.zoo.folder import open_weight_folder
from ppkt_zoo.zoo.hub import BUNDLED
from ppkt_zoo.zoo.manifest import load_manifest
from ppkt_zoo.zoo.record import WeightRecord
from tests.zoo.tiny_weight import make_record

ROOT = Path(__file__).resolve().parents[2]
METRIC = make_record()["metrics"][0]


def metadata(card: str, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "README.md"
    file.write_text(card, encoding="utf-8")
    found: dict[str, Any] = metadata_load(file)
    return found


def card_of(folder: Path, **changes: Any) -> str:
    opened = open_weight_folder(folder)
    record = WeightRecord.model_validate({**opened.record().model_dump(mode="json"), **changes})
    return write_card(opened.config, record)


@pytest.mark.parametrize("name", [spec.name for spec in load_manifest().weights])
def test_the_hub_finds_every_score_of_a_bundled_weight(name: str, tmp_path: Path) -> None:
    folder = open_weight_folder(BUNDLED / name)
    found = metadata(folder.card(), tmp_path)
    data = ModelCardData(**found)
    # The Hub has no task for what a segmenter or a detector of clouds does.
    task = "feature-extraction" if folder.config.head is None else None
    assert (data.library_name, data.license, data.pipeline_tag) == ("ppkt-zoo", "cc-by-4.0", task)
    assert {"point-cloud", "3d", folder.config.architecture} <= set(data.tags or ())
    model, scores = model_index_to_eval_results(found["model-index"])
    assert model == name
    measured = [one for one in folder.record().metrics if not one.name.startswith(ROBUSTNESS)]
    wanted = sorted(
        (one.data.partition(";")[0], one.name.partition(" (")[0], float(f"{one.value:.4g}")) for one in measured
    )
    assert len(scores) == len(measured)
    assert sorted((one.dataset_name, one.metric_name.partition(" (")[0], one.metric_value) for one in scores) == wanted
    assert all(one.metric_args["seeds"] >= 1 for one in scores)


def test_scores_of_one_task_and_data_stand_together(folder: Path, tmp_path: Path) -> None:
    metrics = [
        METRIC | {"name": "linear probe mIoU", "data": "rooms, unseen; all levels"},
        METRIC | {"name": "kNN probe mIoU", "data": "rooms, unseen"},
        METRIC | {"name": "retrieval top-1 of 4096", "data": "rooms, unseen", "control": None},
        METRIC | {"name": "roundness", "data": "kitchen"},
        METRIC | {"name": "robustness: half of the points"},
    ]
    index = metadata(card_of(folder, metrics=metrics), tmp_path)["model-index"]
    (model,) = index
    assert [(one["task"]["type"], one["dataset"]["name"], len(one["metrics"])) for one in model["results"]] == [
        ("semantic-segmentation", "rooms, unseen", 2),
        ("feature-extraction", "rooms, unseen", 1),
        ("feature-extraction", "kitchen", 1),
    ]
    first, second = model["results"][0]["metrics"]
    assert first == {
        "type": "mean_iou",
        "name": "linear probe mIoU (all levels)",
        "value": 0.52,
        "args": {
            "seeds": 3,
            "n": 400,
            "interval95": [0.5, 0.54],
            "control": "random network",
            "control_value": 0.25,
        },
    }
    assert second["name"] == "kNN probe mIoU"
    assert model["results"][2]["metrics"][0]["type"] == "roundness"


def test_a_weight_without_scores_has_no_index(folder: Path, tmp_path: Path) -> None:
    assert "model-index" not in metadata(card_of(folder, metrics=[]), tmp_path)


@pytest.mark.parametrize("text", ['"quoted": {x} # no\\', "眼 🧑‍🚀 ﻿ ---", "- a\n  b: 1", "é" * 300, "\x1b[31mred"])
def test_whatever_a_record_says_stays_a_text(folder: Path, tmp_path: Path, text: str) -> None:
    metric = METRIC | {"name": text, "data": f"{text}; {text}", "control": {"name": text, "value": 0.1}}
    card = card_of(folder, metrics=[metric], method=text, licences={"data": text, "weights": text})
    found = metadata(card, tmp_path)
    assert set(found) == {"library_name", "license", "license_name", "pipeline_tag", "tags", "model-index"}
    _, (score,) = model_index_to_eval_results(found["model-index"])
    assert score.metric_value == 0.52
    assert ModelCard.load(tmp_path / "README.md").data.eval_results == [score]


def test_a_card_of_0_1_has_none_of_it(folder: Path, tmp_path: Path) -> None:
    base = {"weight": "tiny_net.old", "sha256": "a" * 64, "repo": "me/old", "revision": "b" * 40}
    card = card_of(folder, base=base)
    assert metadata(card, tmp_path)["base_model"] == "me/old"
    then = metadata(in_words_of_0_1(card), tmp_path)
    assert set(then) == {"library_name", "license", "license_name", "tags"}


def test_bundled_cards_are_up_to_date() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "update_cards.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
