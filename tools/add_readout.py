"""Put read-outs into weight folders: statistics on procedural rooms, the read-out for each purpose, reference output.

python tools/add_readout.py sr_unet14_slim.ppkt_voc                            # a bundled weight; the manifest follows
python tools/add_readout.py runs/flagship/weight --choice benchmarks/results/readouts.json
python tools/add_readout.py --all --choice benchmarks/results/readouts.json    # every bundled weight
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.evaluation.read_out import of_facts  # noqa: E402
from ppkt_zoo.backbones.base import Backbone  # noqa: E402
from ppkt_zoo.points.cloud import PointCloud  # noqa: E402
from ppkt_zoo.points.readout_spec import PURPOSES, Purpose, ReadOut  # noqa: E402
from ppkt_zoo.rooms import RoomsFrames  # noqa: E402
from ppkt_zoo.rooms.room import VERSION  # noqa: E402
from ppkt_zoo.rooms.scenes import RoomScenes  # noqa: E402
from ppkt_zoo.zoo.add_readout import add_readout, change_recommended  # noqa: E402
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder, weight_spec  # noqa: E402
from ppkt_zoo.zoo.load import verify  # noqa: E402
from ppkt_zoo.zoo.manifest import BundledSource, load_manifest, with_weight, write_manifest  # noqa: E402

BUNDLED = ROOT / "ppkt_zoo" / "weights"
# A world of its own: no recipe and no benchmark draws rooms of it.
SEED, SCANS, VIEWS = 41_021, 3, 18
COMPUTED_ON = f"procedural rooms of seed {SEED}, world {VERSION}: {SCANS} scans of whole rooms and {VIEWS} single views"


def main() -> None:
    """Add or change the read-outs of each weight, verify it, and list it anew where it is bundled."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", nargs="*", help="folders, or names of bundled weights")
    parser.add_argument("--all", action="store_true", help="every bundled weight")
    parser.add_argument("--choice", type=Path, help="JSON of benchmarks.evaluation.readouts; else what serves most")
    parser.add_argument("--again", action="store_true", help="compute the statistics again where there are some")
    parser.add_argument("--cache", type=Path, default=Path(".cache") / "rooms", help="folder for finished rooms")
    asked = parser.parse_args()
    names = [*asked.weights, *(sorted(one.name for one in BUNDLED.iterdir() if one.is_dir()) if asked.all else [])]
    for name in names:
        folder = BUNDLED / name if (BUNDLED / name).is_dir() else Path(name)
        opened = open_weight_folder(folder)
        recommended = _chosen(asked.choice, opened) or _usual(opened.backbone())
        if opened.config.readout is None or asked.again:
            opened = add_readout(folder, _clouds(asked.cache), COMPUTED_ON, recommended)
        else:
            opened = change_recommended(folder, recommended)
        print(verify(folder))
        for purpose, readout in recommended.items():
            print(f"  {purpose}: {readout}")
        if folder.resolve().parent == BUNDLED.resolve():
            _list(opened)


def _clouds(cache: Path) -> Iterator[PointCloud]:
    """Scans of whole rooms, and single views as a depth camera gives them."""
    scans = RoomScenes(SEED, SCANS, cache)
    frames = RoomsFrames(SEED, VIEWS, 1, cache=cache, close_ups=1 / 3)
    for number in range(SCANS):
        yield PointCloud.from_arrays(scans[number].xyz, scans[number].rgb)
    for number in range(VIEWS):
        yield PointCloud.from_arrays(*itertools.islice(frames[number].points(), 2))


def _usual(network: Backbone) -> dict[Purpose, ReadOut]:
    """What serves most networks, where nobody has measured this one."""
    sampling = network.samplings[-1]
    wide = ReadOut(levels="concat", sampling=sampling, extras=("color", "height"))
    return {"many_classes": wide, "few_labels": wide, "similarity": ReadOut(levels="concat", sampling=sampling)}


def _chosen(file: Path | None, folder: WeightFolder) -> dict[Purpose, ReadOut] | None:
    """What was chosen for exactly this weight on validation scenes."""
    if file is None:
        return None
    found: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    sha256 = folder.config.files["model.safetensors"].sha256
    for entry in found["weights"]:
        if entry["key"] == sha256:
            return {purpose: of_facts(entry["chosen"][purpose]) for purpose in PURPOSES if purpose in entry["chosen"]}
    raise SystemExit(f"{file} does not speak of {folder.config.name}: measure exactly this weight first")


def _list(opened: WeightFolder) -> None:
    file = ROOT / "weights_manifest.json"
    spec = weight_spec(opened, BundledSource(folder=opened.path.name))
    write_manifest(with_weight(load_manifest(file), spec), file)


if __name__ == "__main__":
    main()
