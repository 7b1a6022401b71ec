"""Writes docs/results/downstream.md from what was measured, with its pictures.

    python benchmarks/downstream/page.py --runs runs/downstream --zero-shot runs/zero_shot
    python benchmarks/downstream/page.py              # again, from the committed JSON alone

With `--runs` or `--zero-shot` it first collects their figures into ``docs/results/downstream.json``; the page and the
pictures are then made from that alone.
"""

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _path  # noqa: F401
from _probes.machine import describe_machine
from ceiling import table_top_ceilings
from collect import collect_rates, collect_runs
from pictures import draw_labels
from sections import page_text
from zero_shot_section import NAMED

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> None:
    """Collect what is given, draw, write."""
    asked = read_arguments(words)
    file = asked.out / "downstream.json"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if asked.runs is not None:
        results["runs"], results["rates"] = collect_runs(asked.runs), collect_rates(asked.runs)
        results["machine"] = describe_machine()
        if asked.shared.is_dir():
            results["ceilings"] = table_top_ceilings(asked.shared)
    if asked.zero_shot is not None:
        results["zero_shot"] = json.loads((asked.zero_shot / "zero_shot.json").read_text(encoding="utf-8"))
        for picture in asked.zero_shot.glob("*.png"):
            asked.out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, asked.out / picture.name)
    if not results.get("runs"):
        raise SystemExit(f"nothing to write about: {file} holds no runs, and --runs gave none")
    asked.out.mkdir(parents=True, exist_ok=True)
    there = [name for name in (NAMED,) if (asked.out / name).exists()]
    results["pictures"] = [*draw_labels(results["runs"], asked.out), *there]
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, file)
    (asked.out / "downstream.md").write_text(page_text(results), encoding="utf-8")
    print(f"wrote {asked.out / 'downstream.md'}")


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="Write the page about fine-tuning.")
    parser.add_argument("--runs", type=Path, help="folder that run.py wrote")
    parser.add_argument("--zero-shot", type=Path, help="folder that zero_shot.py wrote")
    default = Path(os.environ.get("PPKT_ZOO_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--shared", type=Path, default=default, help="folder with frames/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="where the page goes")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
