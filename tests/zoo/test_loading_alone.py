"""Loading depends on nothing global: default dtype and device, modes, threads, the random state."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.load import load_backbone
from tests.zoo.tiny_weight import TinyNet, make_folder


@contextmanager
def set_for_a_time(change: Callable[[Any], object], value: object, back: object) -> Iterator[None]:
    change(value)
    try:
        yield
    finally:
        change(back)


def empty_weights(buffers: bool = False) -> AbstractContextManager[Any]:
    from accelerate import init_empty_weights

    return init_empty_weights(include_buffers=buffers)


AROUND = {
    "float64": lambda: set_for_a_time(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16": lambda: set_for_a_time(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "default device meta": lambda: set_for_a_time(torch.set_default_device, "meta", None),
    "default device cuda": lambda: set_for_a_time(torch.set_default_device, "cuda", None),
    "device meta": lambda: torch.device("meta"),
    "init_empty_weights": empty_weights,
    "init_empty_weights with buffers": lambda: empty_weights(True),
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "deterministic": lambda: set_for_a_time(torch.use_deterministic_algorithms, True, False),
}


def check(backbone: Any, expected: dict[str, torch.Tensor]) -> None:
    state = backbone.state_dict()
    assert state.keys() == expected.keys()
    for key, tensor in state.items():
        assert tensor.dtype == expected[key].dtype
        assert torch.equal(tensor, expected[key]), key
    for parameter in backbone.parameters():
        assert parameter.requires_grad
        assert not parameter.is_inference()
    assert not backbone.training


@pytest.mark.parametrize("around", AROUND)
def test_the_same_weight_comes_whatever_is_set_globally(folder: Path, around: str) -> None:
    name = f"local-dir:{folder}"
    expected = load_backbone(name).state_dict()
    random = torch.get_rng_state()
    with AROUND[around]():
        found = load_backbone(name)
    assert torch.equal(random, torch.get_rng_state())
    check(found, expected)
    found(make_batch(folder))["fine"].sum().backward()
    assert found.first.weight.grad is not None


def make_batch(folder: Path) -> Any:
    from ppkt_zoo.points.cloud import CloudBatch
    from tests.zoo.tiny_weight import make_cloud

    return CloudBatch.collate([make_cloud(50)])


@pytest.mark.parametrize("around", ["float64", "bfloat16", "default device meta", "device meta", "inference_mode"])
def test_a_random_network_is_float32_on_the_cpu_whatever_is_set(folder: Path, around: str) -> None:
    with AROUND[around]():
        networks = [load_backbone("tiny_net", weights=None), load_backbone(f"local-dir:{folder}", weights=None)]
    for network in networks:
        assert {(one.dtype, one.device.type) for one in network.parameters()} == {(torch.float32, "cpu")}


def test_a_random_network_without_memory_is_refused(folder: Path) -> None:
    with empty_weights():
        with pytest.raises(InputError, match="built without memory"):
            load_backbone("tiny_net", weights=None)
        with pytest.raises(WeightError, match="built without memory"):
            load_backbone(f"local-dir:{folder}", weights=None)


def test_threads_load_at_once_and_draw_on(folder: Path) -> None:
    name = f"local-dir:{folder}"
    expected = load_backbone(name).state_dict()
    torch.manual_seed(5)
    alone = [float(torch.rand(1)) for _ in range(200)]
    loaded: list[Any] = []
    threads = [threading.Thread(target=lambda: loaded.extend(load_backbone(name) for _ in range(5))) for _ in range(4)]
    torch.manual_seed(5)
    for thread in threads:
        thread.start()
    drawn = [float(torch.rand(1)) for _ in range(200)]
    for thread in threads:
        thread.join()
    assert drawn == alone, "loading in other threads does not touch the random state"
    assert len(loaded) == 20
    for one in loaded:
        check(one, expected)


class WithGrid(TinyNet):
    """Keeps a grid that its state does not hold, and reads a number while it is built."""

    def __init__(self, input_spec: InputSpec, width: int, reads: bool) -> None:
        super().__init__(input_spec, width)
        self.register_buffer("grid", torch.arange(4.0), persistent=False)
        self.steps = [each.item() for each in torch.linspace(0, 1, 3)] if reads else []
        self.table = [torch.ones(2)]
        self.tied = self.first


@pytest.mark.parametrize("reads", [False, True])
def test_a_backbone_that_keeps_more_than_its_state_comes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: bool
) -> None:
    def build(*, input_spec: InputSpec, width: int = 8) -> WithGrid:
        return WithGrid(input_spec, width, reads)

    monkeypatch.setitem(registry._BUILDERS, "tiny_net", build)
    folder = make_folder(tmp_path / "net")
    random = torch.get_rng_state()
    found: Any = load_backbone(f"local-dir:{folder.path}")
    assert torch.equal(random, torch.get_rng_state())
    assert found.grid.tolist() == [0, 1, 2, 3]
    assert found.table[0].tolist() == [1, 1]
    assert found.tied.weight is found.first.weight


@pytest.mark.parametrize("device", ["meta", "mps", "xpu", "hpu", "vulkan", "gpu", "cuda:99", ""])
def test_a_device_that_is_not_here_is_refused(folder: Path, device: str) -> None:
    with pytest.raises(InputError, match="device"):
        load_backbone(f"local-dir:{folder}", device=device)
