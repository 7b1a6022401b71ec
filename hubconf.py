"""torch.hub: every registered backbone by its name.

torch.hub.load("path/to/ppkt-zoo", "sr_unet14", source="local")                     # random parameters
torch.hub.load("path/to/ppkt-zoo", "sr_unet14_small", source="local", weights="…")  # a tag of list_weights()
"""

from collections.abc import Callable as _Callable
from typing import Any as _Any

from ppkt_zoo.zoo.registry import list_backbones as _list_backbones

# What importing this file needs; what the entries need beyond it is named by their error.
dependencies = ["torch"]


def _make_entry(name: str) -> _Callable[..., _Any]:
    def entry(weights: str | None = None, **arguments: _Any) -> _Any:
        try:
            from ppkt_zoo.zoo.load import load_backbone
        except ModuleNotFoundError as error:
            raise ImportError(
                f"{name} needs the package {error.name!r}: pip install numpy pydantic safetensors huggingface_hub"
            ) from error
        return load_backbone(name, weights=weights, **arguments)

    entry.__name__ = entry.__qualname__ = name
    entry.__doc__ = f"""Backbone {name}: a feature for every point of a cloud, by its encode(xyz, rgb).

    Args:
        weights: None for random parameters, or a tag of ppkt_zoo.list_weights("{name}.*").
        arguments: engine, device and cache_dir; without weights also input_spec and the builder's own,
            see ppkt_zoo.load_backbone.

    Returns:
        ppkt_zoo.backbones.base.Backbone in eval mode.
    """
    return entry


globals().update({_name: _make_entry(_name) for _name in _list_backbones()})
