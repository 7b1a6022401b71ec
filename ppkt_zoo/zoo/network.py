"""From a config and the bytes of a safetensors file to a network, strictly.

What a config asks for is built without memory first (:mod:`ppkt_zoo.zoo.outline`) and held against what the file claims
to hold. Nothing global plays a part: not torch's default device and dtype, not its modes, not its random state.
"""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ppkt_zoo.errors import WeightError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.outline import build, check_fits, outline_of
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, plain_torch, read_claims, storage_dtype

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

# Drawing random parameters and putting the caller's random state back is for one thread at a time.
_DRAWING = threading.Lock()


def build_network(config: NetworkConfig, data: bytes, where: str) -> "Backbone":
    """Build the network that a config names and fill it from the bytes of its safetensors file, strictly.

    Returns:
        The network in eval mode, float32, on the CPU, with parameters that can be trained.

    Raises:
        UnknownNameError: the architecture is not registered here.
        WeightError: anything does not fit: header, arguments, keys, shapes, dtypes, levels, NaN.
    """
    shapes, outline = _checked_outline(config, data, where)
    with plain_torch(), memory_named(where, WeightError):
        tensors, _ = decode_tensors(data, where)
        network = _draw(config, len(shapes), where) if outline is None else outline
        check_fits(network, shapes, where)
        ready = _in_single_precision(network, tensors, config, where)
        if not _fill(network, ready):
            # A builder of another package keeps more than its state, such as a grid that is computed.
            network = _draw(config, len(shapes), where)
            network.load_state_dict(ready, strict=True)
    return network.eval()


def build_random(config: NetworkConfig, data: bytes, where: str) -> "Backbone":
    """The network that a config names, with random parameters; the caller's random state is not touched.

    Args:
        config, where: of the weight.
        data: its safetensors file, whose header tells how large the network may be.

    Raises:
        UnknownNameError, WeightError: as :func:`build_network` does.
    """
    shapes, _ = _checked_outline(config, data, where)
    with memory_named(where, WeightError):
        return _draw(config, len(shapes), where).eval()


def _checked_outline(
    config: NetworkConfig, data: bytes, where: str
) -> tuple[dict[str, tuple[int, ...]], "Backbone | None"]:
    shapes, header = read_claims(data, where)
    config.check_header(header, where)
    outline = outline_of(config, len(shapes), where)
    if outline is not None:
        check_fits(outline, shapes, where)
    return shapes, outline


def _draw(config: NetworkConfig, tensors: int, where: str) -> "Backbone":
    with _DRAWING, plain_torch(), torch.random.fork_rng(devices=[]):
        network = build(config, tensors, where).float()
    if next(_of_no_device(network), None) is not None:
        raise WeightError(
            f"{where}: {config.architecture} was built without memory: load it outside of init_empty_weights() and "
            "the like"
        )
    return network


def _in_single_precision(
    network: nn.Module, tensors: dict[str, Tensor], config: NetworkConfig, where: str
) -> dict[str, Tensor]:
    """The stored tensors, checked, as the network takes them; ``tensors`` is emptied on the way to spare memory."""
    expected = network.state_dict()
    ready = {}
    for key in list(tensors):
        tensor = tensors.pop(key)
        wanted = storage_dtype(expected[key], config.dtype)
        if tensor.dtype != wanted:
            raise WeightError(f"{where}: {key} is {tensor.dtype}, config.json ({config.dtype}) asks for {wanted}")
        check_finite(key, tensor, where)
        ready[key] = tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
    return ready


def _fill(network: nn.Module, tensors: dict[str, Tensor]) -> bool:
    """Lay tensors in the places of a network's own; whether that left nothing of it without memory.

    Not by ``load_state_dict(assign=True)``: what others patched into it (``init_empty_weights``) would throw them away.
    """
    # Old → new, the old one kept so that its id stays its own: a parameter that stands in two places stays one.
    placed: dict[int, tuple[nn.Parameter, nn.Parameter]] = {}
    for prefix, module in network.named_modules(remove_duplicate=False):
        at = f"{prefix}." if prefix else ""
        for name, old in module._parameters.items():
            if old is None or f"{at}{name}" not in tensors:
                continue
            if id(old) not in placed:
                new = nn.Parameter(tensors[f"{at}{name}"], old.requires_grad)
                placed[id(old)] = placed[id(new)] = old, new
            module._parameters[name] = placed[id(old)][1]
        for name, buffer in module._buffers.items():
            if buffer is not None and f"{at}{name}" in tensors:
                module._buffers[name] = tensors[f"{at}{name}"]
    return next(_of_no_device(network), None) is None


def _of_no_device(network: nn.Module) -> Iterator[Tensor]:
    for module in network.modules():
        kept: list[Any] = [*module._parameters.values(), *module._buffers.values()]
        for value in vars(module).values():
            kept += value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else [value]
        yield from (one for one in kept if isinstance(one, Tensor) and one.is_meta)
