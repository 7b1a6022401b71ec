"""The arrows of docs/architecture.md hold, importing the package is cheap, and each use imports what it needs."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from importlinter.cli import lint_imports

from ppkt_zoo import InputSpec, PointCloud, create_backbone
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig, save_detector
from ppkt_zoo.downstream.segmentation import SegmentationModel, save_segmentation
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.zoo.folder import open_weight_folder
from tests.support.small_weight import NAME, make_folder

ROOT = Path(__file__).resolve().parents[1]
_LOAD = {"backbones", "engine", "errors", "files", "moved", "native", "points", "sparse", "zoo"}
_COMMAND = _LOAD | {"cli", "data", "visualization"}
# What is done → the rooms that it imports, exactly, and the most modules of ours that it may take.
IMPORTS = {
    "load_backbone": (_LOAD, 82),
    "encode": (_COMMAND | {"encoding"}, 150),
    "segment": (_COMMAND | {"downstream"}, 169),
    "detect": (_COMMAND | {"downstream"}, 175),
}
# Nothing of these is imported by any of them, and nothing of a task that only its training needs.
NEVER = ("rooms", "pretraining", "teachers", "transfer", "data.readers.open", "engine.loop", "engine.optim")
TRAINING = (".trainer", ".dataset", ".splits", ".recipe", ".export", ".grid", ".build")


@pytest.fixture
def _loggers_kept() -> Iterator[None]:
    """import-linter sets up logging for itself, and thereby switches off the loggers of everybody else."""
    known = [one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    before = [one.disabled for one in known]
    yield
    for logger, disabled in zip(known, before, strict=True):
        logger.disabled = disabled


@pytest.mark.usefixtures("_loggers_kept")
def test_rooms_know_only_those_below() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_import_loads_neither_torch_nor_pydantic() -> None:
    code = "import sys, ppkt_zoo; print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny cloud, a weight, a segmenter and a detector."""
    folder = tmp_path_factory.mktemp("imports")
    rng = np.random.default_rng(0)
    xyz, rgb = rng.uniform(0, 2, (300, 3)).astype(np.float32), rng.integers(0, 256, (300, 3)).astype(np.uint8)
    xyz[:, 2] *= 0.1
    write_cloud(folder / "cloud.npz", xyz, rgb)
    make_folder(folder / "weight")
    record, cloud = open_weight_folder(folder / "weight").record(), PointCloud.from_arrays(xyz, rgb)
    with torch.random.fork_rng(devices=[]):
        backbone = create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=0.1))
        save_segmentation(folder / "segmenter", SegmentationModel(backbone, ("a", "b")), NAME, record, cloud)
        shape = VoteNetConfig(heading_bins=4, seeds=64, proposals=16, width=16)
        detector = VoteNet(backbone, ("a", "b"), torch.full((2, 3), 0.8), shape).eval()
        save_detector(folder / "detector", detector, NAME, record, cloud)
    return folder


def modules_after(code: str, folder: Path) -> list[str]:
    """The modules of ours that a fresh process has imported after some code; names without ``ppkt_zoo.``."""
    tell = "import json, sys; json.dump([one for one in sys.modules if one.startswith('ppkt_zoo.')], sys.stderr)"
    code = f"import sys, warnings\nwarnings.simplefilter('ignore')\n{code}\n{tell}\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return [name.removeprefix("ppkt_zoo.") for name in json.loads(done.stderr.splitlines()[-1])]


@pytest.mark.parametrize("use", IMPORTS)
def test_each_use_imports_its_own_rooms_alone(use: str, things: Path) -> None:
    commands = {
        "encode": ["-w", "local-dir:weight", "-o", "features.npz"],
        "segment": ["-m", "segmenter", "-o", "labels.ply"],
        "detect": ["-m", "detector", "-o", "boxes.json"],
    }
    code = "import ppkt_zoo; ppkt_zoo.load_backbone('local-dir:weight')"
    if use in commands:
        code = f"from ppkt_zoo.cli.main import app; app({[use, 'cloud.npz', *commands[use]]}, standalone_mode=False)"
    found = modules_after(code, things)
    rooms, most = IMPORTS[use]
    assert {name.partition(".")[0] for name in found} == rooms
    assert not [name for name in found if f"{name}.".startswith(tuple(f"{one}." for one in NEVER))]
    assert not [name for name in found if name.startswith("downstream.") and name.endswith(TRAINING)]
    assert len(found) <= most
