"""The pages in docs/results/: they are what their JSON gives, and say what the figures say."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.finetuning.grids import PARTS
from benchmarks.finetuning.until import LENGTHS
from benchmarks.reports import downstream, pretraining
from benchmarks.reports.__main__ import PAGES, main
from benchmarks.reports.goals import GOALS, judge
from benchmarks.reports.logs import thin
from benchmarks.reports.page import Page
from tests.benchmarks.made_up import family, runs, written

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_what_its_json_and_template_give(name: str) -> None:
    main([name, "--check"])


def test_a_figure_or_a_page_that_was_changed_by_hand_is_found(tmp_path: Path) -> None:
    for ending in ("json", "md"):
        (tmp_path / f"first_weight.{ending}").write_bytes((RESULTS / f"first_weight.{ending}").read_bytes())
    main(["first_weight", "--check", "--out", str(tmp_path)])
    page, kept = tmp_path / "first_weight.md", (tmp_path / "first_weight.md").read_text()
    page.write_text(kept.replace("0.509", "0.609"))
    with pytest.raises(SystemExit, match=r"first_weight\.md is not what its JSON and template give"):
        main(["first_weight", "--check", "--out", str(tmp_path)])
    page.write_text(kept)
    figures = json.loads((tmp_path / "first_weight.json").read_text())
    figures["parts"]["kitchen"]["students"]["ppkt"][0]["linear, last level"]["miou"] -= 0.4
    (tmp_path / "first_weight.json").write_text(json.dumps(figures))
    with pytest.raises(SystemExit, match=r"first_weight\.json has other verdicts than its figures give"):
        main(["first_weight", "--check", "--out", str(tmp_path)])


def test_a_goal_is_reached_by_its_mean_and_its_interval() -> None:
    assert {goal.page for goal in GOALS} == {"first_weight", "downstream", "frozen"}
    enough = {"mean": 0.06, "low": 0.01, "high": 0.1, "result": "significantly above"}
    for change, reached in (({}, True), ({"mean": 0.04}, False), ({"result": "no significant difference"}, False)):
        (judged,) = judge("first_weight", {"mosd": enough | change})
        assert judged["reached"] is reached
    assert judge("downstream", {"kitchen": enough}) == []
    below = {"mean": -0.1, "low": -0.2, "high": -0.01, "result": "significantly below"}
    assert not judge("frozen", {"mosd, raw": below})[0]["reached"]
    assert judge("frozen", {"mosd, raw": below | {"result": "no significant difference"}})[0]["reached"]


def text_of(page: Page, results: dict[str, Any]) -> str:
    results["verdicts"] = page.verdicts(results)
    return page.text(results)


def fine_tuning(rows: list[dict[str, Any]], **more: Any) -> str:
    machine = {"processor": "a", "cores": 2, "system": "b", "versions": {"torch": "1"}}
    return text_of(downstream.PAGE, {"runs": rows, "rates": [], "pictures": [], "machine": machine, **more})


def test_thinning_keeps_validations_and_the_height_of_a_curve() -> None:
    lines: list[dict[str, Any]] = []
    for step in range(1, 1001):
        lines.append({"step": step, "loss": float(step % 2)})
        if step % 100 == 0:
            lines.append({"step": step, "validation_loss": 3.0})
    kept = thin(lines, most=50)
    assert len(kept) == 50
    assert sum("validation_loss" in line for line in kept) == 10
    assert [line["step"] for line in kept] == sorted(line["step"] for line in kept)
    assert kept[-2]["step"] == kept[-1]["step"] == 1000
    assert np.allclose([line["loss"] for line in kept if "loss" in line], 0.5, atol=0.03)
    assert thin(lines[:40], most=50) == lines[:40]


def test_the_page_says_what_the_figures_say(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "sr_unet14_slim.ppkt_voc"
    (run / "weight").mkdir(parents=True)
    (run / "metrics.jsonl").write_text('{"step": 10, "loss": 8.0}\n{"step": 20, "loss": 7.0, "top1": 0.1}\n')
    out = tmp_path / "out"
    folder = written(tmp_path / "evaluation", family())
    main(["pretraining", "--evaluation", str(folder), "--family", str(run.parent), "--out", str(out)])
    text = (out / "pretraining.md").read_text()
    for line in (
        "4 weights, each compared with the same architecture untrained",
        "| each weight − the same network untrained | significantly above: `sr_unet14_slim.point_contrast`, "
        "`sr_unet14_slim.ppkt_sup_rooms`, `sr_unet14_slim.ppkt_voc`; "
        "significantly below: `sr_unet14_slim.ppkt_moco_rooms` |",
        "| each weight − colour and height alone | all 4 significantly above |",
        "`sr_unet14_slim.ppkt_moco_rooms` − `sr_unet14_slim.ppkt_sup_rooms` | -0.100 [-0.100, -0.100] "
        "| not judged: one training each |  |",
        "`sr_unet14_slim.ppkt_voc` − `sr_unet14_slim.point_contrast` | +0.050 [+0.050, +0.050] "
        "| not judged: one training each |  |",
        "Here this **does not hold** for `sr_unet14_slim.ppkt_moco_rooms` on unseen rooms",
        "Not measured: `pointnet2.ppkt_voc`, `sr_unet14_slim.ppkt_imagenet`, `sr_unet18_slim.ppkt_imagenet`",
        "Nothing collapsed.",
        "0.501 [0.499, 0.503]",
    ):
        assert line in text, line
    assert "## Ablations" not in text
    assert (out / "pretraining" / "sr_unet14_slim.ppkt_voc.jsonl").exists()
    assert {"pretraining_curves.png", "pretraining_tsne.png"} <= {file.name for file in out.iterdir()}

    # Once more from the committed files alone: the same page.
    (out / "pretraining.md").unlink()
    main(["pretraining", "--out", str(out)])
    assert (out / "pretraining.md").read_text() == text
    with pytest.raises(SystemExit, match="nothing to write about"):
        main(["pretraining", "--out", str(tmp_path / "empty")])


def test_ablations_are_compared_with_the_base_seed_by_seed() -> None:
    base = {"name": "base", "miou": [0.2, 0.3, 0.4], "top1": [0.01] * 3, "fair_top1": True, "train_seconds": [30.0]}
    better = base | {"name": "τ = 0.04", "miou": [0.25, 0.352, 0.451], "top1": [0.02] * 3}
    other = base | {"name": "N = 512", "miou": [0.3, 0.2, 0.45], "top1": [0.07] * 3, "fair_top1": False}
    recipe = {"steps": 200, "backbone": {"name": "sr_unet14_slim", "input_spec": {"voxel_size": 0.05}}}
    ablation = {
        "base": base, "recipe": recipe, "seeds": [0, 1, 2], "scenes": {"fit_of": 8, "fit": 5, "test": 4},
        "groups": {"temperature": [better], "number of pairs": [other]},
    }  # fmt: skip
    students = copy.deepcopy(family())
    for one in students:
        for part in one["parts"].values():
            if "reports" in part:
                part["unconverged"] = 0
    text = text_of(pretraining.PAGE, {"students": students, "ablation": ablation, "pictures": []})
    better_row = "| τ = 0.04 | 0.351 [0.101, 0.601] | +0.051 [+0.049, +0.053] | 0.0200 [0.0200, 0.0200] "
    assert f"{better_row}| significantly above |" in text
    assert "| N = 512 | 0.317 [" in text
    assert "|  | no significant difference |" in text
    assert "0.0700" not in text  # among fewer pixels retrieval is another task


def test_verdicts_follow_the_paired_intervals() -> None:
    text = fine_tuning(runs({"scratch": 0.0, "ppkt_voc": 0.1, "point_contrast": 0.1001, "ppkt_moco_rooms": 0.05}))
    gain = "+0.100 [+0.100, +0.100]"
    assert f"| segmentation: `ppkt_voc` − `scratch` | mIoU | {gain} | 5 | significantly above | yes |" in text
    assert f"| segmentation: `ppkt_voc` significantly above scratch | {gain} | reached |" in text
    below = "-0.000 [-0.000, -0.000]"
    assert f"`ppkt_voc` − `point_contrast` | mIoU | {below} | 5 | not judged: one training each |  |" in text
    assert f"| segmentation: `ppkt_voc` significantly above `point_contrast` | {below} | not judged |" in text
    assert "`ppkt_moco_rooms` −" not in text, "there is nothing to compare it with"
    assert text.count("segmentation, `both` at 10% of the labels: 0 of 5 seeds") == 1
    few = fine_tuning(runs({"scratch": 0.0, "ppkt_voc": 0.1}, seeds=2))
    assert f"| segmentation: `ppkt_voc` − `scratch` | mIoU | {gain} | 2 | too few seeds |  |" in few
    assert "| reached |" not in few


def test_labels_size_and_table_tops_have_their_sections() -> None:
    rows = [
        *runs({"scratch": 0.0, "ppkt_voc": 0.1}),
        *runs({"scratch": 0.0, "ppkt_voc": 0.02, "scratch_long": 0.05}, fraction=1.0),
        *runs({"scratch": 0.0, "ppkt_voc": 0.2}, folder="segmentation_18"),
        *runs({"scratch": 0.0, "ppkt_voc": 0.08, "point_contrast": 0.07}, folder="table_tops", fraction=0.0833),
        *runs({"scratch": 0.0, "ppkt_voc": 0.1}, folder="detection"),
    ]
    text = fine_tuning(rows, ceilings={"0.04": 0.9712})
    tops = "+0.080 [+0.080, +0.080]"
    for line in (
        "would score 0.971 with voxels of 4 cm",
        "| segmentation, 100% | mIoU | 5 | 0.260 [0.",
        "gain of SR-UNet18 − gain of SR-UNet14 | mIoU | +0.100 [+0.100, +0.100] | 5 | not judged: one training each |",
        "the gain of the larger student less that of the smaller one, mIoU +0.100 [+0.100, +0.100] over 5 seeds; not",
        f"gain with 10% of the labels − gain with 100% | mIoU | {tops} | 5 | not judged: length limits these runs |  |",
        f"with 10% of the labels less the gain with 100%: mIoU {tops}; not judged: length limits these runs.",
        "The gain is largest at 10%, +0.100.",
        "| segmentation, 100% of the labels: `scratch_long` − `scratch` | mIoU | +0.050",
        "`_long`: three times as many steps. 100% of the labels: 100 rooms.",
        "`scratch` +0.000 [+0.000, +0.000], no significant difference; "
        "`ppkt_voc` -0.080 [-0.080, -0.080], significantly below. Where more labels do not",
        f"| real table tops, 5 frames: `ppkt_voc` − `scratch` | mIoU | {tops} | 5 | significantly above |",
        f"mIoU at least 0.07 above scratch | {tops} | reached |",
        "| detection: `ppkt_voc` − `scratch` | mAP@0.25 | 5 | +0.100 [+0.100, +0.100] | significantly above |",
    ):
        assert line in text, line


def test_label_fractions_are_judged_where_more_labels_raise_both_starts() -> None:
    more = runs({"scratch": 0.3, "ppkt_voc": 0.32}, fraction=1.0)
    text = fine_tuning([*runs({"scratch": 0.0, "ppkt_voc": 0.1}), *more])
    tops = "+0.080 [+0.080, +0.080]"
    assert f"gain with 10% of the labels − gain with 100% | mIoU | {tops} | 5 | significantly above | yes |" in text
    assert f"is significantly above the gain with 100%, mIoU {tops}; the paper agrees." in text


def _lengths(last: float) -> list[dict[str, Any]]:
    """Lengths of both starts with 1 and 100 % of the labels, three seeds each; `last` validates the longest."""
    gains, validated = {0.01: 0.05, 1.0: 0.15}, {0.01: (0.1, 0.2, 0.2), 1.0: (0.1, 0.2, 0.3, last)}
    return [
        {"folder": "segmentation", "start": start, "fraction": fraction, "seed": seed}
        | {"steps": steps, "validation": score, "macc": 0.5}
        | {"miou": 0.2 + 0.01 * seed + (gains[fraction] if start == "ppkt_voc" else 0.0)}
        for start in ("scratch", "ppkt_voc")
        for fraction in gains
        for seed in range(3)
        for steps, score in zip(LENGTHS, validated[fraction], strict=False)
    ]


def test_runs_that_are_as_long_as_it_helps_are_judged_with_three_seeds() -> None:
    same = runs({"scratch": 0.0, "ppkt_voc": 0.1})
    rows, less = _lengths(last=0.305), "-0.100 [-0.100, -0.100]"
    text = fine_tuning(same, until=rows)
    for line in (
        "| `ppkt_voc`, 1% | 3 | 900 | 0.210 [0.185, 0.235] | 900 | 0.260 [0.235, 0.285] | +0.050 [+0.050, +0.050] |",
        f"gain with 1% of the labels − gain with 100% | mIoU | {less} | 3 | significantly below | **no** |",
        f"is significantly below the gain with 100%, mIoU {less} over 3 seeds; the paper gains **more** where",
        "comparisons with fewer than 5 seeds (3 where runs are as long as it helps) are not judged",
        "gains less than 0.01; the length",
        "Not measured to its end yet: `scratch` at 10%: 0 of 3 seeds; `ppkt_voc` at 10%: 0 of 3 seeds.",
    ):
        assert line in text, line
    assert "Still rising" not in text
    few = fine_tuning(same, until=[row for row in rows if row["seed"] < 2])
    assert "As long as it helps" in few
    assert "gain with 1% of the labels" not in few
    assert "As long as it helps" not in fine_tuning(same)


def test_runs_that_still_rise_at_the_longest_length_are_shown_and_not_judged() -> None:
    text = fine_tuning(runs({"scratch": 0.0, "ppkt_voc": 0.1}), until=_lengths(last=0.4))
    less = "-0.100 [-0.100, -0.100]"
    for line in (
        "| `ppkt_voc`, 100% | 3 | 8100 |",
        f"gain with 1% of the labels − gain with 100% | mIoU | {less} | 3 | not judged: length limits these runs |  |",
        f"of the labels less the gain with 100%: mIoU {less} over 3 seeds; not judged: length limits these runs.",
        "Still rising at the longest length: `scratch` (segmentation) at 100%, seeds 0, 1, 2; `ppkt_voc`",
    ):
        assert line in text, line


def test_the_page_comes_from_the_figures_of_the_runs(tmp_path: Path) -> None:
    part = PARTS[1]
    for number, cell in enumerate(cell for cell in part.grid.cells() if cell.seed < 2):
        folder = cell.folder(tmp_path / "runs" / part.folder)
        folder.mkdir(parents=True)
        (folder / "fingerprint.txt").write_text(part.grid.load(cell).fingerprint)
        scores = {"test": "some rooms", "miou": 0.1 + 0.01 * number, "macc": 0.2, "classes": []}
        (folder / "scores.json").write_text(json.dumps(scores))
    tried = tmp_path / "runs" / "tuning" / "rates" / "seg_scratch_0.002"
    tried.mkdir(parents=True)
    (tried / "metrics.jsonl").write_text('{"step": 9, "loss": 1.0}\n{"step": 9, "validation_miou": 0.125}\n')
    out, none = tmp_path / "docs", str(tmp_path / "none")
    main(["downstream", "--finetuning", str(tmp_path / "runs"), "--out", str(out), "--shared", none])
    text = (out / "downstream.md").read_text()
    assert "| segmentation, mIoU | `scratch` | 0.002 | 9 steps | 1 | 0.125 |" in text
    assert "| 2 | too few seeds |" in text
    # A later sitting's folder has other runs: those of before stay.
    second = next(cell for cell in part.grid.cells() if cell.seed == 0)
    for old in (tmp_path / "runs").rglob("scores.json"):
        if old.parent != second.folder(tmp_path / "runs" / part.folder):
            old.unlink()
    kept = json.loads((out / "downstream.json").read_text())["runs"]
    main(["downstream", "--finetuning", str(tmp_path / "runs"), "--out", str(out), "--shared", none])
    assert json.loads((out / "downstream.json").read_text())["runs"] == kept
    assert (out / "downstream.md").read_text() == text
    # One that was made again takes the place of the first.
    again = shutil.copytree(out, tmp_path / "again")
    scores = second.folder(tmp_path / "runs" / part.folder) / "scores.json"
    scores.write_text(json.dumps(json.loads(scores.read_text()) | {"miou": 0.75}))
    main(["downstream", "--finetuning", str(tmp_path / "runs"), "--out", str(again), "--shared", none])
    changed = [row | ({"miou": 0.75} if (row["start"], row["seed"]) == (second.start, 0) else {}) for row in kept]
    assert json.loads((again / "downstream.json").read_text())["runs"] == changed
    (out / "downstream.md").unlink()
    main(["downstream", "--out", str(out)])
    assert (out / "downstream.md").read_text() == text
    with pytest.raises(SystemExit, match="nothing to write about"):
        main(["downstream", "--out", str(tmp_path / "empty")])
