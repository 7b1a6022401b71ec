"""The text of the page; every figure and every verdict in it comes from the JSON beside it."""

from collections.abc import Mapping, Sequence
from typing import Any

from _probes.tables import compared, difference, figure, table
from comparisons import COMPARISONS, Comparison, paper_section
from figures import LINES, SETS, Student, control_of, miou, row, weights
from variants import GROUPS

Results = Mapping[str, Any]


def page_text(results: Results) -> str:
    """The whole page as Markdown."""
    students = results["students"]
    parts = [
        _head(results),
        "## In short\n\n" + "\n".join(f"- {line}" for line in _in_short(students)),
        "## Every weight\n\n" + _every_weight(students),
        *(_comparison(one, students) for one in COMPARISONS),
        "## Retrieval\n\n" + _retrieval(students),
        "## Did anything collapse?\n\n" + _collapse(students),
        *_curves(results),
        *([_ablations(results["ablation"])] if "ablation" in results else []),
        "## Against the paper\n\n" + paper_section(students),
        "## How it was measured\n\n" + _how(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: Results) -> str:
    students = results["students"]
    machine, seeds = students[0]["machine"], students[0]["seeds"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return "\n".join(
        [
            "# The family of weights",
            "",
            f"{_count(len(weights(students)), 'weight')}, each against the same architecture untrained and against "
            "colour and height without any network. Nothing below was measured on frames of any weight's training. "
            f"Figures are the mean over {len(seeds)} seeds with its 95 % interval (Student's t); differences are "
            "paired by seed. Every figure and every verdict comes from the JSON beside this page.",
            "",
            "```",
            "python benchmarks/pretraining/evaluate.py runs/family/* --teachers runs/teachers",
            *_ablate_command(results),
            "python benchmarks/pretraining/page.py --evaluation runs/evaluation --ablation runs/ablation "
            "--runs runs/family",
            "```",
            "",
            f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; {versions}. "
            f"Rooms are those of world {students[0]['world']} ([what that is](../rooms.md#versions-of-the-world)).",
        ]
    )


def _ablate_command(results: Results) -> list[str]:
    """How the ablations were made, if they were; the groups are named where not all were measured."""
    if "ablation" not in results:
        return []
    ablation = results["ablation"]
    measured = ablation["groups"]
    only = "" if set(measured) == set(GROUPS) else "".join(f' --only "{name}"' for name in measured)
    return [f"python benchmarks/pretraining/ablate.py steps={ablation['recipe']['steps']}{only}"]


def _in_short(students: Sequence[Student]) -> list[str]:
    lines = []
    raw = next((one for one in students if one["kind"] == "raw"), None)
    for part, title in SETS.items():
        lines.append(_stands(students, part, f"Linear probe on {title}, each against the same network untrained", None))
        if raw is not None:
            lines.append(_stands(students, part, f"Linear probe on {title}, each against {raw['name']} alone", raw))
    for comparison in COMPARISONS:
        lines += comparison.sentences(students)
    return lines


def _stands(students: Sequence[Student], part: str, what: str, other: Student | None) -> str:
    """Which weights stand above, below and not apart from their control, or from one other student."""
    verdicts: dict[str, list[str]] = {"above": [], "not apart from": [], "below": []}
    for one in weights(students):
        against = control_of(one, students) if other is None else other
        verdicts[compared(miou(one, part), miou(against, part))].append(f"`{one['name']}`")
    found = {verdict: names for verdict, names in verdicts.items() if names}
    if len(found) == 1:
        (verdict, names), *_ = found.items()
        return f"{what}: {verdict} it all {len(names)}."
    told = "; ".join(f"{verdict} it {', '.join(names)}" for verdict, names in found.items())
    return f"{what}: {told}."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _every_weight(students: Sequence[Student]) -> str:
    head = ["mIoU", *(f"{title}, {line}" for title in SETS.values() for line in LINES.values())]
    facts = [
        [
            f"`{one['name']}`",
            one["method"],
            one["teacher"] or "none",
            f"{one['parameters'] / 1e6:.2f} M",
            f"{one['voxel_size'] * 100:g} cm",
            str(one["steps"]),
            f"{one['hours']:.2f}",
            f"`{one['key'][:12]}`",
        ]
        for one in weights(students)
    ]
    differences = [
        [f"`{one['name']}`"]
        + [
            difference(miou(one, part, line), miou(control_of(one, students), part, line))
            for part in SETS
            for line in LINES
        ]
        for one in weights(students)
    ]
    return "\n\n".join(
        [
            table(
                ["weight", "method", "teacher", "parameters", "voxel", "steps", "hours of training", "sha256"], facts
            ),
            table(head, [row(one) for one in students]),
            "Each weight less the same network untrained:",
            table(head, differences),
        ]
    )


def _comparison(comparison: Comparison, students: Sequence[Student]) -> str:
    rows = comparison.rows(students)
    if not rows:
        return f"## {comparison.title}\n\nNot measured: {comparison.missing(students)}."
    head = ["first less second, mIoU", *(f"{title}, {line}" for title in SETS.values() for line in LINES.values())]
    missing = comparison.missing(students)
    note = f"\n\nNot measured: {missing}." if missing else ""
    return f"## {comparison.title}\n\n{comparison.question}\n\n{table(head, rows)}{note}"


def _retrieval(students: Sequence[Student]) -> str:
    rows, missing = [], []
    pairs = 0
    for one in weights(students):
        missing += [f"`{one['name']}`: {line}" for line in one["missing"]]
        if "retrieval" not in one["parts"]:
            continue
        found = one["parts"]["retrieval"]
        pairs = found["pairs"]
        rows.append(
            [f"`{one['name']}`"]
            + [figure(found["sets"][name][top]["values"], 4) for name in found["sets"] for top in ("top1", "top5")]
        )
    if not rows:
        return "Not measured: no weight here was taught to find pixels, or its teacher's file was not given."
    rows.append(["chance", *[f"{top / pairs:.4f}" for _ in range(2) for top in (1, 5)]])
    head = ["weight", *(f"{name}, top-{top}" for name in ("unseen rooms", "real kitchen") for top in (1, 5))]
    text = (
        f"Each seed draws frames and {pairs} points of them, as many in each. A point's embedding must be most similar "
        "to its own pixel's among those of all frames. Each weight is asked about its own teacher's pixels, so figures "
        "of different teachers are not comparable: neighbouring pixels of a coarse map are nearly the same.\n\n"
    )
    return text + table(head, rows) + "".join(f"\n\nNot measured: {line}." for line in missing)


def _collapse(students: Sequence[Student]) -> str:
    rows, collapsed = [], []
    for one in students:
        seeds = one["parts"].get("collapse", [])
        for what in seeds[0] if seeds else ():
            ranks, cosines = ([seed[what][name] for seed in seeds] for name in ("rank", "cosine"))
            channels = seeds[0][what]["channels"]
            rows.append([one["name"], what, str(channels), figure(ranks, 1), figure(cosines)])
            # Nearly all pairs alike, or nearly all of the spread along two directions.
            if one["kind"] == "weight" and (sum(cosines) / len(cosines) > 0.95 or sum(ranks) / len(ranks) < 2):
                collapsed.append(f"{what} of `{one['name']}`")
    verdict = f"Collapsed: {', '.join(collapsed)}." if collapsed else "Nothing collapsed."
    return (
        f"{verdict} Collapsed would mean a mean cosine above 0.95 or an effective rank below 2. The rank is the "
        "exponential of the entropy of the singular values of unit rows, between 1 and the number of channels; the "
        "cosine is the mean over all pairs of points of several unseen rooms.\n\n"
        + table(["student", "of", "channels", "effective rank", "mean cosine"], rows)
    )


def _curves(results: Results) -> list[str]:
    found = []
    if "pretraining_curves.png" in results["pictures"]:
        found.append(
            "## Curves\n\n![Loss and retrieval of all runs over their steps](pretraining_curves.png)\n\n"
            "The runs' logs, thinned to at most 200 lines each, lie in [pretraining/](pretraining). Losses of "
            "different methods and teachers are different quantities: compare the shape, not the height."
        )
    if "pretraining_tsne.png" in results["pictures"]:
        first = next(one for one in results["students"] if "tsne" in one["parts"])["parts"]["tsne"]
        found.append(
            f"## t-SNE of point features\n\n![Point features by class](pretraining_tsne.png)\n\n{len(first['label'])} "
            "points of unseen rooms, the same for every student, coloured by class; no label was used to place them."
        )
    return found


def _ablations(ablation: Mapping[str, Any]) -> str:
    base, recipe, scenes = ablation["base"], ablation["recipe"], ablation["scenes"]
    head = ["variant", "linear probe mIoU", "less base", "top-1 on unseen rooms"]
    lines = [
        "## Ablations",
        f"Runs of {recipe['steps']} steps of `{recipe['backbone']['name']}` on voxels of "
        f"{recipe['backbone']['input_spec']['voxel_size'] * 100:g} cm, {len(ablation['seeds'])} seeds each, that "
        "differ from the base in one value ([variants.py](../../benchmarks/pretraining/variants.py)). Each is measured "
        f"by a linear probe on {scenes['test']} validation scenes of rooms-bench, fitted on {scenes['fit']} training "
        f"scenes that the seed draws of {scenes['fit_of']}. So short a run shows what helps early; it does not show "
        "where long training ends. Retrieval is shown where its task is the base's.",
        table(head, [_ablation_row(base, base)]),
    ]
    for name, variants in ablation["groups"].items():
        lines += [f"### {name[:1].upper()}{name[1:]}", table(head, [_ablation_row(one, base) for one in variants])]
        verdicts = [f"**{one['name']}** is {compared(one['miou'], base['miou'])} the base" for one in variants]
        lines.append(f"By the linear probe, {'; '.join(verdicts)}.")
    return "\n\n".join(lines)


def _ablation_row(one: Mapping[str, Any], base: Mapping[str, Any]) -> list[str]:
    top1 = figure(one["top1"], 4) if one["top1"] is not None and one["fair_top1"] else ""
    less = "" if one is base else difference(one["miou"], base["miou"])
    return [one["name"], figure(one["miou"]), less, top1]


def _how(results: Results) -> str:
    amount, rooms = results["students"][0]["amount"], results["students"][0]["parts"]["rooms"]
    kitchen, mosd = (results["students"][0]["parts"][part] for part in ("kitchen", "mosd"))
    seconds = sum(one["spent"]["processor_seconds"] for one in results["students"])
    unconverged = sum(one["parts"][part]["unconverged"] for one in results["students"] for part in SETS)
    lines = [
        f"- **Unseen rooms**: rooms-bench v1, {len(rooms['classes'])} classes. Each seed fits on "
        f"{rooms['fit_frames']} scenes that it draws of the first {rooms['fit_size']} training scenes and tests on "
        f"the first {rooms['test_frames']} test scenes; a scene takes seconds to make, so not all are used. The "
        f"linear probe is asked about every point, kNN about {rooms['queries']} of each scene.",
        f"- **Real kitchen**: 7-Scenes, labels by the Pascal VOC segmenter ({', '.join(kitchen['classes'])}), fitted "
        f"on frames {amount['kitchen_fit'][0]} to {amount['kitchen_fit'][1] - 1} of the walk and tested on frames "
        f"{amount['kitchen_test'][0]} to {amount['kitchen_test'][1] - 1}, as in [the first weight's proof]"
        "(first_weight.md). Weights with the VOC teacher learned from the network that gives these labels.",
        f"- **Real table tops**: `mosd`, {' against '.join(mosd['classes'])}; the last {mosd['test_frames']} frames by "
        f"name are the test, and each seed fits on {mosd['fit_frames']} frames of the other {mosd['fit_size']}.",
        "- The linear probe is a multinomial logistic regression on standardised features of the last level (L2 1e-3 "
        "on the mean loss, balanced classes); kNN is by cosine, k = 20, with the same points as its bank. IoU is of "
        "one confusion matrix over all test points."
        + (f" {unconverged} fits stopped at 300 iterations." if unconverged else ""),
        "- The untrained network has other random numbers for every seed, and batch-norm statistics gathered on "
        f"{amount['statistics_clouds']} of the seed's clouds without labels, which makes it a stronger control.",
        f"- All of it took {seconds / 60:.0f} processor minutes.",
    ]
    return "\n".join(lines)
