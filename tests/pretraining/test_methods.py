"""Every method trains from its recipe alone, ends in a weight, and its record says what it was."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ppkt_zoo import load_backbone, verify
from ppkt_zoo.engine.interrupt import Stopped
from ppkt_zoo.engine.metrics_log import read_metrics
from ppkt_zoo.errors import RecipeError
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.pretraining.trainer import pretrain
from tests.pretraining.tiny_recipe import tiny_recipe

VIEWS = {"pairs": 64, "dim": 8, "temperature": 0.4}


def walk(**changes: Any) -> dict[str, Any]:
    """The tiny recipe on rows of two overlapping views."""
    recipe = tiny_recipe(steps=3, checkpoint_every=3, **changes)
    recipe["data"] = [{**recipe["data"][0], "walk": True, "views": 2, "frames_per_room": 3}]
    return {name: value for name, value in recipe.items() if value is not None}


METHODS = {
    "point_contrast": (
        walk(method="point_contrast", teacher=None, loss=None, point_contrast=VIEWS),
        {"view_top1", "view_rank", "view_anchor_norm"},
        {"point_contrast.head.projection.weight"},
    ),
    "ppkt_point_contrast": (
        walk(method="ppkt_point_contrast", point_contrast=VIEWS),
        {"top1", "view_top1", "ppkt_loss", "point_contrast_loss", "rank"},
        {"upl.projection.weight", "head.projection.weight", "point_contrast.head.projection.weight"},
    ),
    "pixel_l2": (
        walk(method="pixel_regression", loss={"kind": "l2", "pairs": 64}),
        {"cosine"},
        {"regression.head.weight"},
    ),
    "pixel_cosine": (
        walk(method="pixel_regression", loss={"kind": "cosine", "pairs": 64}),
        {"cosine"},
        {"regression.head.weight"},
    ),
    "global_l2": (
        walk(method="global_distillation", loss=None, global_loss={"kind": "l2"}),
        {"cosine"},
        {"global.head.weight"},
    ),
    "global_kl": (
        walk(method="global_distillation", loss=None, global_loss={"kind": "kl", "temperature": 4.0}),
        {"cosine"},
        {"global.head.weight"},
    ),
    "crd": (
        walk(method="global_distillation", loss=None, global_loss={"kind": "crd", "dim": 8, "temperature": 0.07}),
        {"top1"},
        {"crd.head.weight", "crd.teacher_head.weight"},
    ),
    "ppkt_switches": (
        walk(
            loss={
                "dim": 8,
                "pairs": 64,
                "symmetric": True,
                "false_negative_similarity": 0.5,
                "pair_sampling": "voxel",
                "pair_voxel": 0.2,
                "level": "stride2",
                "upl": "mlp",
                "upl_sampling": "nearest",
                "point_head": "mlp",
            },
            ema=0.9,
            accumulate=2,
            precision="bf16",
        ),
        {"top1", "masked", "rank"},
        {"upl.projection.2.weight", "head.projection.2.weight"},
    ),
    "soft_classes": (
        walk(
            teacher={**tiny_recipe()["teacher"], "spec": {**tiny_recipe()["teacher"]["spec"], "stage": "layer4"}},
            soft_classes={"weight": 0.5, "temperature": 2.0},
        ),
        {"top1", "same_class", "soft_classes_loss"},
        {"upl.projection.weight", "soft_classes.head.weight"},
    ),
    "deep_supervision": (
        walk(loss={"dim": 8, "pairs": 64, "deep": {"stride4": 0.5, "stride2": 0.5}}),
        {"top1", "stride2_loss", "stride4_loss"},
        {"head.projection.weight", "deep.stride2.projection.weight", "deep.stride4.projection.weight"},
    ),
}


def run(tmp_path: Path, content: dict[str, Any], teacher: Path | None, cache: Path, **options: Any) -> Path:
    tmp_path.mkdir(exist_ok=True)
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(content))
    return pretrain(
        load_recipe(file), data={}, teacher=teacher, out=tmp_path / "run", cache=cache, workers=0, **options
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_and_makes_a_weight(name: str, tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    content, figures, heads = METHODS[name]
    folder = run(tmp_path, content, teacher_file if "teacher" in content else None, frame_cache)
    verify(f"local-dir:{folder}")
    lines = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert figures <= set(lines[-1])
    assert heads <= set(load_file(folder / "projection.safetensors"))
    record = yaml.safe_load((folder / "record.json").read_text())
    assert record["method"] == content.get("method", "ppkt")
    assert (record.get("teacher") is not None) == ("teacher" in content)


def test_scratch_is_the_untrained_backbone(tmp_path: Path, frame_cache: Path) -> None:
    content = tiny_recipe(method="scratch", steps=0)
    del content["teacher"], content["loss"]
    folder = run(tmp_path, content, None, frame_cache)
    verify(f"local-dir:{folder}")
    torch.manual_seed(content["seed"])
    untrained = load_backbone(
        "sr_unet14_small", weights=None, input_spec=load_backbone(f"local-dir:{folder}").input_spec
    )
    stored = load_file(folder / "model.safetensors")
    for key, tensor in untrained.state_dict().items():
        torch.testing.assert_close(stored[key], tensor.to(stored[key].dtype))
    assert not (folder / "projection.safetensors").exists()


def test_a_stopped_run_with_every_part_goes_on_to_the_same_numbers(
    tmp_path: Path, teacher_file: Path, frame_cache: Path
) -> None:
    content = walk(method="ppkt_point_contrast", point_contrast=VIEWS, accumulate=2, ema=0.8)
    content |= {"steps": 5, "checkpoint_every": 2}
    whole = run(tmp_path / "whole", content, teacher_file, frame_cache)
    with pytest.raises(Stopped, match="after 3 of 5 steps"):
        run(tmp_path / "parts", content, teacher_file, frame_cache, stop_after=3)
    parts = run(tmp_path / "parts", content, teacher_file, frame_cache)
    for name in ("model.safetensors", "projection.safetensors"):
        one, two = load_file(whole / name), load_file(parts / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name
    logged = [read_metrics(tmp_path / part / "run" / "metrics.jsonl") for part in ("whole", "parts")]
    assert [line["loss"] for line in logged[0]] == [line["loss"] for line in logged[1]]


def test_averaged_parameters_are_exported(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    folder = run(tmp_path, tiny_recipe(steps=3, ema=0.9), teacher_file, frame_cache)
    state = load_file(tmp_path / "run" / "checkpoints" / "step-00000003.safetensors")
    stored = load_file(folder / "model.safetensors")
    for key, tensor in stored.items():
        torch.testing.assert_close(tensor, state[f"average.student.{key}"].to(tensor.dtype))
    assert any(not torch.equal(state[f"average.student.{key}"], state[f"model.student.{key}"]) for key in stored)


def test_tensorboard_holds_the_figures(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(tmp_path, tiny_recipe(steps=3), teacher_file, frame_cache, tensorboard=True)
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    logged = [line["loss"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(logged)
    assert {"top1", "rank", "anchor_norm", "lr"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "point_contrast"}, "needs the section point_contrast"),
        ({"point_contrast": VIEWS}, "has no use for the section point_contrast"),
        ({"method": "ppkt_point_contrast", "point_contrast": VIEWS}, "needs a data entry with views: 2"),
        (
            walk(method="ppkt_point_contrast", point_contrast=VIEWS)
            | {"validation": {"every": 1, "data": {**tiny_recipe()["data"][0], "seed": 2}}},
            "set validation.data.views to 2",
        ),
        ({"method": "pixel_regression"}, "does not go with loss.kind nce"),
        ({"steps": 0}, "scratch has 0 steps"),
        ({"loss": {"kind": "l2", "symmetric": True}, "method": "pixel_regression"}, "belong to kind nce"),
        ({"method": "scratch", "steps": 0, "teacher": None, "loss": None, "soft_classes": {}}, "pixel pairs of loss"),
        ({"loss": {"deep": {"stride1": 0.5}}}, "deep names stride1"),
        ({"loss": {"deep": {"stride2": 0.0}}}, "greater than 0"),
        ({"loss": {"kind": "l2", "deep": {"stride2": 1}}, "method": "pixel_regression"}, "belong to kind nce"),
        ({"backbone": {"name": "sr_unet14_small", "input_spec": {"voxel_size": 0.1}, "module": "a b"}}, "dotted name"),
    ],
)
def test_methods_that_do_not_fit_their_sections(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe(**changes)))
    with pytest.raises(RecipeError, match=message):
        load_recipe(file)


def test_steps_without_neighbours_teach_pixels_alone(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    """One row of two views every second step, single frames in between."""
    content = walk(method="ppkt_point_contrast", point_contrast=VIEWS)
    single = tiny_recipe()["data"][0] | {"seed": 13, "per_step": 1}
    content["data"] = [content["data"][0] | {"per_step": 1}, single]
    run(tmp_path, content, teacher_file, frame_cache)
    losses = [line["point_contrast_loss"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert [loss > 0 for loss in losses] in ([True, False, True], [False, True, False])


def test_what_cannot_run_is_told(tmp_path: Path, teacher_file: Path, frame_cache: Path) -> None:
    with pytest.raises(RecipeError, match="none of this backbone's levels: stride16"):
        run(tmp_path, tiny_recipe(loss={"level": "stride3"}), teacher_file, frame_cache)
    with pytest.raises(RecipeError, match=r"loss\.deep 'stride3' is none of this backbone's levels: stride16"):
        run(tmp_path, tiny_recipe(loss={"deep": {"stride3": 1}}), teacher_file, frame_cache)
    with pytest.raises(RecipeError, match="soft_classes: resnet18 has no classes that are linear"):
        run(tmp_path, tiny_recipe(soft_classes={}), teacher_file, frame_cache)
    backbone = {"name": "sr_unet14_small", "input_spec": {"voxel_size": 0.1}, "module": "no_such_module_here"}
    with pytest.raises(RecipeError, match="no_such_module_here"):
        run(tmp_path, tiny_recipe(backbone=backbone), teacher_file, frame_cache)
    if not torch.cuda.is_available():
        with pytest.raises(RecipeError, match="fp16 needs a CUDA GPU"):
            run(tmp_path, tiny_recipe(precision="fp16"), teacher_file, frame_cache)
    without = tiny_recipe(method="scratch", steps=0)
    del without["teacher"], without["loss"]
    with pytest.raises(RecipeError, match="leave out --teacher"):
        run(tmp_path, without, teacher_file, frame_cache)
