"""Read-outs in the benchmarks: the same features as ``encode`` gives, a choice by validation, tests apart from it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation import readouts
from benchmarks.evaluation.journal import Journal
from benchmarks.evaluation.material import TINY, Material
from benchmarks.evaluation.probing import LAST
from benchmarks.evaluation.read_out import (
    TODAY,
    chosen,
    facts,
    of_read_out,
    of_read_outs,
    ready,
    with_statistics,
    without,
)
from benchmarks.evaluation.readout_controls import RAW, UNTRAINED, control_key, network_key, raw_key, take_over
from benchmarks.evaluation.readout_tasks import Search, reported_tasks, scores, validation_tasks
from benchmarks.evaluation.readouts import CANDIDATES, choose
from benchmarks.evaluation.students import Pretrained, open_pretrained
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.zoo.record import Metric


@pytest.fixture(scope="module")
def weight() -> Pretrained:
    return open_pretrained("sr_unet14_slim.ppkt_voc")


def cloud(seed: int) -> PointCloud:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform((0, 0, 0), (1, 1, 0.1), (800, 3)).astype(np.float32)
    return PointCloud.from_arrays(xyz, rng.integers(0, 256, (800, 3), dtype=np.uint8))


def test_features_of_several_read_outs_are_those_of_encode(weight: Pretrained) -> None:
    backbone = with_statistics(weight.backbone, [cloud(0)])
    one, rows = cloud(1), np.array([5, 700, 5])
    found = of_read_outs(backbone, CANDIDATES)(one, rows)
    assert list(found) == [str(candidate) for candidate in CANDIDATES]
    for candidate in CANDIDATES:
        encoded = backbone.encode(one.xyz, one.rgb, **candidate.arguments()).numpy()[rows]
        np.testing.assert_array_equal(found[str(candidate)], encoded)
    last = of_read_out(backbone, TODAY)(one, rows)[LAST]
    np.testing.assert_array_equal(last, backbone.encode(one.xyz, one.rgb).numpy()[rows])


def test_the_best_mean_is_chosen_and_of_equals_the_cheaper_one() -> None:
    tasks = ("rooms", "kitchen", "mosd", "search in rooms", "search in the kitchen")
    found = {task: {str(one): {"mean": 0.5} for one in CANDIDATES} for task in tasks}
    assert set(choose(CANDIDATES, found).values()) == {TODAY}
    best = CANDIDATES[4]
    found["kitchen"][str(best)] = {"mean": 0.8}
    found["rooms"][str(best)] = {"mean": 0.3}
    found["rooms"][str(CANDIDATES[5])] = {"mean": 0.55}
    found["search in rooms"][str(CANDIDATES[2])] = {"mean": 0.6}
    chosen_ones = choose(CANDIDATES, found)
    assert chosen_ones == {"many_classes": best, "few_labels": TODAY, "similarity": CANDIDATES[2]}


def test_what_is_chosen_by_is_not_what_is_tested_on(shared: Path, tmp_path: Path) -> None:
    material = Material(shared, tmp_path, TINY)
    validation, test = validation_tasks(material), reported_tasks(material)
    assert list(validation) == list(test)
    assert validation["mosd"].fit_size + validation["mosd"].test_size == test["mosd"].fit_size
    # Of the kitchen's walk what is fitted on comes before what is chosen by, and that before what is tested on.
    kitchen, held_out = validation["kitchen"], test["kitchen"].fit_size - validation["kitchen"].test_size
    place = [material.kitchen_frame(index)[0].xyz for index in range(test["kitchen"].fit_size)]
    assert kitchen.test(0)[0].xyz.equal(place[held_out])
    assert kitchen.fit(kitchen.fit_size - 1)[0].xyz.equal(place[(held_out - 1) // 2 * 2])
    # The last validation frame of the table tops comes right before the first test frame.
    last = validation["mosd"].test(validation["mosd"].test_size - 1)[0].xyz
    before = material.table_top(test["mosd"].fit_size - 1)[0].xyz
    assert last.equal(before)
    assert not test["mosd"].test(0)[0].xyz.equal(before)


def test_a_search_scores_features_that_know_the_class_above_others() -> None:
    clouds = [cloud(seed) for seed in range(4)]
    label = np.arange(800) % 3
    task = Search(lambda index: (clouds[index], label), 4, 3, 200)

    def featurise(one: PointCloud, rows: np.ndarray) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(0).standard_normal((len(rows), 3))
        return {"knows": np.eye(3)[label[rows]] + 0.01 * noise, "guesses": noise}

    found = scores(task, featurise, [0, 1])
    assert found["knows"]["values"] == [1.0, 1.0]
    assert max(found["guesses"]["values"]) < 0.5
    assert found["knows"]["points"] == 600


def test_options_win_over_the_folder_s_recommendation_and_extras_can_be_left_out(weight: Pretrained) -> None:
    asked = readouts.read_arguments([str(weight.name)])
    for name in ("levels", "sampling", "extras", "views"):
        setattr(asked, name, None)
    spec = weight.folder.config.readout
    recommended = TODAY if spec is None else spec.recommended["many_classes"]
    assert chosen(weight, asked, "many_classes") == recommended
    asked.sampling, asked.extras = "trilinear", ["color", "height"]
    taken = chosen(weight, asked, "many_classes")
    assert taken == ReadOut(sampling="trilinear", extras=("color", "height"))
    assert without(taken, "height") == ReadOut(sampling="trilinear", extras=("color",))


def test_a_record_holds_the_chosen_read_out_beside_the_untrained_network(weight: Pretrained) -> None:
    best = str(CANDIDATES[4])
    entry = {"values": [0.3, 0.32], "points": 10}
    found = {
        "name": weight.name,
        "seeds": [0, 1],
        "chosen": {purpose: {"name": best} for purpose in readouts.PURPOSES},
        "test": {
            task: {weight.name: {best: entry}, UNTRAINED: {best: {"values": [0.1, 0.1], "points": 10}}}
            for tasks in readouts.PURPOSES.values()
            for task in tasks
        },
    }
    metrics = [Metric.model_validate(one) for one in readouts.metrics(found)]
    assert len(metrics) == 5
    assert len({(one.name, one.data) for one in metrics}) == 5
    assert metrics[0].control is not None
    assert (metrics[0].value, metrics[0].control.value) == (pytest.approx(0.31), pytest.approx(0.1))


@pytest.mark.slow
def test_read_outs_are_compared_from_end_to_end(shared: Path, tmp_path: Path) -> None:
    command = ["sr_unet14_slim.ppkt_voc", "--tiny", "--seeds", "2", "--most-views", "1", "--processes", "1"]
    folders = [word for name in ("out", "journal", "cache") for word in (f"--{name}", str(tmp_path))]
    readouts.main([*command, *folders, "--shared", str(shared)])
    assert (tmp_path / "readouts.json").exists()
    assert ready(open_pretrained("sr_unet14_slim.ppkt_voc"), Material(shared, tmp_path, TINY)).readout is not None


def test_weights_of_one_architecture_share_their_untrained_network(weight: Pretrained) -> None:
    config = weight.folder.config
    retrained = config.model_copy(update={"name": f"{config.architecture}.retrained"})
    coarser = config.model_copy(update={"input_spec": config.input_spec.model_copy(update={"voxel_size": 0.3})})
    assert network_key(retrained) == network_key(config)
    assert network_key(coarser) != network_key(config)


def test_an_untrained_network_that_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    best = CANDIDATES[4]
    found = {str(one): {"values": [0.1, 0.2], "mean": 0.15, "points": 10} for one in (TODAY, best)}
    entry = {
        "network": "ab12",
        "world": 3,
        "seeds": [0, 1],
        "candidates": [facts(one) for one in CANDIDATES],
        "test": {"mosd": {UNTRAINED: found, RAW: {RAW: {"values": [0.3, 0.4], "points": 10}}}},
        "machine": {"processor": "another"},
    }
    wanted = {"network": "ab12", "seeds": [0, 1], "world": 3}
    journal = Journal(tmp_path / "journal.jsonl")
    assert take_over(journal, [entry], wanted | {"network": "cd34"}) is None
    assert take_over(journal, [entry], wanted | {"world": 4}) is None
    assert take_over(journal, [entry], wanted | {"seeds": [0, 1, 2]}) is None
    assert control_key("mosd", [TODAY, best], 1) not in journal
    assert take_over(journal, [entry], wanted) == {"processor": "another"}
    # Measured anew it would fail.
    second = journal.remember(control_key("mosd", [TODAY, best], 1), pytest.fail)
    assert second[str(best)] == {"values": [0.2], "mean": 0.15, "points": 10}
    assert control_key("mosd", [TODAY], 1) not in journal
    assert journal.remember(raw_key("mosd"), pytest.fail)[LAST]["values"] == [0.3, 0.4]
    assert take_over(journal, [entry | {"controls_machine": {"processor": "first"}}], wanted) == {"processor": "first"}
