"""What a checkpoint claims, held against model and optimiser before one of its tensors is read."""

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from ppkt_zoo.files.safetensors import TensorShape

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_RANDOM = "random.torch"
_MAY_KEEP = {"max_exp_avg_sq"}  # of Adam with amsgrad


def check_claims(claimed: Mapping[str, TensorShape], scalars: object, model: nn.Module, optimizer: Optimizer) -> None:
    """Raise ValueError, with the reason, where a checkpoint's tensors or scalars fit neither model nor optimiser."""
    ours = model.state_dict()
    theirs = _part(claimed, "model.")
    if missing := sorted(set(ours) - set(theirs)):
        raise ValueError(f"it has no {missing[0]} of the model")
    if unknown := sorted(set(theirs) - set(ours)):
        raise ValueError(f"its {unknown[0]} is none of the model's")
    for name, tensor in ours.items():
        _check_like(name, theirs[name], tensor)
    average = _part(claimed, "average.")
    if average and (odd := sorted(set(average) ^ set(ours))):
        raise ValueError(f"its averaged parameters do not fit the model: {odd[0]}")
    for name, found in average.items():
        _check_like(name, found, ours[name])
    random = torch.get_rng_state()
    if _RANDOM not in claimed:
        raise ValueError("it has no random state")
    _check_like(_RANDOM, claimed[_RANDOM], random)
    if strange := [n for n in claimed if n != _RANDOM and not n.startswith(("model.", "average.", "optimizer."))]:
        raise ValueError(f"{strange[0]} has no place in a checkpoint")
    _check_optimizer(_part(claimed, "optimizer."), scalars, optimizer)


def _check_optimizer(claimed: Mapping[str, TensorShape], scalars: object, optimizer: Optimizer) -> None:
    if not isinstance(scalars, dict):
        raise ValueError("its header has no scalars of the optimiser")
    parameters = list(chain.from_iterable(group["params"] for group in optimizer.param_groups))
    names: dict[int, set[str]] = {}
    for key in (*claimed, *scalars):
        index, dot, name = key.partition(".")
        if not dot or not index.isdecimal() or len(index) > 9 or int(index) >= len(parameters):
            raise ValueError(f"{key} is none of the optimiser's")
        names.setdefault(int(index), set()).add(name)
        if key in claimed and claimed[key].shape not in ((), tuple(parameters[int(index)].shape)):
            raise ValueError(f"the optimiser's {key} has the shape {claimed[key].shape}")
        if key in claimed and claimed[key].dtype not in _DTYPES.values():
            raise ValueError(f"the optimiser's {key} is stored as {claimed[key].dtype}")
        if key in scalars and not (scalars[key] is None or isinstance(scalars[key], bool | int | float)):
            raise ValueError(f"the optimiser's {key} is no number")
    wanted = _kept_by(optimizer)
    for index, found in names.items():
        if wanted is not None and found - _MAY_KEEP != wanted:
            odd = min((found - _MAY_KEEP) ^ wanted)
            raise ValueError(f"the optimiser's state of parameter {index} does not fit it: {odd}")


def _kept_by(optimizer: Optimizer) -> set[str] | None:
    """What an optimiser keeps for a parameter; None where that is not known here."""
    if isinstance(optimizer, SGD):
        return {"momentum_buffer"}
    if isinstance(optimizer, Adam | AdamW):
        return {"step", "exp_avg", "exp_avg_sq"}
    return None


def _check_like(name: str, found: TensorShape, tensor: Tensor) -> None:
    if found.shape != tuple(tensor.shape):
        raise ValueError(f"its {name} has the shape {found.shape}, the model wants {tuple(tensor.shape)}")
    if found.dtype != _DTYPES.get(tensor.dtype, found.dtype):
        raise ValueError(f"its {name} is stored as {found.dtype}")


def _part(claimed: Mapping[str, TensorShape], prefix: str) -> dict[str, TensorShape]:
    return {name.removeprefix(prefix): one for name, one in claimed.items() if name.startswith(prefix)}
