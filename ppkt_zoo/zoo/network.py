"""From a config and the bytes of a safetensors file to a network, strictly.

What a config asks for is built without memory first, on the meta device, and held against what the file claims to hold.
Nothing global plays a part: not torch's default device and dtype, not its modes, not its random state.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ppkt_zoo.errors import PPKTZooError, UnknownNameError, WeightError
from ppkt_zoo.files.limits import memory_named
from ppkt_zoo.files.text import first_few
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.registry import address_of, create_backbone, get_builder
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, plain_torch, read_claims, storage_dtype

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

# Drawing random parameters and putting the caller's random state back is for one thread at a time.
_DRAWING = threading.Lock()
# What making a tensor and drawing its numbers may take of calls, with room to spare; and what a builder may do besides.
_CALLS_A_TENSOR, _OTHER_CALLS = 16, 2_000
_OUR_BUILDERS = "ppkt_zoo."


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
        _check_fits(network, shapes, where)
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
        _check_fits(outline, shapes, where)
    return shapes, outline


def _draw(config: NetworkConfig, tensors: int, where: str) -> "Backbone":
    with _DRAWING, plain_torch(), torch.random.fork_rng(devices=[]):
        network = _build(config, tensors, where).float()
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


def outline_of(config: NetworkConfig, tensors: int, where: str) -> "Backbone | None":
    """The network that a config names, on the meta device: shapes without numbers, made in no time.

    Args:
        config: of the weight.
        tensors: that its file holds; a builder that goes far beyond is stopped.
        where: begins the messages.

    Returns:
        None where the builder of another package cannot work without numbers.

    Raises:
        UnknownNameError: the architecture is not registered here.
        WeightError: its arguments or levels do not fit the builder of today.
    """
    try:
        with plain_torch(), torch.device("meta"):
            return _build(config, tensors, where)
    except _NeedsNumbersError:
        return None


def _build(config: NetworkConfig, tensors: int, where: str) -> "Backbone":
    """The network that a config names, with random parameters on the set device; errors as :func:`outline_of`."""
    try:
        with _Budget(_CALLS_A_TENSOR * tensors + _OTHER_CALLS):
            backbone = create_backbone(config.architecture, input_spec=config.input_spec, **config.arguments)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{where}: {error} A weight never brings code along: where it is a backbone of your own or of a package, "
            "import the module that registers it, or install the package, and load again"
        ) from None
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        if _is_for_want_of_numbers(error, config.architecture):
            raise _NeedsNumbersError from None
        reason = str(error) or type(error).__name__
        raise WeightError(f"{where}: {config.architecture} cannot be built from its arguments ({reason})") from None
    if list(backbone.level_channels.items()) != list(config.levels.items()):
        raise WeightError(
            f"{where}: config.json promises levels {config.levels}, {config.architecture} has "
            f"{backbone.level_channels}: the weight was made by another version of it"
        )
    return backbone


def _check_fits(backbone: "Backbone", shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Hold a network against the tensors that a file claims to have: its keys and their shapes."""
    expected = {key: tuple(tensor.shape) for key, tensor in backbone.state_dict().items()}
    missing, extra = sorted(expected.keys() - shapes.keys()), sorted(shapes.keys() - expected.keys())
    parts = [f"lacks {first_few(missing, counted=True)}"] if missing else []
    parts += [f"has unknown {first_few(extra, counted=True)}"] if extra else []
    if parts:
        raise WeightError(f"{where} {' and '.join(parts)}: it is of another architecture; nothing was loaded")
    for key, shape in shapes.items():
        if shape != expected[key]:
            raise WeightError(
                f"{where}: {key} has shape {shape}, {vars(backbone).get('architecture')} needs {expected[key]}: the "
                "weight is of another architecture or other arguments"
            )


class _NeedsNumbersError(Exception):
    """A builder of another package reads numbers of its tensors, which the meta device does not have."""


class _Budget(TorchFunctionMode):
    """Ends a builder that makes far more tensors than the weight's file holds."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("they make a network far larger than the file's")
        return func(*args, **(kwargs or {}))


def _is_for_want_of_numbers(error: Exception, architecture: str) -> bool:
    return (
        "meta" in str(error).lower()
        and not isinstance(error, PPKTZooError)
        and not address_of(get_builder(architecture)).startswith(_OUR_BUILDERS)
    )
