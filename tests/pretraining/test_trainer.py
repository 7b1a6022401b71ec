"""The whole path: a run ends in a weight that loads and verifies; a killed run ends in the same numbers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ppkt_zoo import load_backbone, verify
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import FrameError, RecipeError, TrainingError
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.rooms import RoomsFrames
from tests.pretraining.tiny_recipe import tiny_recipe

ROOT = Path(__file__).resolve().parents[2]
_RUN = """
import sys, torch
from pathlib import Path
torch.set_num_threads(1)
from ppkt_zoo.pretraining.trainer import pretrain
from ppkt_zoo.pretraining.recipe import load_recipe
recipe, teacher, out, cache = map(Path, sys.argv[1:5])
pretrain(load_recipe(recipe), data={}, teacher=teacher, out=out, cache=cache, workers=int(sys.argv[5]))
"""


def _start(recipe: Path, teacher: Path, out: Path, cache: Path, workers: int = 0) -> subprocess.Popen[bytes]:
    arguments = [str(argument) for argument in (recipe, teacher, out, cache, workers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _RUN, *arguments]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)


def _weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "weight" / "model.safetensors")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, teacher_file: Path, frame_cache: Path) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("finished")
    recipe = out / "tiny.yaml"
    recipe.write_text(yaml.safe_dump(tiny_recipe()))
    assert _start(recipe, teacher_file, out, frame_cache).wait(timeout=300) == 0
    return out


def test_a_run_ends_in_a_weight_that_verifies(finished: Path) -> None:
    verify(f"local-dir:{finished / 'weight'}")
    backbone = load_backbone(f"local-dir:{finished / 'weight'}")
    features = backbone.encode(torch.rand(50, 3).numpy(), torch.rand(50, 3).numpy())
    assert features.shape == (50, backbone.out_channels)
    lines = [line for line in read_metrics(finished / "metrics.jsonl") if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, 9))


def test_a_killed_run_goes_on_to_the_same_numbers(
    finished: Path, tmp_path: Path, recipe_file: Path, teacher_file: Path, frame_cache: Path
) -> None:
    run = _start(recipe_file, teacher_file, tmp_path, frame_cache)
    checkpoint = tmp_path / "checkpoints" / "step-00000003.safetensors"
    until = time.monotonic() + 240
    while not checkpoint.exists() and run.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    assert run.poll() is None, "the run ended before it could be killed"
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not (tmp_path / "weight").exists()
    assert _start(recipe_file, teacher_file, tmp_path, frame_cache).wait(timeout=300) == 0
    once, twice = _weights(finished), _weights(tmp_path)
    assert once.keys() == twice.keys()
    for name in once:
        assert torch.equal(once[name], twice[name]), name
    assert [line["loss"] for line in read_metrics(finished / "metrics.jsonl")] == [
        line["loss"] for line in read_metrics(tmp_path / "metrics.jsonl")
    ]


def test_sigterm_ends_with_a_checkpoint(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    recipe = tmp_path / "long.yaml"
    recipe.write_text(yaml.safe_dump(tiny_recipe(steps=10_000, checkpoint_every=10_000)))
    run = _start(recipe, teacher_file, tmp_path, frame_cache, workers=1)
    until = time.monotonic() + 240
    while not read_metrics(tmp_path / "metrics.jsonl") and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGTERM)  # as a scheduler does: to the data worker too
    assert run.wait(timeout=60) != 0
    assert len(list((tmp_path / "checkpoints").glob("step-*.safetensors"))) == 1


def test_the_number_of_workers_changes_nothing(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    recipe = load_recipe(_recipe_file(tmp_path, steps=4))
    numbers = []
    for workers in (0, 2):
        out = tmp_path / f"workers{workers}"
        pretrain(recipe, data={}, teacher=teacher_file, out=out, cache=frame_cache, workers=workers)
        numbers.append(load_file(out / "checkpoints" / "step-00000004.safetensors")["random.torch"])
    # What a dropout would draw.
    assert torch.equal(*numbers)
    assert all(
        torch.equal(tensor, _weights(tmp_path / "workers2")[name])
        for name, tensor in _weights(tmp_path / "workers0").items()
    )


def test_cached_and_online_teacher_agree(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    losses = []
    for features in ("cached", "online"):
        content = tiny_recipe(steps=1)
        content["teacher"]["features"] = features
        recipe = load_recipe(_recipe_file(tmp_path, **content))
        out = tmp_path / features
        pretrain(recipe, data={}, teacher=teacher_file, out=out, cache=frame_cache, workers=0)
        losses.append(read_metrics(out / "metrics.jsonl")[0]["loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-2)  # the cache holds half precision


def test_stop_after_leaves_a_checkpoint_and_no_weight(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    recipe = load_recipe(_recipe_file(tmp_path))
    with pytest.raises(Stopped, match="2 of 8"):
        pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path, cache=frame_cache, workers=0, stop_after=2)
    assert not (tmp_path / "weight").exists()
    assert [file.name for file in (tmp_path / "checkpoints").iterdir()] == ["step-00000002.safetensors"]


def test_a_non_finite_loss_stops_and_saves_the_batch(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    content = tiny_recipe(steps=30)
    content["optimiser"] = {"name": "sgd", "lr": 1e30, "warmup": 0.0}
    recipe = load_recipe(_recipe_file(tmp_path, **content))
    with pytest.raises(TrainingError, match="loss of step"):
        pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path, cache=frame_cache, workers=0)
    (saved,) = tmp_path.glob("failed-step-*.safetensors")
    assert {"xyz", "rgb", "point", "features.0"} <= load_file(saved).keys()


def test_unreadable_frames_are_skipped_and_counted(
    tmp_path: Path, teacher_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = RoomsFrames.__getitem__

    def one_is_damaged(self: RoomsFrames, index: int) -> RGBDFrame:
        if index == 1:
            raise FrameError("frame 1 is cut short")
        return read(self, index)

    monkeypatch.setattr(RoomsFrames, "__getitem__", one_is_damaged)
    recipe = load_recipe(_recipe_file(tmp_path, steps=4))
    folder = pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path, cache=tmp_path / "cache", workers=0)
    assert "2 of 8 frames were skipped" in (folder / "README.md").read_text()


def test_too_many_unreadable_frames_end_the_run(
    tmp_path: Path, teacher_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(self: RoomsFrames, index: int) -> RGBDFrame:
        raise FrameError(f"frame {index} is cut short")

    monkeypatch.setattr(RoomsFrames, "__getitem__", damaged)
    recipe = load_recipe(_recipe_file(tmp_path))
    with pytest.raises(TrainingError, match="not one of its 4 frames"):
        pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path, cache=tmp_path / "cache", workers=0)


def test_an_online_teacher_may_see_augmented_images(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    content = tiny_recipe(steps=2)
    content["teacher"] |= {
        "features": "online",
        "image_augmentation": {"flip": 0.5, "crop": [0.3, 1.0], "crop_aspect": 1.3, "brightness": 0.2},
    }
    recipe = load_recipe(_recipe_file(tmp_path, **content))
    verify(f"local-dir:{pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path, cache=frame_cache, workers=0)}")


def test_another_recipe_does_not_resume(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    file = _recipe_file(tmp_path)
    with pytest.raises(Stopped):
        pretrain(
            load_recipe(file), data={}, teacher=teacher_file, out=tmp_path, cache=frame_cache, workers=0, stop_after=1
        )
    with pytest.raises(TrainingError, match="another recipe"):
        pretrain(
            load_recipe(file, ["seed=6"]), data={}, teacher=teacher_file, out=tmp_path, cache=frame_cache, workers=0
        )


def test_data_that_changed_does_not_go_on(
    tmp_path: Path, teacher_file: Path, frame_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(_recipe_file(tmp_path))
    arguments = {"data": {}, "teacher": teacher_file, "out": tmp_path / "run", "cache": frame_cache, "workers": 0}
    with pytest.raises(Stopped):
        pretrain(recipe, stop_after=1, **arguments)  # type: ignore[arg-type]
    monkeypatch.setattr("ppkt_zoo.pretraining.sources.data_fingerprint", lambda sources: {sources[0].name: "0" * 64})
    with pytest.raises(TrainingError, match=r"'rooms-11' have changed since step 1 .*put them back"):
        pretrain(recipe, **arguments)  # type: ignore[arg-type]


def test_data_that_is_not_given_is_named(tmp_path: Path, teacher_file: Path) -> None:
    frames = {"kind": "frames", "name": "kitchen", "licence": "none"}
    recipe = load_recipe(_recipe_file(tmp_path, data=[frames]))
    with pytest.raises(RecipeError, match="--data kitchen=PATH"):
        pretrain(recipe, data={}, teacher=teacher_file, out=tmp_path)
    with pytest.raises(RecipeError, match="no data attic"):
        pretrain(recipe, data={"kitchen": tmp_path, "attic": tmp_path}, teacher=teacher_file, out=tmp_path)


def _recipe_file(tmp_path: Path, **changes: object) -> Path:
    file = tmp_path / "recipe-changed.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe(**changes)))
    return file
