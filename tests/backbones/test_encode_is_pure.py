"""encode() leaves the network as it is and depends on nothing global; hooks, wrappers and other parts are obeyed."""

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from accelerate import cpu_offload
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import spectral_norm

from ppkt_zoo.backbones import Backbone, SRUNet, pointnet2
from ppkt_zoo.backbones.norm import eval_twin, evaluating, freeze_batch_norm
from ppkt_zoo.errors import InputError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.input_spec import InputSpec

MakeCloud = Callable[..., PointCloud]
MakeNetwork = Callable[..., SRUNet]


@pytest.fixture(params=["sr_unet", "pointnet2"])
def network(request: pytest.FixtureRequest, make_network: MakeNetwork) -> Backbone:
    """A small network of either kind, in train mode, whose batch norms look trained."""
    if request.param == "sr_unet":
        return make_network().train()
    torch.manual_seed(0)
    made = pointnet2(input_spec=InputSpec(voxel_size=0.05), centers=(64, 32, 16, 8), neighbours=(8, 8, 4, 4))
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm1d):
            nn.init.uniform_(norm.running_var, 0.7, 1.3)
    return made.train()


def encoded(network: Backbone, cloud: PointCloud, **options: Any) -> Tensor:
    return network.encode(cloud.xyz, cloud.rgb, **options)


def test_other_threads_see_no_change_of_modes(network: Backbone, make_cloud: MakeCloud) -> None:
    """One thread is stopped in the middle while another encodes from begin to end, and the network is trained."""
    cloud = make_cloud()
    expected = encoded(copy.deepcopy(network).eval(), cloud)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inside, done, found = threading.Event(), threading.Event(), {}

    def wait(module: nn.Module, inputs: Any) -> None:
        if threading.current_thread().name == "slow":
            inside.set()
            done.wait(30)

    handle = network.register_forward_pre_hook(wait)
    slow = threading.Thread(target=lambda: found.setdefault("slow", encoded(network, cloud)), name="slow")
    slow.start()
    assert inside.wait(30)
    assert {part.training for part in network.modules()} == {True}
    found["quick"] = encoded(network, cloud)
    network.eval()
    network.train()
    done.set()
    slow.join()
    handle.remove()
    assert torch.equal(found["slow"], expected)
    assert torch.equal(found["quick"], expected)
    assert {part.training for part in network.modules()} == {True}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_frozen_part_stays_frozen(network: Backbone, make_cloud: MakeCloud) -> None:
    freeze_batch_norm(network)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    encoded(network, make_cloud())
    batch = CloudBatch.collate([make_cloud()])
    trained = network(batch)
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    last = list(network.level_channels)[-1]
    torch.testing.assert_close(trained[last], network.eval()(batch)[last], rtol=1e-4, atol=1e-4)


def test_hooks_run_and_may_keep_books_by_module(network: Backbone, make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    expected = encoded(network, cloud)
    names, seen = {module: name for name, module in network.named_modules()}, []

    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(names[module])
        module.seen = True

    handle = network.register_forward_hook(keep)
    assert torch.equal(encoded(network, cloud), expected)
    assert seen == [""]
    assert network.seen
    handle.remove()
    called = [name for name, module in network.named_modules() if not isinstance(module, nn.ModuleList)]
    for module in network.modules():
        module.register_forward_hook(keep)
    torch.testing.assert_close(encoded(network, cloud), expected, rtol=1e-4, atol=1e-4)
    assert set(called) <= set(seen)


def test_hooks_run_for_every_tile(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(voxel_size=0.1), make_cloud(4000, size=5.0)
    calls: list[nn.Module] = []
    network.register_forward_hook(lambda module, inputs, output: calls.append(module))
    encoded(network, cloud, tile=2.6)
    assert len(calls) == 4


def test_what_a_hook_keeps_is_not_written_over(network: Backbone, make_cloud: MakeCloud) -> None:
    kept: list[tuple[str, Tensor, Tensor]] = []

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            feats = getattr(output, "feats", output)
            if isinstance(feats, Tensor):
                kept.append((name, feats, feats.detach().clone()))

        return hook

    for name, module in network.named_modules():
        module.register_forward_hook(keep(name))
    encoded(network, make_cloud())
    network(CloudBatch.collate([make_cloud()]))
    assert len(kept) > 20
    assert not [name for name, feats, then in kept if not torch.equal(feats, then)]


class Doubled(nn.Module):
    """Stands in another module's place, as an adapter does, and keeps it."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    @property
    def weight(self) -> Tensor:
        return self.inner.weight

    bias = None

    def forward(self, x: Tensor) -> Tensor:
        return 2 * self.inner(x)


def _linear(network: nn.Module) -> tuple[nn.Module, str]:
    """Where the first linear layer stands: its parent and its name."""
    for parent in network.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                return parent, name
    raise AssertionError


@pytest.mark.parametrize("training", [False, True])
def test_another_part_is_computed_as_it_says(network: Backbone, make_cloud: MakeCloud, training: bool) -> None:
    cloud, changed = make_cloud(), copy.deepcopy(network)
    parent, name = _linear(changed)
    with torch.no_grad():
        getattr(parent, name).weight.mul_(2)
    expected = encoded(changed, cloud)
    parent, name = _linear(network)
    setattr(parent, name, Doubled(getattr(parent, name)))
    torch.testing.assert_close(encoded(network.train(training), cloud), expected, rtol=1e-4, atol=1e-4)


class Louder(nn.BatchNorm1d):
    """A batch norm that does something else too."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def test_another_batch_norm_is_computed_as_it_says(network: Backbone, make_cloud: MakeCloud) -> None:
    cloud, changed = make_cloud(), copy.deepcopy(network)
    parent = next(part for part in changed.modules() if hasattr(part, "norm"))
    with torch.no_grad():
        parent.norm.weight.mul_(2)
        parent.norm.bias.mul_(2)
    expected = encoded(changed, cloud)
    parent = next(part for part in network.modules() if hasattr(part, "norm"))
    louder = Louder(parent.norm.num_features)
    louder.load_state_dict(parent.norm.state_dict())
    parent.norm = louder
    torch.testing.assert_close(encoded(network, cloud), expected, rtol=1e-4, atol=1e-4)
    network.train()(CloudBatch.collate([cloud]))


def test_hooks_that_compute_a_weight_are_obeyed(network: Backbone, make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    pruned = copy.deepcopy(network)
    parent, name = _linear(pruned)
    prune.l1_unstructured(getattr(parent, name), "weight", 0.5)
    before = encoded(pruned, cloud)
    with torch.no_grad():
        getattr(parent, name).weight_orig.mul_(3)
    assert not torch.equal(encoded(pruned, cloud), before)
    parent, name = _linear(network)
    spectral_norm(getattr(parent, name))
    state = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    encoded(network, cloud)
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())


def test_weights_that_accelerate_keeps_elsewhere(network: Backbone, make_cloud: MakeCloud) -> None:
    cloud = make_cloud()
    expected = encoded(network, cloud)
    network = cpu_offload(network, execution_device=torch.device("cpu"))
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    torch.testing.assert_close(encoded(network, cloud), expected, rtol=1e-4, atol=1e-4)


def test_a_network_without_numbers_is_told(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    with pytest.raises(InputError, match="the network is on the meta device"):
        encoded(make_network().to("meta"), make_cloud())


@pytest.mark.parametrize("ambient", ["meta device", "float64", "bfloat16", "inference mode"])
def test_nothing_global_changes_features(network: Backbone, make_cloud: MakeCloud, ambient: str) -> None:
    cloud = make_cloud()
    expected = encoded(network, cloud)
    if ambient == "meta device":
        with torch.device("meta"):
            found = encoded(network, cloud)
    elif ambient == "inference mode":
        with torch.inference_mode():
            found = encoded(network, cloud)
    else:
        torch.set_default_dtype(getattr(torch, ambient))
        try:
            found = encoded(network, cloud)
        finally:
            torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


def test_compiled_networks_give_the_same(network: Backbone, make_cloud: MakeCloud) -> None:
    cloud, batch = make_cloud(), CloudBatch.collate([make_cloud()])
    expected, network = encoded(network, cloud), network.eval()
    compiled = torch.compile(network, backend="eager")
    assert torch.equal(compiled.encode(cloud.xyz, cloud.rgb), expected)
    with torch.no_grad():
        assert torch.equal(compiled(batch)[list(network.level_channels)[-1]], expected)
    compiled(batch)[next(iter(network.level_channels))].sum().backward()
    assert any(parameter.grad is not None for parameter in network.parameters())
    network.compile(backend="eager")
    assert torch.equal(encoded(network, cloud), expected)


def test_a_part_that_hides_what_it_runs_is_put_into_eval_mode_itself(make_cloud: MakeCloud) -> None:
    module = nn.Sequential(nn.Dropout(0.5), torch.jit.trace(nn.Dropout(0.5).train(), torch.ones(3), check_trace=False))
    assert eval_twin(module) is None
    with evaluating(module) as same:
        assert same is module
        assert not module[0].training
    assert module[0].training


def test_a_twin_shares_all_but_modes() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    module.again = [module[0]]  # type: ignore[assignment]
    module.own = module.extra_repr  # type: ignore[assignment]
    with evaluating(module) as twin:
        assert not twin.training
        assert not twin[1].training
        assert module.training
        assert twin[0].weight is module[0].weight
        assert twin.again[0] is twin[0]
        assert twin.own.__self__ is twin
        assert isinstance(twin[0], nn.Linear)
        assert twin == module
        assert {module: 1}[twin] == 1
        twin.note = 5
    assert module.note == 5
    assert module[0].training


def test_an_empty_cloud_in_a_batch(network: Backbone, make_cloud: MakeCloud) -> None:
    network.eval()
    full = [make_cloud(400, 0), make_cloud(300, 1)]
    none = PointCloud(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8))
    for place in range(3):
        clouds = [*full[:place], none, *full[place:]]
        with torch.no_grad():
            found, expected = network(CloudBatch.collate(clouds)), network(CloudBatch.collate(full))
        for level in network.level_channels:
            torch.testing.assert_close(found[level], expected[level], rtol=1e-4, atol=1e-5)
            rows = torch.tensor([699, 0, 400])
            torch.testing.assert_close(found.at(level, rows), expected[level][rows], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="all clouds of the batch are empty"):
        network(CloudBatch.collate([none, none]))


@pytest.mark.parametrize("tile", [float("inf"), 1e30, 10**400, torch.tensor(1.0).numpy()[()], 3])
def test_columns_of_any_size_give_the_same(make_cloud: MakeCloud, make_network: MakeNetwork, tile: Any) -> None:
    network, cloud = make_network(), make_cloud()
    torch.testing.assert_close(encoded(network, cloud, tile=tile), encoded(network, cloud), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tile", [0, -1.0, float("nan"), "2", True, [1.0], -(10**400), 1e-9, 0.1, torch.tensor(2.0)])
def test_columns_that_cannot_be_are_refused(make_cloud: MakeCloud, make_network: MakeNetwork, tile: Any) -> None:
    with pytest.raises(InputError, match="tile"):
        encoded(make_network(), make_cloud(), tile=tile)


@pytest.mark.parametrize("levels", [5, None, b"stride1", ["stride1", None], [["stride1"]], {"stride3": 1}, 1.5, ()])
def test_levels_that_cannot_be_are_refused(make_cloud: MakeCloud, make_network: MakeNetwork, levels: Any) -> None:
    with pytest.raises(InputError, match="level"):
        encoded(make_network(), make_cloud(), levels=levels)


def test_levels_in_any_container(make_cloud: MakeCloud, make_network: MakeNetwork) -> None:
    network, cloud = make_network(), make_cloud()
    for levels in [{"stride1", "stride2"}, ["stride1", "stride2", "last"], (name for name in ("stride1", "stride2"))]:
        found: Any = encoded(network, cloud, levels=levels)
        assert set(found) == {"stride1", "stride2"}


@pytest.mark.parametrize("failure", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you")])
def test_too_little_memory_names_the_way_out(
    make_cloud: MakeCloud, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    network = make_network()

    def fail(self: SRUNet, x: Any) -> None:
        raise failure

    monkeypatch.setattr(SRUNet, "forward_voxels", fail)
    with pytest.raises(InputError, match=r"1500 points at once \(in columns, such as tile=5.*not enough memory"):
        encoded(network, make_cloud())
