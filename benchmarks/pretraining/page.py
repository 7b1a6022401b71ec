"""Writes docs/results/pretraining.md from what was measured, with its pictures.

    python benchmarks/pretraining/page.py --evaluation runs/evaluation --ablation runs/ablation --runs runs/family
    python benchmarks/pretraining/page.py            # again, from the committed files alone

With `--evaluation`, `--ablation` or `--runs` it first collects their figures into ``docs/results/pretraining.json``
and ``docs/results/pretraining/NAME.jsonl``; the page and the pictures are then made from those alone.
"""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _path  # noqa: F401
from collect import collect_ablation, collect_evaluation
from pictures import draw_curves, draw_tsne
from record_metrics import records
from sections import page_text
from thin import copy_thinned

from ppkt_zoo.engine.metrics_log import read_metrics

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> None:
    """Collect what is given, draw, write."""
    asked = read_arguments(words)
    file, logs = asked.out / "pretraining.json", asked.out / "pretraining"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if asked.evaluation is not None:
        results["students"] = collect_evaluation(asked.evaluation, tiny=asked.tiny)
    if asked.ablation is not None:
        results["ablation"] = collect_ablation(asked.ablation)
    for run in sorted(asked.runs.iterdir()) if asked.runs is not None else ():
        if (run / "metrics.jsonl").exists() and (run / "weight").is_dir():
            copy_thinned(run / "metrics.jsonl", logs / f"{run.name}.jsonl")
    if not results.get("students"):
        raise SystemExit(f"nothing to write about: {file} holds no students, and --evaluation gave none")
    asked.out.mkdir(parents=True, exist_ok=True)
    results["pictures"] = [
        *draw_curves({log.stem: read_metrics(log) for log in sorted(logs.glob("*.jsonl"))}, asked.out),
        *draw_tsne(results["students"], asked.out),
    ]
    results["records"] = records(results["students"])
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, file)
    (asked.out / "pretraining.md").write_text(page_text(results), encoding="utf-8")
    print(f"wrote {asked.out / 'pretraining.md'}")


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Write the page about the family of weights.")
    parser.add_argument("--evaluation", type=Path, help="folder that evaluate.py wrote")
    parser.add_argument("--ablation", type=Path, help="folder that ablate.py wrote")
    parser.add_argument("--runs", type=Path, help="folder of run folders, whose logs are copied")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="where the page goes")
    parser.add_argument("--tiny", action="store_true", help="take the figures of evaluate.py --tiny")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
