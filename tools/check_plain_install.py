"""Run the commands as a plain `pip install .` has them: each works, or names the extra that it needs in one line.

python tools/check_plain_install.py          # from an environment that has the extras too
python tools/check_plain_install.py --here   # in an environment that was made by `pip install .` alone

Without `--here` a second environment is made of links to exactly the distributions that `pip install .` would install:
those that ppkt-zoo requires without extras, and those that they require. Nothing is downloaded.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from ppkt_zoo.points.files.cloud_files import write_cloud

ROOT = Path(__file__).resolve().parents[1]
#: None of these may be found in the plain environment, or the check would say nothing.
OPTIONAL = (
    "h5py", "laspy", "lazrs", "matplotlib", "pyarrow", "pye57", "rerun", "scipy", "sklearn", "tensorboard", "tflite",
    "timm", "trimesh", "webdataset", "zarr",
)  # fmt: skip
_WEIGHT = "sr_unet14_slim.ppkt_voc"
_SHORT = "steps=1 checkpoint_every=1 validate_every=null precision='no'"
#: What is told of a command: the extra that it must name, or None where it must work. Those of a group need each other.
Group = tuple[tuple[str, str | None], ...]
GROUPS: tuple[Group, ...] = (
    (
        (f"segmentation train own --data own=scans {_SHORT} --out points", None),
        ("segment scan.ply --model points/model --out d.ply --picture d.png", None),
        ("verify local-dir:points/model", None),
    ),
    (
        (f"detection train own --data own=scans {_SHORT} --out boxes", None),
        ("detect scan.ply --model boxes/model --out e.json --picture e.png", None),
    ),
    ((f"grid segmentation own --data own=scans {_SHORT} --init scratch=random --seeds 1 --out grid1", None),),
    ((f"grid segmentation own --data own=scans {_SHORT} --init scratch=random --seeds 2 --out grid2", "eval"),),
    (("pretrain tiny.yaml --dry-run --out dry", None), ("pretrain tiny.yaml --out run", None)),
    (("pretrain tiny.yaml --tensorboard --out board", "train"),),
    ((f"encode scan.ply --weight {_WEIGHT} --out a.npz --picture a.png", None),),
    ((f"encode frames --weight {_WEIGHT} --intrinsics 60,60,32,24 --out b.ply", None),),
    ((f"similar scan.ply --weight {_WEIGHT} --at 1,1,1 --out c.ply --picture c.png", None),),
    ((f"view scan.ply --weight {_WEIGHT} --out page.html", None),),
    (("view scan.ply --plain --out page2.html --rerun page.rrd", "rerun"),),
    ((f"encode scan.ply scans/one.npz --weight {_WEIGHT} --out many", None),),
    ((f"encode scan.ply --weight {_WEIGHT} --out f.parquet", "parquet"),),
    ((f"encode scan.ply --weight {_WEIGHT} --out many2 --format zarr", "zarr"),),
    (("data inspect frames --intrinsics 60,60,32,24 --out seen", None),),
    (("data pack frames shards --intrinsics 60,60,32,24", None),),
    ((f"convert spunet {_WEIGHT} --out spunet.safetensors", None),),
    (("--version", None), ("list", None), ("list backbones", None), (f"show {_WEIGHT}", None)),
    ((f"verify {_WEIGHT}", None), ("cache", None)),
    (("teacher import net.tflite net.safetensors", "teachers"),),
    (("encode scan.las --out f.npz", "las"),),
    (("encode chair.stl --out g.npz", "mesh"), ("encode scan.e57 --out h.npz", "e57")),
    (("doctor", None), ("doctor scan.ply", None), ("doctor frames --intrinsics 60,60,32,24", None)),
    (("data inspect nyu.mat", "datasets"),),
)


def main() -> None:
    """Make the environment and the files, run every command, and say what went wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--here", action="store_true", help="take this environment as it is")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = Path(sys.executable) if asked.here else linked_environment(folder / "environment")
        check_is_plain(python)
        work = folder / "work"
        make_files(work)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda group: [fault_of(python, work, *one) for one in group], GROUPS))
    if faults := [fault for group in found for fault in group if fault]:
        sys.exit("\n\n".join(faults))
    print(f"{sum(map(len, GROUPS))} commands work on a plain install, or name the extra that they need")


def linked_environment(folder: Path) -> Path:
    """A virtual environment of links to the distributions of a plain install; its Python."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    (site,) = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
    for name in sorted(plain_distributions()):
        for top in _top_levels(name):
            target = site / top.name
            if not target.exists():
                target.symlink_to(top, target_is_directory=top.is_dir())
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def plain_distributions() -> set[str]:
    """ppkt-zoo without extras, and all that it requires here."""
    found: set[str] = set()
    waiting = [("ppkt-zoo", frozenset[str]())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        found.add(name)
        for requirement in map(Requirement, required):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                one = (canonicalize_name(requirement.name), frozenset(requirement.extras))
                waiting += [] if one in seen else [one]
                seen.add(one)
    return found


def _top_levels(name: str) -> list[Path]:
    """Files and folders of a distribution that stand directly in site-packages; of an editable install, the package."""
    found = distribution(name)
    parts = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
    paths = {Path(str(found.locate_file(part))) for part in parts if not part.endswith(".pth")}
    if name == "ppkt-zoo" and not any((path / "__init__.py").exists() for path in paths):
        paths = {path for path in paths if path.name != "ppkt_zoo"} | {ROOT / "ppkt_zoo"}
    return sorted(path for path in paths if path.exists())


def check_is_plain(python: Path) -> None:
    """End where an optional library can be imported: then nothing would be checked."""
    code = f"import importlib.util as u; print(*[one for one in {OPTIONAL} if u.find_spec(one)])"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd="/")
    if found.stdout.strip():
        sys.exit(f"this is no plain install, it has {found.stdout.strip()}: run it without --here")


def fault_of(python: Path, work: Path, command: str, extra: str | None) -> str | None:
    """Run a command; what is wrong about how it ended."""
    begun = time.monotonic()
    environment = os.environ | {"PYTHONPATH": "", "PPKT_ZOO_CACHE": str(work / "cache"), "HF_HUB_OFFLINE": "1"}
    words = command.replace("'no'", '"no"').split()
    run = subprocess.run(
        [str(python), "-m", "ppkt_zoo", *words], capture_output=True, text=True, cwd=work, env=environment
    )
    last = run.stderr.strip().splitlines()[-1:] or [""]
    if extra is None:
        right = run.returncode == 0
    else:
        named = re.search(rf"^error: .*ppkt-zoo\[{extra}\]", last[0]) is not None
        right = run.returncode == 2 and named and "Traceback" not in run.stderr
    print(f"{'ok   ' if right else 'FAULT'} {time.monotonic() - begun:5.1f} s  ppkt-zoo {command}", flush=True)
    wanted = "exit code 0" if extra is None else f"exit code 2 and one line that names ppkt-zoo[{extra}]"
    return None if right else f"ppkt-zoo {command}\nwanted {wanted}, got {run.returncode}:\n{run.stderr[-2000:]}"


def make_files(work: Path) -> None:
    """A scan, labelled scans, frames, a recipe, and files that only an extra can read."""
    (work / "scans").mkdir(parents=True)
    (work / "frames").mkdir()
    rng = np.random.default_rng(0)
    xyz, rgb = rng.uniform(0, (3, 2, 2), (2000, 3)).astype(np.float32), rng.integers(0, 256, (2000, 3), np.uint8)
    write_cloud(work / "scan.ply", xyz, rgb)
    label = np.where(xyz[:, 0] > 1.5, 2, 5).astype(np.uint8)
    for name in ("one", "two", "three"):
        write_cloud(work / "scans" / f"{name}.npz", xyz, rgb, label=label)
        box = {"class": "chair", "centre": [2, 1, 1], "size": [1, 1, 1], "heading": 0.0}
        (work / "scans" / f"{name}.boxes.json").write_text(json.dumps([box]))
    (work / "scans" / "classes.yaml").write_text("classes: {2: wall, 5: floor}\n")
    for number in range(2):
        stem = work / "frames" / f"frame-{number:06d}"
        Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(f"{stem}.color.png")
        Image.fromarray(np.full((48, 64), 2000, np.uint16)).save(f"{stem}.depth.png")
        np.savetxt(f"{stem}.pose.txt", np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]]))
    (work / "tiny.yaml").write_text(yaml.safe_dump(_RECIPE))
    (work / "net.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    (work / "scan.las").write_bytes(b"LASF" + bytes(400))
    (work / "scan.e57").write_bytes(b"ASTM-E57" + bytes(400))
    (work / "chair.stl").write_bytes(b"solid chair\nendsolid\n")
    (work / "nyu.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))


_RECIPE = {
    "weight": "sr_unet14_slim.tiny",
    "description": "A run of one step.",
    "method": "point_contrast",
    "seed": 1,
    "steps": 1,
    "backbone": {"name": "sr_unet14_slim", "input_spec": {"voxel_size": 0.1}},
    "point_contrast": {"dim": 16, "pairs": 64},
    "data": [
        {"kind": "rooms", "seed": 3, "rooms": 1, "frames_per_room": 4, "walk": True, "views": 2, "per_step": 2}
        | {"height": 48, "width": 64}
    ],
    "augmentation": {"rotation_z": 180},
    "optimiser": {"name": "adamw", "lr": 0.002},
    "weight_licence": "CC-BY-4.0",
}


if __name__ == "__main__":
    main()
