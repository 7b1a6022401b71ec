"""What features know without one label: clusters against classes, and the teacher's classes on real clouds.

    python benchmarks/downstream/zero_shot.py runs/family/*

Writes runs/zero_shot/zero_shot.json. What was measured stands in a journal beside it, keyed by the sha256 of the
tensors, and is not measured again.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _path  # noqa: F401
from _probes.files import write_json
from _probes.journal import Journal
from _probes.teacher_labels import KITCHEN_CLASSES
from clusters_of import FULL, SETS, TINY, Sets, clusters
from named_kitchen import draw_named, how, named, taught_by_the_segmenter
from zero_shot_section import NAMED

from ppkt_zoo.engine.denormals import flushed_denormals
from ppkt_zoo.visualization.picture import save_picture
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder

ROOT = Path(__file__).resolve().parents[2]


def main(words: Sequence[str] | None = None) -> None:
    """Measure every weight, its untrained control, and colour and height."""
    asked = read_arguments(words)
    with flushed_denormals():
        measure(asked)


def measure(asked: argparse.Namespace) -> None:
    """Everything that is not in the journal yet, and the JSON of all."""
    seeds = list(range(asked.seeds))
    amount = TINY if asked.tiny else FULL
    sets = Sets(asked.shared, asked.cache, amount)
    journal = Journal(asked.out / f"journal-{amount.name}.jsonl")
    folders = [open_weight_folder(one / "weight" if (one / "weight").is_dir() else one) for one in asked.folders]
    rows: list[dict[str, Any]] = []
    for name, key, control, student in _lines(folders):
        found = {part: journal.remember(f"{key} {part} {seeds}", clusters, student, sets, part, seeds) for part in SETS}
        rows.append({"name": name, "control": control, **found})
        print(name, flush=True)
    teachable = [one for one in folders if taught_by_the_segmenter(one, asked.shared)]
    results = {
        "seeds": seeds,
        "sets": SETS,
        "clusters": rows,
        "kitchen_classes": list(KITCHEN_CLASSES),
        "named_how": how(amount),
        "named": [
            {
                "name": one.config.name,
                **journal.remember(f"{_key(one)} named {seeds}", named, one, asked.shared, amount, seeds),
            }
            for one in teachable
        ],
    }
    write_json(asked.out / "zero_shot.json", results)
    if teachable:
        save_picture(draw_named(teachable[0], asked.shared, amount), asked.out / NAMED)
    print(f"wrote {asked.out / 'zero_shot.json'}")


def _lines(folders: Sequence[WeightFolder]) -> list[tuple[str, str, str | None, Any]]:
    """Name, key of the journal, name of its control, and what clusters() makes a student of."""
    weights = [(one.config.name, _key(one), f"{one.config.architecture}, untrained", one) for one in folders]
    controls = {
        f"{one.config.architecture}, untrained": (
            f"{one.config.architecture}, untrained",
            f"untrained {one.config.header() | {'name': ''}}",
            None,
            one.config,
        )
        for one in folders
    }
    return [*weights, *controls.values(), ("colour and height", "raw", None, None)]


def _key(folder: WeightFolder) -> str:
    return folder.config.files["model.safetensors"].sha256


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`."""
    parser = argparse.ArgumentParser(description="What features know without one label.")
    parser.add_argument("folders", nargs="+", type=Path, help="weight folders, or run folders with weight/ in them")
    parser.add_argument("--seeds", type=int, default=5, help="how many; every interval rests on them")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "zero_shot")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes, teacher's labels")
    default = Path(os.environ.get("PPKT_ZOO_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--shared", type=Path, default=default, help="folder with frames/ and teachers/")
    parser.add_argument("--tiny", action="store_true", help="two frames of everything: shows that it runs")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
