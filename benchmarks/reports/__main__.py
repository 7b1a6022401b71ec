"""Writes the pages in docs/results/ from what was measured, with their pictures.

    python -m benchmarks.reports pretraining downstream --evaluation runs/evaluation --ablation runs/ablation \
        --family runs/family --finetuning runs/downstream
    python -m benchmarks.reports            # again, from the committed JSON alone
    python -m benchmarks.reports --check    # fail where a page or a verdict is out of date

Options that name folders first collect their figures into the pages' JSON; pages are made from that alone.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.evaluation.collect import collect_ablation, collect_evaluation, records, split_unlabelled
from benchmarks.evaluation.run import NAMED_PICTURE
from benchmarks.finetuning.ceiling import table_top_ceilings
from benchmarks.finetuning.collect import collect_rates, collect_runs, with_earlier
from benchmarks.finetuning.until import CELL, collect_lengths, of_today
from benchmarks.machine import ROOT, SHARED, machine
from benchmarks.reports import downstream, first_weight, pretraining
from benchmarks.reports.logs import copy_thinned
from benchmarks.reports.pictures import draw_curves, draw_labels, draw_tsne
from ppkt_zoo.engine.metrics_log import read_metrics

PAGES = {page.name: page for page in (first_weight.PAGE, pretraining.PAGE, downstream.PAGE)}


def main(words: Sequence[str] | None = None) -> None:
    """Collect what is given, draw, write; or check."""
    asked = read_arguments(words)
    if asked.check:
        wrong = [line for name in asked.pages for line in PAGES[name].out_of_date(asked.out)]
        if wrong:
            sys.exit("\n".join([*wrong, "run python -m benchmarks.reports"]))
        return
    asked.out.mkdir(parents=True, exist_ok=True)
    found = {name: PAGES[name].read(asked.out) for name in asked.pages}
    _collect(asked, found)
    for name, results in found.items():
        if not (results.get("students") or results.get("runs") or results.get("parts")):
            raise SystemExit(
                f"nothing to write about: {asked.out / name}.json holds no figures, and no folder gave any"
            )
        print(f"wrote {PAGES[name].write(results, asked.out)}")


def _collect(asked: argparse.Namespace, found: dict[str, dict[str, Any]]) -> None:
    """Put new figures into the pages' results, and draw their pictures anew."""
    family, tuned = found.get("pretraining"), found.get("downstream")
    if asked.evaluation is not None:
        students = collect_evaluation(asked.evaluation, tiny=asked.tiny)
        unlabelled = split_unlabelled(students)
        if family is not None:
            family |= {"students": students, "records": records(students)}
        if tuned is not None:
            tuned["zero_shot"] = unlabelled
            if (asked.evaluation / NAMED_PICTURE).exists():
                shutil.copyfile(asked.evaluation / NAMED_PICTURE, asked.out / NAMED_PICTURE)
    if family is not None and asked.ablation is not None:
        family["ablation"] = collect_ablation(asked.ablation)
    for run in sorted(asked.family.iterdir()) if family is not None and asked.family is not None else ():
        if (run / "metrics.jsonl").exists() and (run / "weight").is_dir():
            copy_thinned(run / "metrics.jsonl", asked.out / "pretraining" / f"{run.name}.jsonl")
    if tuned is not None and asked.finetuning is not None:
        # A folder of runs is one machine's; what earlier ones found is committed, and stays.
        tuned["until"] = of_today(tuned.get("until", []))
        for name, rows, keys in (
            ("runs", collect_runs(asked.finetuning), CELL),
            ("rates", collect_rates(asked.finetuning), ("task", "start", "rate", "fraction", "seed")),
            ("until", collect_lengths(asked.finetuning), (*CELL, "steps")),
        ):
            tuned[name] = with_earlier(rows, tuned.get(name, []), keys)
        tuned["machine"] = machine()
        if asked.shared.is_dir():
            tuned["ceilings"] = table_top_ceilings(asked.shared)
    if family and (asked.evaluation is not None or asked.family is not None or "pictures" not in family):
        logs = sorted((asked.out / "pretraining").glob("*.jsonl"))
        family["pictures"] = draw_curves({log.stem: read_metrics(log) for log in logs}, asked.out)
        family["pictures"] += draw_tsne(family["students"], asked.out)
    if tuned and (asked.evaluation is not None or asked.finetuning is not None or "pictures" not in tuned):
        named = [NAMED_PICTURE] if (asked.out / NAMED_PICTURE).exists() else []
        tuned["pictures"] = [*draw_labels(tuned.get("runs", []), asked.out), *named]


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", help=f"all, or some of {', '.join(PAGES)}")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is out of date")
    parser.add_argument("--evaluation", type=Path, help="folder that benchmarks.evaluation.run wrote")
    parser.add_argument("--ablation", type=Path, help="folder that benchmarks.evaluation.ablation wrote")
    parser.add_argument("--family", type=Path, help="folder of pretraining runs, whose logs are copied")
    parser.add_argument("--finetuning", type=Path, help="folder that benchmarks.finetuning.run wrote")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="where the pages go")
    parser.add_argument("--tiny", action="store_true", help="take the figures of benchmarks.evaluation.run --tiny")
    asked = parser.parse_args(words)
    if unknown := set(asked.pages) - set(PAGES):
        parser.error(f"there is no page {min(unknown)!r}: known are {', '.join(PAGES)}")
    asked.pages = asked.pages or list(PAGES)
    return asked


if __name__ == "__main__":
    main()
