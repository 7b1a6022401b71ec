"""A plain install: every module imports, and what needs more names the extra that has it."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.engine.metrics_log import MetricsLog
from ppkt_zoo.errors import FrameError, InputError, MissingLibraryError, PPKTZooError, TeacherError, TrainingError
from ppkt_zoo.evaluation.clusters import cluster_score, matched
from ppkt_zoo.evaluation.probes import LinearProbe
from ppkt_zoo.evaluation.statistics import mean_interval, paired_difference
from ppkt_zoo.files.optional import need
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.fields import read_fields
from ppkt_zoo.points.files.laz import laz_records
from ppkt_zoo.teachers.spec import TeacherSpec
from ppkt_zoo.teachers.teacher import load_teacher
from ppkt_zoo.teachers.tflite import import_tflite
from ppkt_zoo.visualization.plots import CurvePanel, Panel, curves_picture, tsne_embedding, tsne_picture

OPTIONAL = (
    "h5py", "laspy", "lazrs", "matplotlib", "scipy", "sklearn", "spconv", "spconv_triton", "tensorboard", "tflite",
    "timm", "webdataset",
)  # fmt: skip
NETWORK_OF_TIMM = TeacherSpec(architecture="timm:resnet18", weights="file", stage="last")
ROWS, LABELS = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), np.arange(40) % 2


def test_every_module_imports_where_no_optional_library_is_installed() -> None:
    script = (
        f"import sys, pkgutil, importlib\nsys.modules.update(dict.fromkeys({OPTIONAL!r}))\n"
        "import ppkt_zoo\n"
        "names = [one.name for one in pkgutil.walk_packages(ppkt_zoo.__path__, 'ppkt_zoo.', onerror=print)]\n"
        "for name in names:\n"
        "    if not name.endswith('__main__'):\n"
        "        importlib.import_module(name)\n"
        "print(len(names))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200


def _tensorboard(folder: Path) -> object:
    return MetricsLog(folder / "metrics.jsonl", 0, board=folder)


def _las(folder: Path) -> object:
    (folder / "a.las").write_bytes(b"LASF" + bytes(400))
    return read_cloud(folder / "a.las")


def _las_fields(folder: Path) -> object:
    (folder / "a.las").write_bytes(b"LASF" + bytes(400))
    return read_fields(folder / "a.las")


@pytest.mark.parametrize(
    ("blocked", "extra", "error", "ask"),
    [
        ("scipy.stats", "eval", MissingLibraryError, lambda _: mean_interval([1.0, 2.0])),
        ("scipy.stats", "eval", MissingLibraryError, lambda _: paired_difference([1.0, 2.0], [1.0, 3.0])),
        ("scipy.optimize", "eval", MissingLibraryError, lambda _: matched(LABELS, LABELS)),
        ("sklearn.cluster", "eval", MissingLibraryError, lambda _: cluster_score(ROWS, LABELS)),
        ("sklearn.linear_model", "eval", MissingLibraryError, lambda _: LinearProbe.fit(ROWS, LABELS)),
        ("sklearn.manifold", "eval", MissingLibraryError, lambda _: tsne_embedding(ROWS)),
        (
            "matplotlib.figure",
            "eval",
            MissingLibraryError,
            lambda _: tsne_picture([Panel("a", ROWS[:, :2])], LABELS, "ab"),
        ),
        (
            "matplotlib.figure",
            "eval",
            MissingLibraryError,
            lambda _: curves_picture({"a": [{"step": 1, "loss": 2.0}]}, [CurvePanel("loss", "loss")]),
        ),
        ("laspy", "las", InputError, _las),
        ("laspy", "las", InputError, _las_fields),
        ("lazrs", "las", InputError, lambda _: list(laz_records(b"", b"", 0, 1, 1, "a.laz"))),
        (
            "timm",
            "teachers",
            TeacherError,
            lambda folder: load_teacher(NETWORK_OF_TIMM, folder),
        ),
        ("tflite", "teachers", TeacherError, lambda folder: import_tflite(folder / "a", folder / "b.safetensors")),
        ("tensorboard", "train", TrainingError, _tensorboard),
    ],
)
def test_what_needs_a_library_names_it_and_its_extra(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    blocked: str,
    extra: str,
    error: type[PPKTZooError],
    ask: Callable[[Path], object],
) -> None:
    monkeypatch.setitem(sys.modules, blocked, None)
    library = {"sklearn": "scikit-learn"}.get(blocked.partition(".")[0], blocked.partition(".")[0])
    with pytest.raises(error, match=rf'needs {library}, which is not installed: pip install "ppkt-zoo\[{extra}\]"'):
        ask(tmp_path)


@pytest.mark.parametrize("blocked", ["scipy.stats", "matplotlib.figure"])
def test_a_grid_names_the_extra_before_its_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocked: str
) -> None:
    monkeypatch.setitem(sys.modules, blocked, None)
    # A recipe that is not there would be the first thing that a run misses.
    command = ["grid", "segmentation", str(tmp_path / "none.yaml"), "-i", "a=random", "-o", str(tmp_path / "grid")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert f'needs {blocked.partition(".")[0]}, which is not installed: pip install "ppkt-zoo[eval]"' in done.output
    assert not (tmp_path / "grid").exists()


def test_a_library_that_is_there_and_does_not_import_is_not_called_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_installed.py").write_text("import a_library_that_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FrameError, match=r"this file needs half_installed, which cannot be imported \(No module named"):
        need("half_installed", "datasets", "this file", FrameError)


def test_the_error_is_an_import_error_too() -> None:
    assert importlib.util.find_spec("no_such_library_at_all") is None
    with pytest.raises(ImportError, match="an interval needs no_such_library_at_all, which is not installed"):
        need("no_such_library_at_all", "eval", "an interval")
