"""`OnDevice`: data of several tensors that moves to a device as a whole."""

import copy
from typing import Any, Self

import torch


class OnDevice:
    """What of it has a method ``to``, such as a tensor, moves, lists and dicts item by item; the rest stays."""

    def to(self, device: torch.device | str) -> Self:
        """The same on another device."""
        moved = copy.copy(self)
        vars(moved).update({name: _moved(value, device) for name, value in vars(self).items()})
        return moved


def _moved(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, list):
        return [_moved(one, device) for one in value]
    if isinstance(value, dict):
        return {name: _moved(one, device) for name, one in value.items()}
    return value.to(device) if hasattr(value, "to") else value
