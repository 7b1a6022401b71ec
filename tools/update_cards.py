"""Write the card of every bundled weight anew from its configuration and record, and its hash into the manifest.

python tools/update_cards.py            # write
python tools/update_cards.py --check    # fail where a card differs from what would be written

A weight that `tools/bundle_weight.py` takes in gets its card there; this is for a change in how cards are written.
"""

import argparse
import sys
from pathlib import Path

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.zoo.config import CARD
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.manifest import BundledSource, load_manifest, with_weight, write_manifest

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Go through the bundled weights of the manifest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something would be written")
    asked = parser.parse_args()
    file = ROOT / "weights_manifest.json"
    manifest = load_manifest(file)
    wrong = []
    for spec in manifest.weights:
        if not isinstance(spec.source, BundledSource):
            continue
        folder = open_weight_folder(ROOT / "ppkt_zoo" / "weights" / spec.source.folder)
        path, card = folder.path / CARD, folder.card()
        if path.read_text(encoding="utf-8") != card:
            wrong.append(spec.name)
            if not asked.check:
                write_whole(path, card, WeightError)
        if not asked.check:
            manifest = with_weight(manifest, weight_spec(folder, spec.source))
    if asked.check and wrong:
        sys.exit(f"the cards of {', '.join(wrong)} are out of date: python tools/update_cards.py")
    if manifest != load_manifest(file):
        write_manifest(manifest, file)
    print(f"{len(wrong)} cards written" if wrong else "all cards are as they would be written")


if __name__ == "__main__":
    main()
