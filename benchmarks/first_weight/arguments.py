"""What the proof script can be asked."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("retrieval", "rooms", "kitchen", "mosd", "pictures")


def read_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line, or `words`; what does not fit ends the program with a line that says why."""
    parser = argparse.ArgumentParser(description="Measure whether a weight learned, on frames that it never saw.")
    parser.add_argument("--weight", required=True, help="architecture.tag, local-dir:PATH or hf-hub:…")
    default = Path(os.environ.get("PPKT_ZOO_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--shared", type=Path, default=default, help="folder with frames/ and teachers/")
    parser.add_argument("--teacher", type=Path, help="the file of the weight's teacher")
    parser.add_argument("--parts", type=_parts, default=PARTS, help=f"some of {','.join(PARTS)}")
    parser.add_argument("--seeds", type=_seeds, default=5, help="how many; every interval rests on them")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="where the page goes")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "first_weight_proof", help="finished parts, rooms")
    parser.add_argument("--again", action="store_true", help="measure parts again that were measured before")
    parser.add_argument("--tiny", action="store_true", help="two frames of everything: shows that it runs")
    return parser.parse_args(words)


def _parts(text: str) -> tuple[str, ...]:
    parts = tuple(part for part in text.split(",") if part)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no part {unknown[0]!r}: known are {', '.join(PARTS)}")
    return parts


def _seeds(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError("give at least 2 seeds: an interval needs them")
    return int(text)
