"""A network without memory: what a config's arguments would build, to be held against a file before it is read."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from ppkt_zoo.errors import PPKTZooError, UnknownNameError, WeightError
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.entry_points import address_of
from ppkt_zoo.zoo.registry import create_backbone, get_builder
from ppkt_zoo.zoo.tensors import plain_torch

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

__all__ = ["build", "check_fits", "outline_of"]

# What making a tensor and drawing its numbers may take of calls, with room to spare; and what a builder may do besides.
_CALLS_A_TENSOR, _OTHER_CALLS = 16, 2_000
_OUR_BUILDERS = "ppkt_zoo."


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
            return build(config, tensors, where)
    except _NeedsNumbersError:
        return None


def build(config: NetworkConfig, tensors: int, where: str) -> "Backbone":
    """The network that a config names, with random parameters on the device that is set.

    Args:
        config, tensors, where: as for :func:`outline_of`.

    Raises:
        UnknownNameError: the architecture is not registered here.
        WeightError: its arguments or levels do not fit the builder of today.
    """
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


def check_fits(backbone: "Backbone", shapes: Mapping[str, tuple[int, ...]], where: str) -> None:
    """Hold a network against the tensors that a file claims to have.

    Raises:
        WeightError: a key is missing or unknown, or of another shape.
    """
    expected = {key: tuple(tensor.shape) for key, tensor in backbone.state_dict().items()}
    missing, extra = sorted(expected.keys() - shapes.keys()), sorted(shapes.keys() - expected.keys())
    parts = [f"lacks {_some(missing)}"] if missing else []
    parts += [f"has unknown {_some(extra)}"] if extra else []
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


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
