"""Write the tables of README.md and docs/ from the manifest, the recipes and the benchmarks' results.

python tools/update_docs.py            # write
python tools/update_docs.py --check    # fail where a page differs from what would be written

The pages in docs/results/ are written by ``python -m benchmarks.reports``.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Where the package is installed elsewhere, nothing else leads to the checkout's benchmarks.
sys.path.insert(0, str(ROOT))

from benchmarks.reports import frozen, lab, many_files, models, speed  # noqa: E402
from benchmarks.reports.page import machine_line  # noqa: E402
from ppkt_zoo.cli.contract import PROMISES, answer_classes  # noqa: E402
from ppkt_zoo.downstream.start import START_DIGITS  # noqa: E402
from ppkt_zoo.engine.recipes import shipped_recipes  # noqa: E402
from ppkt_zoo.evaluation.statistics import mean_interval, paired_difference  # noqa: E402
from ppkt_zoo.pretraining.recipe import load_recipe  # noqa: E402
from ppkt_zoo.zoo.manifest import WeightSpec, load_manifest  # noqa: E402
from ppkt_zoo.zoo.record import Metric  # noqa: E402

_FEW_LABELS, _ENOUGH_SEEDS = 0.1, 5
_LINEAR = "linear, last level"
# Weights that were measured and are not part of the package, by where they lay.
_NAME = r"\1"
_NOT_BUNDLED = re.compile(r"local-dir:runs/family/(.+)/weight")
# Which weight to take: a purpose, and the weight for it.
_ADVICE = (
    ("features, similarity and fine-tuning, with or without colour (default)", "sr_unet14_small.ppkt_voc"),
    ("fine-tuning at coarser voxels", "sr_unet18_slim.ppkt_voc"),
    ("fine-tuning at coarser voxels, faster", "sr_unet14_slim.ppkt_voc"),
    ("PointNet++ instead of sparse convolutions, smallest file", "pointnet2.ppkt_voc"),
    ("the class of every point of a room, at once: `ppkt-zoo segment`", "sr_unet14_small.rooms_segmentation"),
    ("boxes around the objects of a room, at once: `ppkt-zoo detect`", "sr_unet14_small.rooms_detection"),
)
# Rows of the short table of results: title, the student of the linear probe, folder and start of the fine-tuning.
_SHORT_ROWS = (
    ("no pretraining, SR-UNet14 slim", "sr_unet14_slim, untrained", "segmentation", "scratch"),
    ("`sr_unet14_slim.point_contrast`", "sr_unet14_slim.point_contrast", "segmentation", "point_contrast"),
    ("`sr_unet14_slim.ppkt_voc`", "sr_unet14_slim.ppkt_voc", "segmentation", "ppkt_voc"),
    ("`sr_unet18_slim.ppkt_voc`", "sr_unet18_slim.ppkt_voc", "segmentation_18", "ppkt_voc"),
)


def short_weights_table() -> str:
    """Which weight to take: a row for each purpose."""
    specs = {spec.name: spec for spec in load_manifest(ROOT / "weights_manifest.json").weights}
    rows = ["| purpose | weight | parameters | size | voxel |", "| --- | --- | ---: | ---: | ---: |"]
    for purpose, name in _ADVICE:
        rows.append(f"| {purpose} | `{name}` | {_size_cells(specs[name])} |")
    return "\n".join(rows)


def _size_cells(spec: WeightSpec) -> str:
    size = spec.files["model.safetensors"].size / 1e6
    voxel = spec.input_spec.voxel_size * 100
    return f"{spec.record.parameters / 1e6:.2f} M | {size:.1f} MB | {voxel:g} cm"


def short_results_table() -> str:
    """Linear probes, and fine-tuning with a tenth of the labels: a few rows for the README."""
    students = {one["name"]: one["parts"] for one in _page("pretraining")["students"]}
    runs = _page("downstream")["runs"]
    rows = [
        "| | linear probe, unseen rooms | linear probe, real kitchen | fine-tuned with 10 % of the labels |",
        "| --- | ---: | ---: | ---: |",
    ]
    for title, student, folder, start in _SHORT_ROWS:
        probes = [students[student][part]["miou"][_LINEAR]["values"] for part in ("rooms", "kitchen")]
        wanted = (folder, start, _FEW_LABELS)
        tuned = [row["miou"] for row in runs if (row["folder"], row["start"], row["fraction"]) == wanted]
        rows.append(f"| {title} | {' | '.join(str(mean_interval(some)) for some in (*probes, tuned))} |")
    for one in frozen.weights_of("readouts", frozen.FLAGSHIP):
        for title, student, start, digits in (
            (f"`{one['name']}`, with its", one["name"], "flagship", one["key"]),
            ("no pretraining, SR-UNet14 small, with the same", "untrained", "scratch", None),
        ):
            cells = []
            for task in ("rooms", "kitchen"):
                cells.append(str(mean_interval(one["test"][task][student][frozen.chosen(one, task)]["values"])))
            cells.append(_tuned(runs, ("segmentation_small", start, _FEW_LABELS, digits)))
            rows.append(f"| {title} [read-out](docs/readout.md) | {' | '.join(cells)} |")
    head = f"Semantic segmentation, mIoU, mean over {_ENOUGH_SEEDS} seeds and 95 % confidence interval:"
    return "\n".join([head, "", *rows])


def _tuned(runs: list[dict[str, Any]], wanted: tuple[str, str, float, str | None]) -> str:
    """Fine-tuned segmentation by folder, start, fraction and digits of the weight; a dash before it was measured."""
    keys = ("folder", "start", "fraction", START_DIGITS)
    tuned = [row["miou"] for row in runs if tuple(row.get(key) for key in keys) == wanted]
    return str(mean_interval(tuned)) if len(tuned) >= _ENOUGH_SEEDS else "–"


def weights_table() -> str:
    """One row for each weight of the manifest."""
    rows = ["| name | parameters | size | voxel | teacher | data | steps (time) | licence |"]
    rows.append("| --- | ---: | ---: | ---: | --- | --- | --- | --- |")
    rows += [_weight_row(spec) for spec in load_manifest(ROOT / "weights_manifest.json").weights]
    return "\n".join(rows)


def _weight_row(spec: WeightSpec) -> str:
    record = spec.record
    teacher = "; ".join(one.name for one in record.teachers) or "–"
    steps = "–" if record.trained is None else f"{record.trained.steps} ({record.trained.hours:.1f} h)"
    # Sittings may differ in how many frames of one source they saw.
    frames: dict[str, list[str]] = {}
    for one in record.data:
        frames.setdefault(one.name, []).append(str(one.frames))
    data = ", ".join(f"{name} ({' and '.join(some)} frames)" for name, some in frames.items())
    return f"| `{spec.name}` | {_size_cells(spec)} | {teacher} | {data} | {steps} | {record.licences.weights} |"


def probes_table() -> str:
    """Linear probes of every weight that was measured, above the untrained network of the same architecture."""
    results = _page("pretraining")
    records: dict[str, list[dict[str, Any]]] = results["records"]
    names = {one["key"]: one["name"] for one in results["students"]}
    # What was measured and is not published stands on the page of results alone.
    published = {
        spec.files["model.safetensors"].sha256 for spec in load_manifest(ROOT / "weights_manifest.json").weights
    }
    records = {key: metrics for key, metrics in records.items() if key in published}
    rows = []
    for key, metrics in records.items():
        probes = [Metric.model_validate(one) for one in metrics if one["name"] == "linear probe mIoU"]
        if not rows:
            heads = [probe.data.removesuffix(", unseen") for probe in probes]
            rows += [f"| weight | {' | '.join(heads)} |", "| --- " * (1 + len(heads)) + "|"]
        cells = (f"**{_figure(probe)}**, untrained {_figure(probe.control)}" for probe in probes)
        rows.append(f"| `{names[key]}` | {' | '.join(cells)} |")
    for raw in (one for one in results["students"] if one["kind"] == "raw"):
        found = [raw["parts"][part]["miou"][_LINEAR] for part in ("rooms", "kitchen", "mosd")]
        cells = (f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in found)
        rows.append(f"| {raw['name']}, no network | {' | '.join(cells)} |")
    seeds = len(next(iter(records.values()))[0]["seeds"])
    head = f"mIoU of a linear probe on frozen features, mean over {seeds} seeds and 95 % interval:"
    return "\n".join([head, "", *rows])


def fine_tuning_table() -> str:
    """Fine-tuned with 10 % of the labels, from scratch and from every start that was measured."""
    results = _page("downstream")
    tasks = {"segmentation": ("miou", "segmentation, mIoU"), "detection": ("map25", "detection, mAP@0.25")}
    scores: dict[tuple[str, str], dict[int, float]] = {}
    for row in results["runs"]:
        if row["folder"] in tasks and row["fraction"] == _FEW_LABELS:
            key = tasks[row["folder"]][0]
            scores.setdefault((row["init"], row["folder"]), {})[row["seed"]] = row[key]
    listed = {spec.name for spec in load_manifest(ROOT / "weights_manifest.json").weights}
    rows = ["| start | " + " | ".join(f"{title} | difference from scratch" for _, title in tasks.values()) + " |"]
    rows.append("| --- " * 5 + "|")
    for init in dict.fromkeys(init for init, _ in sorted(scores, key=lambda one: one[0] != "random")):
        cells = []
        for task in tasks:
            ours, scratch = scores.get((init, task), {}), scores.get(("random", task), {})
            seeds = sorted(set(ours) & set(scratch))
            if len(seeds) < _ENOUGH_SEEDS:
                cells += ["", ""]
                continue
            cells.append(str(mean_interval([ours[seed] for seed in seeds])))
            over = paired_difference([ours[seed] for seed in seeds], [scratch[seed] for seed in seeds])
            mean = f"**{over.mean:+.3f}**" if over.low > 0 or over.high < 0 else f"{over.mean:+.3f}"
            cells.append("" if init == "random" else f"{mean} [{over.low:+.3f}, {over.high:+.3f}]")
        bare = _NOT_BUNDLED.sub(_NAME, init)
        name = (
            "scratch" if init == "random" else f"`{bare}`" if bare in listed else f"`{bare}`, not part of the package"
        )
        if any(cells):
            rows.append(f"| {name} | {' | '.join(cells)} |")
    head = f"Fine-tuned with {_FEW_LABELS:.0%} of the labels of rooms-bench v1, tested on unseen rooms, "
    return "\n".join([head + f"mean over {_ENOUGH_SEEDS} seeds and 95 % interval:", "", *rows])


def _figure(estimate: Any) -> str:
    # Retrieval among thousands is a matter of the fourth decimal.
    digits = 3 if estimate.value >= 0.02 else 4
    if estimate.interval95 is None:
        return f"{estimate.value:.{digits}f}"
    low, high = estimate.interval95
    return f"{estimate.value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def speed_table() -> str:
    """What the benchmarks found, each on the machine that it names."""
    encode, rooms = (_result(name) for name in ("encode", "rooms"))
    lines = [
        speed.section(_result("sparse_conv"), *map(_found, ("training_steps", "cost_curves", "step_shares"))),
        f"## encode\n\n`python -m benchmarks.speed.encode`; {machine_line(encode)}. From numpy points to numpy "
        f"features, {encode['points']} points in {encode['voxels']} voxels:",
        "",
        "| architecture | precision | median | best |",
        "| --- | --- | ---: | ---: |",
    ]
    lines += [
        f"| `{row['architecture']}` | {row['dtype']} | {row['median s']:.2f} s | {row['best s']:.2f} s |"
        for row in encode["rows"]
    ]
    rate = rooms["speed"]
    lines += [
        "",
        f"## Procedural rooms\n\n`python -m benchmarks.speed.rooms`; {machine_line(rooms)}. "
        f"{rate['frames_per_second_two_processes']:.1f} rendered frames of 240×320 a second with two processes, "
        f"{rate['processor_seconds_per_frame']:.3f} processor seconds a frame.",
    ]
    frames = _result("frames")
    open3d = frames["machine"]["versions"]["open3d"]
    ours, peer = ({row["side"]: row for row in frames["rows"]}[side]["frames a second"] for side in ("ours", "open3d"))
    lines += [
        "",
        f"## Reading frames\n\n`python -m benchmarks.speed.frames`; {machine_line(frames)}. {ours:.0f} real frames of "
        f"640×480 a second from files to voxels in two loader processes; Open3D {open3d}: {peer:.0f}. The points of "
        f"the two differ by at most {frames['largest_difference_metres']:.0e} m.",
    ]
    return "\n".join(lines)


def _result(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return result


def _found(name: str) -> dict[str, Any] | None:
    """A result that not everybody has measured."""
    return _result(name) if (ROOT / "benchmarks" / "results" / f"{name}.json").exists() else None


def _page(name: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return result


def realism_table() -> str:
    """What a network that knows only photographs says of rendered frames."""
    result = _result("realism")
    how = f"{result['frames']} frames, {len(result['seeds'])} seeds, world {result['world']}"
    lines = [f"{machine_line(result)}; {how}:", ""]
    lines += ["| class | IoU at 640×480 | IoU at 320×240 |", "| --- | ---: | ---: |"]
    large, small = result["640x480"], result["320x240"]
    rows = [(f"**mean of {', '.join(large['mean of'])}**", large, small)]
    rows += [(one["class"], one, other) for one, other in zip(large["classes"], small["classes"], strict=True)]
    for name, one, other in rows:
        cells = (f"{found['IoU']:.3f} [{found['low']:.3f}, {found['high']:.3f}]" for found in (one, other))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def recipes_table() -> str:
    """One row for each recipe that ships."""
    rows = ["| recipe | method | student | teacher | data | steps × frames |", "| --- " * 6 + "|"]
    for name in shipped_recipes():
        recipe = load_recipe(name)
        teacher = "–" if recipe.teacher is None else recipe.teacher.name
        data = ", ".join(entry.name for entry in recipe.data)
        frames = sum(entry.per_step for entry in recipe.data) * recipe.accumulate
        voxel = f"{recipe.backbone.input_spec.voxel_size * 100:g} cm"
        link = f"[`{name}`](../recipes/pretraining/{name}.yaml)"
        student = f"`{recipe.backbone.name}`, {voxel}"
        steps = f"{recipe.steps} × {frames}"
        rows.append(f"| {link} | `{recipe.method}` | {student} | {teacher} | {data} | {steps} |")
    return "\n".join(rows)


def readout_cost_table() -> str:
    """What each read-out costs: seconds of one core for a whole encode, and their share of nearest's."""
    found = json.loads((ROOT / "benchmarks" / "results" / "readout_speed.json").read_text(encoding="utf-8"))
    rows = ["| weight | read-out | seconds of one core | of the same levels, nearest |", "| --- | --- | ---: | ---: |"]
    rows += [
        f"| `{row['weight']}` | {row['read-out']} | {row['median s']:.2f} | {row['of nearest']:.2f} |"
        for row in found["rows"]
    ]
    here = found["machine"]
    return "\n".join([*rows, "", f"{found['points']:,} points; {here['processor']}, {here['date'][:10]}."])


def answers_table() -> str:
    """One row for each command: the fields of its result under --json."""
    rows = ["| command | fields of `result` |", "| --- | --- |"]
    for command in sorted(PROMISES):
        for kind in answer_classes(command):
            fields = (field.alias or name for name, field in kind.model_fields.items())
            more = "" if kind is answer_classes(command)[0] else ", several sources"
            rows.append(f"| `{command}`{more} | {', '.join(f'`{name}`' for name in fields)} |")
    return "\n".join(rows)


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"weights-short": short_weights_table, "results-short": short_results_table},
    "docs/weights.md": {"weights": weights_table, "probes": probes_table, "fine-tuning": fine_tuning_table}
    | models.SECTIONS,
    "docs/readout.md": {"readout-cost": readout_cost_table},
    "docs/results/frozen.md": frozen.SECTIONS,
    "docs/cli.md": {"answers": answers_table},
    "docs/many_files.md": many_files.SECTIONS,
    "docs/speed.md": {"speed": speed_table},
    "docs/rooms.md": {"realism": realism_table},
    "docs/training.md": {"recipes": recipes_table},
    "docs/reproduce.md": lab.SECTIONS,
}


def updated(page: str, text: str) -> str:
    """The page with every section written anew."""
    for name, write in PAGES[page].items():
        start = f"<!-- {name}: written by tools/update_docs.py -->"
        pattern = re.compile(re.escape(start) + r".*?<!-- end -->", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{page} has no section {start}")
        section = f"{start}\n{write()}\n<!-- end -->"
        text = pattern.sub(lambda _, section=section: section, text)
    return text


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    for page in PAGES:
        before = (ROOT / page).read_text(encoding="utf-8")
        after = updated(page, before)
        if not asked.check:
            (ROOT / page).write_text(after, encoding="utf-8")
        elif before != after:
            sys.exit(f"{page} is out of date: run python tools/update_docs.py")


if __name__ == "__main__":
    main()
