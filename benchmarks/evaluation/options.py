"""Options that every measurement of a weight has, and the loop over the weights that they name."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.evaluation.kept import Found, keep_weight
from benchmarks.evaluation.material import FULL, TINY, Material
from benchmarks.evaluation.students import Pretrained, open_pretrained
from benchmarks.machine import RESULTS, ROOT, SHARED
from ppkt_zoo.engine.denormals import flushed_denormals


def add_options(parser: argparse.ArgumentParser) -> None:
    """Seeds, folders and amount."""
    parser.add_argument("--seeds", type=seeds, default=5, help="probe seeds; every interval rests on them")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the JSON goes")
    parser.add_argument("--journal", type=Path, default=ROOT / "runs" / "evaluation" / "journal")
    parser.add_argument("--cache", type=Path, default=ROOT / "runs" / "cache", help="finished scenes and rooms")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/ and teachers/")
    parser.add_argument("--tiny", action="store_true", help="two frames of everything: shows that it runs")


def material_of(asked: argparse.Namespace) -> Material:
    """The material that the options name."""
    return Material(asked.shared, asked.cache, TINY if asked.tiny else FULL)


def measure_each(
    name: str,
    asked: argparse.Namespace,
    measure: Callable[[Pretrained], Found],
    metrics: Callable[[Mapping[str, Any]], list[Found]],
) -> None:
    """Measure every weight that is named, and keep its figures in the result file of this name."""
    with flushed_denormals():
        for place in asked.weights:
            began = time.perf_counter()
            found = measure(open_pretrained(place))
            path = keep_weight(name, found, metrics, asked.out)
            print(f"{found['name']}: {time.perf_counter() - began:.0f} s → {path}", flush=True)


def seeds(text: str) -> int:
    """A number of seeds that gives an interval."""
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError("give at least 2 seeds: an interval needs them")
    return int(text)
