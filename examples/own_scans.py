"""Your own labelled scans: what their folder looks like, a training on it, and a scan named by the model.

python examples/own_scans.py [FOLDER] [STEPS]

Without a FOLDER of yours it makes one of procedural rooms, so that you see what one looks like:

    FOLDER/classes.yaml         the names of your labels
    FOLDER/kitchen.ply          a cloud with a field `label` (or class, classification, semantic, ...), metres, z up
    FOLDER/office.las           as many as you have, in any of .ply .npz .las .laz .pcd .txt .csv

The same on the command line:

    ppkt-zoo segmentation train own --data own=FOLDER --out RUN
    ppkt-zoo segment scan.ply --model RUN/model
"""

import sys
from pathlib import Path

import numpy as np

import ppkt_zoo
from ppkt_zoo.data.readers.labelled_folder import LabelledFolder
from ppkt_zoo.downstream.own_scans import look_through
from ppkt_zoo.downstream.segmentation import fit_segmentation, load_segmentation_recipe, open_splits
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.rooms import CLASSES, RoomScenes

#: Label in the files -> what it means: any numbers do, and those that do not count are listed under `ignore`.
NAMES = {10: "floor", 20: "wall", 30: "ceiling", 40: "thing"}
IGNORED = 99


def make_folder(folder: Path, scans: int = 4) -> None:
    """Rooms as somebody would have labelled them: four classes, numbers of their own, some points left out."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = np.array([next((one for one, name in NAMES.items() if name == known), 40) for known in CLASSES])
    rooms = RoomScenes(seed=41003, rooms=scans)
    for index in range(scans):
        scene = rooms[index]
        label = np.where(scene.label < 0, IGNORED, numbers[scene.label]).astype(np.uint8)
        write_cloud(folder / f"room{index}.ply", scene.xyz, scene.rgb, label=label)
    lines = "".join(f"  {number}: {name}\n" for number, name in NAMES.items())
    (folder / "classes.yaml").write_text(f"classes:\n{lines}ignore: [{IGNORED}]\ncolors:\n  floor: '#b08d57'\n")


def main(data: str | None = None, steps: int = 60, out: str = "runs/own", *overrides: str) -> float:
    """Train on a folder of scans; the mIoU on those that were kept for the test."""
    folder = Path(data or "own_scans")
    if data is None or not folder.exists():
        make_folder(folder)
    recipe = load_segmentation_recipe("own", [f"steps={steps}", "validate_every=null", *overrides])
    splits = open_splits(recipe, {"own": folder}, cache=Path("cache"))
    print(splits.told)
    print(look_through(splits.train, [splits.test], labels=True))  # every fault of a scan shows here, not at step 500
    done = fit_segmentation(recipe, splits.train, splits.validation, Path(out), test=splits.test)
    assert done.score is not None
    print(f"mIoU {done.score.figures()['miou']:.3f} on scans that were never seen; the model lies in {done.folder}")

    model = ppkt_zoo.load_segmentation(done.folder)  # your names and numbers came along
    scan = LabelledFolder(folder)[0]
    found = model.predict(scan.xyz, scan.rgb)
    for number, name, share in zip(
        model.ids, model.classes, np.bincount(found.labels, minlength=len(model.ids)) / len(found.labels), strict=True
    ):
        print(f"  {number} {name}: {share:.0%} of {scan.name}")
    return done.score.figures()["miou"]


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
