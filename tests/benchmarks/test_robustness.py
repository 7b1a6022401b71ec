"""Clouds that are changed on purpose, and how figures on them reach a weight's record and card."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evaluation import robustness
from benchmarks.evaluation.changes import CHANGES, greyed, noisy, on_grid, scaled, some, tilted, without_colour
from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.kept import keep_weight, read_kept, summary
from benchmarks.evaluation.material import Labelled
from benchmarks.evaluation.probing import ProbeTask
from benchmarks.evaluation.students import open_pretrained
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.zoo.card import write_card
from ppkt_zoo.zoo.record import Metric, WeightRecord
from ppkt_zoo.zoo.registry import create_backbone

FLAGGED = InputSpec(voxel_size=0.05, channels=("red", "green", "blue", "has_color"), missing_color="grey")


@pytest.fixture
def scan() -> Labelled:
    rng = np.random.default_rng(0)
    xyz = rng.uniform(0, 2, (3000, 3)).astype(np.float32)
    rgb = rng.integers(0, 256, (3000, 3), dtype=np.uint8)
    return PointCloud.from_arrays(xyz, rgb), (xyz[:, 0] > 1).astype(np.int64)


@dataclasses.dataclass
class OneScan:
    scan: Labelled

    def clean(self, index: int) -> Labelled:
        return self.scan

    def double(self, index: int) -> Labelled:
        return self.scan

    def scanned(self, index: int, spacing: float) -> Labelled:
        return on_grid(self.scan, spacing)


def test_every_change_is_the_same_whenever_it_is_made_and_only_the_clean_one_changes_nothing(scan: Labelled) -> None:
    for change in CHANGES:
        (first, label), (again, _) = change(OneScan(scan), 3), change(OneScan(scan), 3)
        assert torch.equal(first.xyz, again.xyz)
        assert len(first) == len(label)
        if change.key not in ("clean", "double"):
            assert first.xyz.shape != scan[0].xyz.shape or not torch.equal(first.xyz, scan[0].xyz)
    noise = next(change for change in CHANGES if change.key == "noise_2cm")
    assert not torch.equal(noise(OneScan(scan), 1)[0].xyz, noise(OneScan(scan), 2)[0].xyz)
    assert len({change.key for change in CHANGES}) == len({change.title for change in CHANGES}) == len(CHANGES)


def test_changes_are_as_large_as_they_say(scan: Labelled) -> None:
    cloud, _ = scan
    rng = np.random.default_rng(1)
    moved = noisy(scan, 0.02, rng)[0].xyz - cloud.xyz
    assert moved.std(dim=0).tolist() == pytest.approx([0.02] * 3, rel=0.1)
    assert torch.allclose(scaled(scan, 1.25)[0].xyz, cloud.xyz * 1.25)
    assert len(some(scan, 1000, rng)[0]) == 1000
    turned = tilted(scan, 10, rng)[0].xyz
    (fit,) = np.linalg.lstsq((cloud.xyz - cloud.xyz.mean(0)).numpy(), (turned - turned.mean(0)).numpy(), rcond=None)[:1]
    assert np.degrees(np.arccos((np.trace(fit) - 1) / 2)) == pytest.approx(10, abs=0.01)
    assert np.degrees(np.arccos(fit[2, 2])) == pytest.approx(10, abs=0.01), "about a horizontal axis"
    assert without_colour(scan)[0].rgb is None
    grey = greyed(scan)[0].rgb
    assert grey is not None
    assert set(grey.unique().tolist()) == {128}


def test_a_map_has_the_mean_and_the_most_frequent_class_of_each_cell() -> None:
    xyz = np.array([[0.01, 0, 0], [0.03, 0, 0], [0.04, 0, 0], [0.06, 0, 0], [-0.01, 0, 0]], np.float32)
    rgb = np.array([[0] * 3, [30] * 3, [60] * 3, [9] * 3, [7] * 3], np.uint8)
    cloud, label = on_grid((PointCloud.from_arrays(xyz, rgb), np.array([2, 2, 1, -1, 0])), 0.05)
    order = np.argsort(cloud.xyz[:, 0].numpy())
    assert cloud.xyz[order, 0].tolist() == pytest.approx([-0.01, 0.08 / 3, 0.06])
    assert label[order].tolist() == [0, 2, -1]
    assert cloud.rgb is not None
    assert cloud.rgb[order, 0].tolist() == [7, 30, 9]


def test_figures_reach_the_record_and_the_card_beside_the_clean_score(tmp_path: Path) -> None:
    weight = open_pretrained("sr_unet14_slim.ppkt_voc")
    rows = [
        {"key": "clean", "title": "as it is", **summary([0.30, 0.32]), "points": 100},
        {"key": "tilt_10", "title": "tilted by 10°", **summary([0.15, 0.16]), "points": 90},
    ]
    found = {"name": weight.name, "key": weight.key, "seeds": [0, 1], "read_out": {"name": "all levels"}}
    keep_weight("robustness", found | {"sets": {}}, robustness.metrics, tmp_path)
    keep_weight("robustness", found | {"sets": {"rooms": rows}}, robustness.metrics, tmp_path)
    kept = read_kept("robustness", tmp_path)
    assert [one["name"] for one in kept["weights"]] == [weight.name], "measured again, it stands once"
    (metrics,) = kept["records"].values()
    tilted_by = Metric.model_validate(metrics[1])
    assert (tilted_by.value, tilted_by.n) == (pytest.approx(0.155), 90)
    record = weight.folder.record().model_dump(mode="json")
    record["metrics"] += metrics
    card = write_card(weight.folder.config, WeightRecord.model_validate(record))
    results, table = card.split("## Robustness")
    assert "tilted by 10°" not in results
    assert "| tilted by 10° | 0.155 (" in table
    assert "| 50% |" in table


@pytest.mark.parametrize(("spec", "key"), [(InputSpec(voxel_size=0.05), "grey"), (FLAGGED, "no_colour")])
def test_doing_without_colour_is_measured_both_ways(
    spec: InputSpec, key: str, scan: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = create_backbone("sr_unet14_slim", input_spec=spec).eval()
    seen: list[bool] = []
    encode = type(backbone).encode
    monkeypatch.setattr(
        type(backbone),
        "encode",
        lambda self, xyz, rgb, **how: seen.append(rgb is None) or encode(self, xyz, rgb, **how),
    )
    assert scan[0].rgb is not None
    red = scan[0], (scan[0].rgb[:, 0] > 127).numpy().astype(np.int64)
    task = ProbeTask(("dark", "red"), lambda index: red, lambda index: red, 2, 1, 2, 100, 300)
    rows = robustness.Rows(backbone, ReadOut(extras=("color", "height")), task, OneScan(red), 2)
    found = rows.all(Journal(tmp_path / "journal.jsonl"), "rooms")
    assert [row["key"] for row in found] == [
        *(change.key for change in CHANGES),
        f"{key}_probe_with",
        f"{key}_probe_without",
    ]
    assert found[0]["mean"] > 0.7, "its class is the point's colour"
    assert max(row["mean"] for row in found[-2:]) < 0.6
    assert any(seen) == (key == "no_colour")
    assert found[0]["points"] == 3000
    assert found[1]["points"] == 1500
