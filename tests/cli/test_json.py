"""``--json``: one document on standard output, in the shape that its schema says, with the figures of the files."""

import json
import os
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppkt_zoo
from ppkt_zoo.cli.answers.base import Answer, Files
from ppkt_zoo.cli.answers.document import answered, schema_of
from ppkt_zoo.cli.contract import PROMISES, answer_class
from ppkt_zoo.cli.run import tables
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.downstream import detection, segmentation
from ppkt_zoo.downstream.detection import DetectionScore
from ppkt_zoo.downstream.segmentation import SegmentationScore
from ppkt_zoo.downstream.trainer import Finetuned
from ppkt_zoo.errors import InputWarning
from ppkt_zoo.evaluation.metrics import Confusion
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.zoo.manifest import load_manifest
from tests.support.commands import answer, document, failure, run
from tests.support.leaves import commands
from tests.support.made_up_dry_run import RUN
from tests.support.small_weight import NAME

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "recipes" / "pretraining" / "sr_unet14_slim_ppkt_voc.yaml"
KEPT = ROOT / "tests" / "fixtures" / "answers_1.json"


def test_every_command_promises_an_answer() -> None:
    assert set(PROMISES) == set(commands())
    for command in PROMISES:
        assert issubclass(answer_class(command), Answer)
        assert answer_class(command).__doc__


@pytest.mark.usefixtures("_small_listed")
def test_encode(small_cloud: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "o.npz", tmp_path / "o.png"
    done = document("encode", small_cloud, "-o", out, "-p", picture, "--levels", "all")
    found, arrays = done.result, np.load(out)
    assert (done.ppkt_zoo, done.schema_version) == (ppkt_zoo.__version__, 1)
    assert found.files == (str(out), str(picture))
    shapes = {name: one.shape for name, one in found.arrays.items()}
    assert shapes == {name: arrays[name].shape for name in arrays.files if name.startswith("features")}
    assert (found.weight, found.voxel_size, found.device) == (NAME, 0.05, "cpu")
    assert (found.source.points, found.source.colored, found.source.path) == (800, True, str(small_cloud))
    np.testing.assert_allclose(found.source.extent, np.ptp(arrays["xyz"], axis=0), atol=1e-5)
    assert set(found.seconds) == {"weight", "points", "features", "file", "picture"}
    assert found.engine in ("native", "torch")


@pytest.mark.usefixtures("_small_listed")
def test_similar(small_cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.npz"
    found = answer("similar", small_cloud, "--at", "1,1,0.1", "-o", out)
    arrays = np.load(out)
    picked = np.linalg.norm(arrays["xyz"] - [1, 1, 0.1], axis=1).argmin()
    np.testing.assert_allclose(found.point, arrays["xyz"][picked], atol=1e-6)
    assert len(found.matches) >= 1
    for match in found.matches:
        row = np.linalg.norm(arrays["xyz"] - match.xyz, axis=1).argmin()
        assert match.similarity == pytest.approx(arrays["likeness"][row], abs=1e-6)


@pytest.mark.usefixtures("_small_listed")
def test_what_is_known_of_weights(small_folder: Path) -> None:
    (row,) = answer("list").weights
    size = sum((small_folder / name).stat().st_size for name in load_manifest().weights[0].files)
    assert (row.name, row.bytes, row.voxel_size, row.teacher) == (NAME, size, 0.05, "nobody")
    assert answer("list", "weights", "nothing*").weights == ()
    backbones = answer("list", "backbones").backbones
    assert [one.name for one in backbones] == ppkt_zoo.list_backbones()
    shown = answer("show", NAME).weight
    assert (shown.name, shown.record) == (NAME, load_manifest().weights[0].record)
    assert answer("show", "sr_unet14_small").backbone.weights == (NAME,)
    (verified,) = answer("verify").weights
    assert verified.verified
    assert verified.errors
    assert max(verified.errors.values()) <= verified.tolerance
    (fetched,) = answer("fetch", NAME).weights
    assert Path(fetched.path) == small_folder
    assert "nosuch" in failure("fetch", "nosuch").message


@pytest.mark.usefixtures("_small_listed")
def test_of_several_weights_the_answer_says_which_are_damaged(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    broken = Path(shutil.copytree(small_folder, tmp_path / "weights" / small_folder.name))
    (broken / "model.safetensors").write_bytes(b"nothing")
    monkeypatch.setattr("ppkt_zoo.zoo.hub.BUNDLED", broken.parent)
    (one,) = answer("verify", code=2).weights
    assert not one.verified
    assert "model.safetensors" in one.error


def test_the_cache_is_never_cleared_by_a_question_to_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPKT_ZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    room = tmp_path / "rooms" / "v1"
    room.mkdir(parents=True)
    (room / "frame.bin").write_bytes(b"12345")
    cleared = answer("cache", "--clear", "rooms", "--yes")
    assert [(one.kind, one.bytes) for one in cleared.entries] == [("rooms", 5)]
    assert cleared.removed == 1
    assert not room.exists()
    room.mkdir(parents=True)
    (room / "frame.bin").write_bytes(b"12345")
    assert "--yes" in failure("cache", "--clear", "rooms").message
    assert room.exists()
    asked = run("cache", "--clear", "rooms", code=130)  # nobody answers
    assert "remove these?" in asked.stderr
    assert "remove these?" not in asked.stdout
    assert room.exists()


@pytest.mark.usefixtures("_small_listed")
def test_publish_tells_what_it_would_do(small_folder: Path) -> None:
    found = answer("publish", small_folder, "--repo", "me/small", "--dry-run", "--no-picture")
    assert (found.repo, found.dry_run, found.url, found.entry.name) == ("me/small", True, None, NAME)
    assert found.sizes["model.safetensors"] == (small_folder / "model.safetensors").stat().st_size
    assert "## Load" in found.card


def test_convert(small_folder: Path, tmp_path: Path) -> None:
    found = answer("convert spunet", f"local-dir:{small_folder}", "-o", tmp_path / "s.safetensors")
    assert found.tensors > 50
    assert found.files == (str(tmp_path / "s.safetensors"),)


class Frames:
    """Walls at known depths; no poses, no labels."""

    name = "walls"
    skipped = ("frame 9 was lost",)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> RGBDFrame:
        depth = np.full((48, 64), 1.0 + index, np.float32)
        depth[:12] = 0
        camera = np.array([[52.5, 0, 31.5], [0, 52.5, 23.5], [0, 0, 1]])
        return RGBDFrame(np.zeros((48, 64, 3), np.uint8), depth, camera, None, f"walls/{index}")


def test_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppkt_zoo.cli.run.frames.read_frames", lambda reading: Frames())
    found = answer("data inspect", tmp_path, "-o", tmp_path / "out")
    assert (found.name, found.reader, found.frames, found.poses, found.labels) == ("walls", "Frames", 3, 0, 0)
    assert found.skipped == ("frame 9 was lost",)
    assert found.holes == pytest.approx(0.25)
    assert found.depth.median == pytest.approx(2.01)
    assert found.labelled is None
    assert found.files == (str(tmp_path / "out" / "sheet.png"),)
    packed = answer("data pack", tmp_path, tmp_path / "shards")
    assert (packed.frames, packed.shards, packed.left_out) == (3, 1, ())
    assert packed.bytes == sum(file.stat().st_size for file in (tmp_path / "shards").glob("*.tar"))


def test_pretrain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.engine.interrupt import Stopped
    from ppkt_zoo.pretraining import dry_run, trainer

    monkeypatch.setattr(dry_run, "dry_run", lambda recipe, **rest: replace(RUN, cores=1))
    command = ("pretrain", RECIPE, "-o", tmp_path / "run")
    cost = answer(*command, "--dry-run").cost
    assert (cost.step.student_seconds, cost.seconds) == (RUN.step.student, replace(RUN, cores=1).seconds)
    assert cost.remarks == replace(RUN, cores=1).warnings != ()
    monkeypatch.setattr(trainer, "pretrain", lambda recipe, **rest: tmp_path / "run" / "weight")
    done = answer(*command)
    assert (done.folder, done.load) == (str(tmp_path / "run/weight"), f"local-dir:{tmp_path / 'run/weight'}")
    assert (done.weight, done.cost) == ("sr_unet14_slim.ppkt_voc", None)
    monkeypatch.setattr(trainer, "pretrain", lambda recipe, **rest: (_ for _ in ()).throw(Stopped("after 5 steps")))
    assert failure(*command, code=3).kind == "Stopped"
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(trainer, "pretrain", lambda recipe, **rest: tmp_path)
    assert run(*command, "--json").stdout == "", "of several processes one answers"


def _segmented() -> SegmentationScore:
    matrix = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    counted = Confusion(3)
    for truth, row in enumerate(matrix):
        for guess, count in enumerate(row):
            counted.update(np.full(count, truth), np.full(count, guess))
    return SegmentationScore(("wall", "floor", "none"), counted, counted, 4)


def test_fine_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    score = _segmented()
    done = Finetuned(None, tmp_path / "model", score)
    monkeypatch.setattr("ppkt_zoo.cli.run.finetune._splits", lambda *_: _NoSplits())
    monkeypatch.setattr(segmentation, "fit_segmentation", lambda *_, **__: done)
    found = answer("segmentation train", "rooms_bench", "-o", tmp_path)
    assert found.files == (str(tmp_path / "model"),)
    assert found.scores.figures["miou"] == pytest.approx(score.figures()["miou"])
    wall, _, none = found.scores.classes
    assert (wall.name, wall.points, wall.iou) == ("wall", 10, pytest.approx(8 / 11))
    assert (none.iou, none.accuracy) == (None, None), "a class that does not occur has no score"
    box = np.array([[0, 0, 0, 1, 1, 1, 0.0]])
    boxes = DetectionScore(2).update(box, [0], box, [0], [0.9])
    monkeypatch.setattr(detection, "load_detector", lambda *_, **__: _Model())
    monkeypatch.setattr(detection, "evaluate_detector", lambda *_, **__: boxes)
    tested = answer("detection test", _small(tmp_path), "rooms_bench").scores
    assert (tested.figures["map25"], tested.classes[0].ap50, tested.classes[1].ap25) == (1.0, 1.0, None)


class _NoSplits:
    told, train, validation, test = "", None, None, ()


class _Model:
    classes = ("bed", "desk")


def _small(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_a_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ppkt_zoo.cli.run import grid
    from ppkt_zoo.downstream.grid import Cell

    scores: dict[Cell, Any] = {
        Cell(start, 1.0, seed): {"miou": 0.5 + seed / 10, "macc": None if seed else 0.25, "classes": []}
        for start in ("scratch", "ours")
        for seed in (0,)
    }
    monkeypatch.setattr(grid, "run_grid", lambda *_, **__: None)
    monkeypatch.setattr(grid, "read_grid", lambda *_: scores)
    words = ("segmentation", "rooms_bench", "-i", "scratch=random", "-i", "ours=random", "--seeds", 1)
    found = answer("grid", *words, "-o", tmp_path)
    assert [(one.start, one.seed, one.scores) for one in found.runs] == [
        (start, 0, {"miou": 0.5, "macc": 0.25}) for start in ("scratch", "ours")
    ]
    assert (found.table, found.files) == (None, (str(tmp_path / "grid.json"),))


def test_what_runs_here() -> None:
    assert answer("version").ppkt_zoo == ppkt_zoo.__version__
    assert answer("completion", "bash").script == run("completion", "bash").stdout
    assert answer("schema").commands == tuple(PROMISES)
    assert answer("schema", "data", "inspect").schemas == {"data inspect": schema_of("data inspect")}
    assert "nosuch" in failure("schema", "nosuch").message


@pytest.mark.parametrize("command", sorted(PROMISES))
def test_the_schema_is_printed_and_describes_the_document(command: str) -> None:
    schema = json.loads(run("schema", *command.split()).stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == {"schema_version", "ppkt_zoo", "command", "warnings", "result", "error"}
    assert answer_class(command).__name__ in schema["$defs"]


def _fields() -> dict[str, dict[str, list[str]]]:
    """Command → each object of its schema → the fields of that object."""
    found = {}
    for command in sorted(PROMISES):
        schema = schema_of(command)
        objects = {"": schema, **schema["$defs"]}
        found[command] = {name: sorted(one["properties"]) for name, one in objects.items() if "properties" in one}
    return found


def test_no_field_of_version_1_goes() -> None:
    """After a new field: ``python -m tests.cli.test_json`` writes the list anew; nothing may leave it."""
    kept, now = json.loads(KEPT.read_text(encoding="utf-8")), _fields()
    for command, objects in kept.items():
        for name, fields in objects.items():
            assert set(fields) <= set(now[command][name]), f"{command}, {name}: a field went without a new version"
    assert kept == now, "new fields: write the list anew"


@pytest.mark.parametrize(
    ("words", "command", "kind"),
    [
        (["encode", "--nope"], "encode", "UsageError"),
        (["encode"], "encode", "UsageError"),
        (["encoed"], "", "UsageError"),
        (["--nope"], "", "UsageError"),
        (["data", "inspect", "frames", "--every", "many"], "data inspect", "UsageError"),
        (["show", "sr_unet15_small"], "show", "UnknownNameError"),
        (["encode", "nothing.ply"], "encode", "InputError"),
        (["data", "inspect", "nothing"], "data inspect", "FrameError"),
        (["pretrain", "nothing"], "pretrain", "RecipeError"),
    ],
)
def test_an_error_is_a_document_too(words: list[str], command: str, kind: str) -> None:
    done = run(*words, "--json", code=2)
    found = json.loads(done.stdout)
    assert (found["command"], found["result"], found["error"]["kind"]) == (command, None, kind)
    assert found["error"]["exit_code"] == 2
    plain = run(*words, code=2)
    assert plain.stdout == ""
    assert done.stderr == plain.stderr, "people read the same as without --json"
    assert "".join(found["error"]["message"].split())[:30] in "".join(plain.stderr.replace("│", "").split())


@pytest.mark.parametrize(
    ("raised", "code", "kind"),
    [
        (KeyboardInterrupt(), 130, "Interrupted"),
        (MemoryError(), 2, "InputError"),
        (RecursionError(), 2, "InputError"),
        (OSError(28, "No space left on device", "big.npz"), 2, "OSError"),
    ],
)
def test_whatever_ends_a_command_is_a_document(
    raised: BaseException, code: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "weights_lines", lambda pattern: (_ for _ in ()).throw(raised))
    found = failure("list", code=code)
    assert found.kind == kind
    assert found.message in " ".join(run("list", code=code).stderr.split())


def test_a_bug_is_a_document_and_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "weights_lines", lambda pattern: 1 / 0)
    from typer.testing import CliRunner

    from ppkt_zoo.cli.main import app

    done = CliRunner().invoke(app, ["list", "--json"])
    assert isinstance(done.exception, ZeroDivisionError)
    assert json.loads(done.stdout)["error"] == {
        "kind": "ZeroDivisionError",
        "message": "a bug in ppkt-zoo: division by zero",
        "exit_code": 1,
    }


def test_warnings_stand_in_the_document(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tables.weights_lines

    def stand_in(pattern: str) -> object:
        warnings.warn("something is odd", InputWarning, stacklevel=2)
        return lines(pattern)

    monkeypatch.setattr(tables, "weights_lines", stand_in)
    done = document("list")
    assert done.warnings == ("something is odd",)
    assert "warning: something is odd" in run("list", "--json").stderr


def test_whatever_a_module_prints_is_no_part_of_the_document(tmp_path: Path) -> None:
    chatty = tmp_path / "chatty_module.py"
    chatty.write_text("print('hello from a module')\n")
    done = run("version", "--json", "--module", chatty)
    assert json.loads(done.stdout)["command"] == "version"
    assert "hello from a module" in done.stderr


def test_help_is_for_people() -> None:
    assert run("encode", "--json", "--help").stdout == run("encode", "--help").stdout
    assert run("--version", "--json").stdout.startswith("ppkt-zoo ")


def test_after_two_dashes_it_is_a_name() -> None:
    assert "--json" in run("show", "--", "--json", code=2).stderr
    assert run("show", "--", "--json", code=2).stdout == ""


def test_any_text_is_ascii_and_comes_back(tmp_path: Path) -> None:
    odd = Files(files=(tmp_path / "x\n\x1b[2J ü 😀", Path(os.fsdecode(b"\xff.ply"))))
    kind = answer_class("data pack")
    text = answered("data pack", kind(frames=1, shards=1, bytes=1, left_out=(), files=odd.files), [])
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["result"]["files"] == [str(tmp_path / "x\n\x1b[2J ü 😀"), "\\udcff.ply"]


def test_an_answer_of_another_command_is_a_bug() -> None:
    with pytest.raises(TypeError, match="encode answers by Encoded or EncodedMany, not by Files"):
        answered("encode", Files(files=()), [])


@pytest.mark.skipif(not hasattr(signal, "SIGTERM") or os.name == "nt", reason="this system has no SIGTERM")
def test_sigterm_is_a_document_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    large = write_cloud(tmp_path / "large.ply", rng.uniform(0, 9, (400_000, 3)), np.zeros((400_000, 3), np.uint8))
    command = [sys.executable, "-m", "ppkt_zoo", "encode", str(large), "-o", str(tmp_path / "o.npz"), "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert running.stdout is not None
        for line in running.stderr:
            if line.startswith("points"):
                break
        running.send_signal(signal.SIGTERM)
        written = running.communicate(timeout=120)[0]
    assert running.returncode == 143
    assert json.loads(written)["error"]["kind"] == "Terminated"


if __name__ == "__main__":
    KEPT.write_text(json.dumps(_fields(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
