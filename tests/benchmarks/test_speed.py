"""The scripts that measure speed, and their page: on made-up figures and on few voxels, never by the clock."""

import copy
from typing import Any

import pytest
import torch

from benchmarks.reports import speed
from benchmarks.speed import cost_curves, networks, peers, step_shares, timing
from ppkt_zoo.native import library

HERE = {"processor": "a", "cores": 2, "threads": 2, "load": 0.0}


def layer(native: float, torch_seconds: float, spconv: float) -> dict[str, Any]:
    seconds = {"native": native, "torch": torch_seconds, "spconv": spconv, "dense mm": 4.0, "dense oneDNN": 2.0}
    # A dense product of the same size as the layer's takes two seconds.
    return {"width": 32, "pass": "forward"} | networks.figures(seconds, 2.0 * 2048**3)


def measured(**more: Any) -> dict[str, Any]:
    return {
        "machine": HERE,
        "instructions": {"native": "x86_v3", "torch": "AVX2"},
        "clock": "seconds",
        "repeats": 3,
        "voxels": 10,
        "neighbours": 9.0,
        "layers": [layer(2.5, 7.5, 5.0)],
        **more,
    }


@pytest.fixture
def room() -> torch.Tensor:
    place = torch.cartesian_prod(torch.arange(40), torch.arange(20), torch.arange(3)).int()
    return torch.cat([torch.zeros(len(place), 1, dtype=torch.int32), place], dim=1)


def test_ratios_are_to_ours_and_the_share_to_the_faster_dense_product() -> None:
    row = layer(2.5, 7.5, 5.0)
    assert row["ratio"] == {"torch": 3.0, "spconv": 2.0}
    assert row["of dense"] == pytest.approx(0.8)
    assert "dense mm" not in row["seconds"]


def test_runs_take_turns_and_the_first_turn_does_not_count() -> None:
    turns: list[str] = []
    clock = iter([0.0, 100.0, 0.0, 100.0, 0.0, 1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 6.0])
    found = timing.interleaved({"a": lambda: turns.append("a"), "b": lambda: turns.append("b")}, 2, lambda: next(clock))
    assert turns == ["a", "b"] * 3
    assert found == {"a": 2.0, "b": 4.0}


@pytest.mark.parametrize("count", [100, 2400, 5000])
def test_voxels_are_a_part_of_a_room_or_several_rooms(room: torch.Tensor, count: int) -> None:
    found = timing.some_voxels(room, count)
    assert len(found.unique(dim=0)) == count
    assert int(found[-1, 0]) == (count - 1) // len(room)
    timing.pairs(found)  # a grid takes only sorted voxels


def test_a_goal_is_met_by_its_figure_alone() -> None:
    goals = {one["against"]: one["met"] for one in speed.judge(measured()["layers"])}
    assert goals == {"spconv": False, "the torch engine": True, "the dense rate": True}
    # The torch engine alone, where the native library is missing, is judged by nobody.
    alone = networks.figures({"torch": 1.0, "dense mm": 1.0, "dense oneDNN": 1.0}, 1.0)
    assert speed.judge([{"width": 32, "pass": "forward"} | alone]) == []


def test_the_page_says_what_was_met_and_leaves_out_what_was_not_measured() -> None:
    short = speed.section(measured())
    assert "2 of 3 are met" in short
    assert "| submanifold 3³, 32 channels, forward | spconv | ≥ 4.50 | 2.00 | **not met** |" in short
    assert "| submanifold 3³, 32 channels, forward | 2.500 s | 3.00 | 2.00 | – | 80% | – |" in short
    for left_out in ("Training steps", "Cost by size", "Peak memory"):
        assert left_out not in short
    memory = [{"engine": "native", "bytes": 4e8, "activations": 2e8, "ratio": 2.0}]
    steps = [{"work": "pretraining, r", "native": 1.0, "torch": 2.5, "ratio": 2.5}]
    long = speed.section(measured(memory=memory), {"machine": HERE, "rows": steps}, {"machine": HERE})
    assert "3 of 5 are met" in long
    assert "| peak memory, `sr_unet34`, room | activations | ≤ 1.50 | 2.00 | **not met** |" in long
    assert "images/cost_curves.png" in long


def test_products_count_present_neighbours_and_the_way_back(room: torch.Tensor) -> None:
    network = networks.make("sr_unet14_small").eval()
    forward = networks.products(network, room, training=False)
    stem = 2.0 * timing.pairs(room) * 3 * 32
    assert networks.products(network, room, training=True) == pytest.approx(3 * forward - stem)
    # A lone voxel meets itself alone: one offset of each layer's kernel.
    alone = networks.products(network, room[:1], training=False)
    weights = [one for name, one in network.named_parameters() if one.ndim == 5 or "shortcut.0" in name]
    assert alone == pytest.approx(
        sum(2.0 * one.numel() / (one[0, ..., 0].numel() if one.ndim == 5 else 1) for one in weights)
    )


@pytest.mark.parametrize("training", [False, True])
def test_spconvs_network_has_our_numbers(room: torch.Tensor, training: bool) -> None:
    if not peers.has("spconv"):
        pytest.skip("spconv is not installed")
    network, feats = networks.make("sr_unet14_small").train(training), networks.features_of(room)
    peer = peers.SpconvUNet(network).train(training)
    with peers.spconv_trains(), torch.set_grad_enabled(training):
        ours, theirs = networks.forward(network, room, feats, "torch"), peer(room, feats)
        torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)
        if training:
            ours.square().mean().backward()
            theirs.square().mean().backward()
            mine, its = network.up[-1].up.conv.weight.grad, peer.up[-1][0].conv.weight.grad
            torch.testing.assert_close(its, mine, rtol=1e-2, atol=1e-3 * float(mine.abs().max()))


def test_ocnns_layer_has_our_numbers(room: torch.Tensor) -> None:
    pytest.importorskip("ocnn", reason="ocnn is not installed")
    from ppkt_zoo.sparse import Grid, SparseTensor, SubmanifoldConv3d

    feats, ours = torch.randn(len(room), 8), SubmanifoldConv3d(8, 8)
    with torch.no_grad():
        expected = ours(SparseTensor(feats, Grid(room), 1, "torch")).feats
        torch.testing.assert_close(peers.octree_layer(room, ours.weight)(feats), expected, rtol=1e-4, atol=1e-5)


def test_curves_are_drawn_with_and_without_memory(tmp_path: Any) -> None:
    rows = [
        {"voxels": count, "width": width, "engine": "torch", "with map": 0.1, "bytes": None}
        for count, width in ((10, 32), (100, 32), (50, 16), (50, 32))
    ]
    result = {"rows": rows, "width": 32, "voxels": 50}
    for place, weight in enumerate((None, 5e6)):
        told = copy.deepcopy(result)
        for row in told["rows"]:
            row["bytes"] = weight
        cost_curves.draw(told, tmp_path / f"{place}.png")
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()


def test_the_record_says_which_instructions_ran() -> None:
    found, native = timing.instructions(), library()
    assert found["native"] == ("none" if native is None else native.level)
    assert found["torch"]


def test_the_shares_of_a_step_are_all_of_it_and_each_call_has_its_part() -> None:
    found = step_shares.shares("torch", 1500, 1)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert min(found["shares"]["products"], found["shares"]["gathering and scattering"]) > 0
    assert step_shares.part_of("native.pack_weight") == "packing weights"
    assert step_shares.part_of("aten::add_") == step_shares.REST


def test_the_page_tells_the_shares_of_each_engine() -> None:
    rows = [
        {"engine": name, "seconds": seconds, "shares": {"products": 0.75, "the rest": 0.25}}
        for name, seconds in (("native", 0.4), ("torch", 1.2))
    ]
    shares = {"machine": HERE, "network": "sr_unet34", "voxels": 100, "rows": rows}
    page = speed.section(measured(), shares=shares)
    assert "| products | 300 ms (75%) | 900 ms (75%) |" in page
