"""The statistics of a weight's read-outs, as a file of its folder."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.readout_spec import ReadoutSpec
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, encode_tensors

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.backbones.readout import Readout

_MEAN, _SPREAD = "mean.", "spread."


def encode_readout(readout: "Readout") -> bytes:
    """The statistics as a safetensors file: ``mean.<level>`` and ``spread.<level>``, float32 (C,) each."""
    tensors: dict[str, torch.Tensor] = {}
    for level, (mean, spread) in readout.statistics.items():
        tensors |= {f"{_MEAN}{level}": mean, f"{_SPREAD}{level}": spread}
    return encode_tensors(tensors, None)


def decode_readout(data: bytes, spec: ReadoutSpec, levels: Mapping[str, int], where: str) -> "Readout":
    """The statistics of a file, held against the levels of config.json.

    Raises:
        WeightError: a tensor is missing, unknown, of another shape or dtype, or no statistics.
    """
    from ppkt_zoo.backbones.readout import Readout

    tensors, _ = decode_tensors(data, where)
    expected = {f"{kind}{level}": channels for level, channels in levels.items() for kind in (_MEAN, _SPREAD)}
    if set(tensors) != set(expected):
        raise WeightError(f"{where} must hold {', '.join(sorted(expected))}, it holds {', '.join(sorted(tensors))}")
    for name, channels in expected.items():
        value = tensors[name]
        if value.dtype != torch.float32 or value.shape != (channels,):
            raise WeightError(f"{where}: {name} must be float32 {(channels,)}, is {value.dtype} {tuple(value.shape)}")
        check_finite(name, value, where)
        if name.startswith(_SPREAD) and not bool((value > 0).all()):
            raise WeightError(f"{where}: {name} must be positive: get the weight again")
    return Readout({level: (tensors[f"{_MEAN}{level}"], tensors[f"{_SPREAD}{level}"]) for level in levels}, spec)


def attach_readout(network: "Backbone", readout: "Readout | None", where: str) -> None:
    """Give a network its read-outs.

    Raises:
        WeightError: one is recommended that the network does not know.
    """
    from ppkt_zoo.backbones.arguments import checked_reading

    network.readout = readout
    for purpose, how in ({} if readout is None else readout.spec.recommended).items():
        try:
            checked_reading(network, "last", readout=how)
        except InputError as error:
            raise WeightError(f"{where} recommends for {purpose} what its network does not know: {error}") from None
