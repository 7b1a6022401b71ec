"""From a config and the bytes of a safetensors file to a network, strictly."""

from typing import TYPE_CHECKING

import torch

from ppkt_zoo.errors import UnknownNameError, WeightError
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.registry import create_backbone
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, storage_dtype

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone


def build_network(config: NetworkConfig, data: bytes, where: str) -> "Backbone":
    """Build the network that a config names and fill it from the bytes of its safetensors file, strictly.

    Raises:
        UnknownNameError: the architecture is not registered here.
        WeightError: anything does not fit: header, keys, shapes, dtypes, levels, NaN.
    """
    tensors, header = decode_tensors(data, where)
    config.check_header(header, where)
    backbone = build_empty(config, where)
    expected = backbone.state_dict()
    _check_keys(set(expected), set(tensors), where)
    for key, tensor in tensors.items():
        wanted = storage_dtype(expected[key], config.dtype)
        if tensor.shape != expected[key].shape:
            raise WeightError(
                f"{where}: {key} has shape {tuple(tensor.shape)}, {config.architecture} needs "
                f"{tuple(expected[key].shape)}: the weight is of another architecture or other arguments"
            )
        if tensor.dtype != wanted:
            raise WeightError(f"{where}: {key} is {tensor.dtype}, config.json ({config.dtype}) asks for {wanted}")
        check_finite(key, tensor, where)
    backbone.load_state_dict({key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}, strict=True)
    return backbone.eval()


def build_empty(config: NetworkConfig, where: str) -> "Backbone":
    """The network that a config names, with random parameters; the caller's random state is not touched.

    Raises:
        UnknownNameError: the architecture is not registered here.
        WeightError: its arguments or levels do not fit the builder of today.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            backbone = create_backbone(config.architecture, input_spec=config.input_spec, **config.arguments)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"{where}: {error} A weight never brings code along: where it is a backbone of your own or of a package, "
            "import the module that registers it, or install the package, and load again"
        ) from None
    except (TypeError, ValueError, LookupError, ArithmeticError, RuntimeError) as error:
        raise WeightError(f"{where}: {config.architecture} cannot be built from its arguments ({error})") from None
    if list(backbone.level_channels.items()) != list(config.levels.items()):
        raise WeightError(
            f"{where}: config.json promises levels {config.levels}, {config.architecture} has "
            f"{backbone.level_channels}: the weight was made by another version of it"
        )
    return backbone


def _check_keys(expected: set[str], found: set[str], where: str) -> None:
    missing, extra = sorted(expected - found), sorted(found - expected)
    parts = [f"lacks {_some(missing)}"] if missing else []
    parts += [f"has unknown {_some(extra)}"] if extra else []
    if parts:
        raise WeightError(f"{where} {' and '.join(parts)}: it is of another architecture; nothing was loaded")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
