"""Name → builder. The table is explicit, and nothing is imported before it is asked for.

Behind it stand the backbones of installed packages: entry points of the group ``ppkt_zoo.backbones``, found only when
asked for. In such a package's pyproject.toml::

    [project.entry-points."ppkt_zoo.backbones"]
    my_net = "my_package.my_net:my_net"

Only what the user installed can be found so; no weight and no Hub repository can name code to import.
"""

import fnmatch
import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from ppkt_zoo.errors import InputError, UnknownNameError
from ppkt_zoo.zoo.names import ARCHITECTURE, did_you_mean

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.points.input_spec import InputSpec

Builder = Callable[..., "Backbone"]
_AnyBuilder = TypeVar("_AnyBuilder", bound=Callable[..., Any])

GROUP = "ppkt_zoo.backbones"

#: Ours: a builder, or "module:function" until someone builds it.
_BUILDERS: dict[str, Builder | str] = {
    "pointnet2": "ppkt_zoo.backbones.pointnet2:pointnet2",
    "sr_unet": "ppkt_zoo.backbones.sr_unet:sr_unet",
    "sr_unet14": "ppkt_zoo.backbones.sr_unet:sr_unet14",
    "sr_unet14_slim": "ppkt_zoo.backbones.sr_unet:sr_unet14_slim",
    "sr_unet14_small": "ppkt_zoo.backbones.sr_unet:sr_unet14_small",
    "sr_unet18": "ppkt_zoo.backbones.sr_unet:sr_unet18",
    "sr_unet18_slim": "ppkt_zoo.backbones.sr_unet:sr_unet18_slim",
    "sr_unet34": "ppkt_zoo.backbones.sr_unet:sr_unet34",
}

_FOR_NOW = "under_test"

#: How a network is run, not what it is: never part of a weight.
_RUNTIME_ARGUMENTS = frozenset({"checkpointing"})

#: The voxel of PPKT's pretraining; a random network has no weight to ask.
DEFAULT_VOXEL_SIZE = 0.025


def list_backbones(filter: str = "*") -> list[str]:
    """Names of all backbones that match a wildcard (``"sr_*"``), sorted: ours, registered ones, installed ones."""
    return sorted(fnmatch.filter({*_BUILDERS, *_installed_names()}, filter))


def register_backbone(
    name: str, builder: _AnyBuilder | None = None
) -> _AnyBuilder | Callable[[_AnyBuilder], _AnyBuilder]:
    """Give a backbone of your own a name; ``@register_backbone("my_net")`` above its builder, or as a call.

    Args:
        name: lower case, digits and underscores, beginning with a letter.
        builder: ``builder(*, input_spec, **arguments) -> Backbone``; the arguments must be JSON values, since
            a weight's ``config.json`` records them.

    Raises:
        InputError: the name breaks the rule, or another builder has it already.
    """
    if not ARCHITECTURE.fullmatch(name):
        raise InputError(f"backbone name {name!r} must be lower case letters, digits and underscores, a letter first")

    def register(builder: _AnyBuilder) -> _AnyBuilder:
        known = _BUILDERS.get(name)
        # The same function of the same module may come again: a notebook's cell, run once more.
        if known is not None and address_of(known) != address_of(builder):
            raise InputError(f"backbone name {name!r} is taken already: choose another one")
        _BUILDERS[name] = builder
        return builder

    return register if builder is None else register(builder)


@contextmanager
def registered_for_now(builder: Builder | str) -> Iterator[str]:
    """Context in which a builder has a name, which it gives: its own, or one that is forgotten afterwards.

    Args:
        builder: or the name of one that is registered.
    """
    if isinstance(builder, str):
        yield builder
        return
    known = next((name for name, one in _BUILDERS.items() if one in (builder, address_of(builder))), None)
    if known is not None:
        yield known
        return
    _BUILDERS[_FOR_NOW] = builder
    try:
        yield _FOR_NOW
    finally:
        del _BUILDERS[_FOR_NOW]


def check_architecture(name: str) -> None:
    """Raise UnknownNameError, with the nearest right spellings, where no backbone has this name."""
    if name in _BUILDERS:
        return
    known = {*_BUILDERS, *_installed_names()}
    if name not in known:
        raise UnknownNameError(f"no backbone is called {name!r}: {did_you_mean(name, known)}")


def get_builder(name: str) -> Builder:
    """The builder of a backbone: registered, or offered by an installed package.

    Raises:
        UnknownNameError: no backbone has this name; the message lists the nearest ones.
        InputError: an installed package offers a name that is taken, or offers it and is broken.
    """
    check_architecture(name)
    if name not in _BUILDERS:
        installed = _load_installed(name)
        # Importing it may have registered the name by the decorator, too.
        if name not in _BUILDERS and installed is not None:
            register_backbone(name, installed)
    builder = _BUILDERS[name]
    _check_no_clash(name, builder)
    if isinstance(builder, str):
        module, _, function = builder.partition(":")
        builder = getattr(importlib.import_module(module), function)
    return builder


def create_backbone(name: str, *, input_spec: "InputSpec | None" = None, **arguments: Any) -> "Backbone":
    """Build a backbone with random parameters.

    Args:
        name: a name of :func:`list_backbones`.
        input_spec: how it wants its points; without it, voxels of 2.5 cm and RGB.
        arguments: of the builder. All that shape the network, defaults included, are noted on the backbone
            as ``architecture`` and ``arguments``, so that a weight made from it can be built again.

    Raises:
        UnknownNameError: no backbone has this name.
        InputError: an argument that the builder does not know, or one that JSON cannot hold; or as
            :func:`get_builder` does.
    """
    from ppkt_zoo.points.input_spec import InputSpec

    builder = get_builder(name)
    spec = InputSpec(voxel_size=DEFAULT_VOXEL_SIZE) if input_spec is None else input_spec
    complete = _complete_arguments(name, builder, arguments)
    backbone = builder(input_spec=spec, **complete)
    recorded = {key: value for key, value in complete.items() if key not in _RUNTIME_ARGUMENTS}
    vars(backbone).update(architecture=name, arguments=recorded)
    return backbone


def origin_of(backbone: "Backbone") -> tuple[str, dict[str, Any]]:
    """The architecture and arguments that :func:`create_backbone` noted on a backbone.

    Raises:
        InputError: the backbone was built by hand, so nobody could build it again.
    """
    notes = vars(backbone)
    if "architecture" not in notes or "arguments" not in notes:
        raise InputError(
            f"this {type(backbone).__name__} was not made by create_backbone, so its weight could not be loaded by "
            "name: register its builder with register_backbone and build it with create_backbone"
        )
    return notes["architecture"], dict(notes["arguments"])


def _complete_arguments(name: str, builder: Builder, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with the builder's defaults filled in, as JSON would give them back."""
    signature = inspect.signature(builder)
    try:
        bound = signature.bind(input_spec=None, **arguments)
    except TypeError as error:
        known = [key for key in signature.parameters if key != "input_spec"]
        raise InputError(f"{name} cannot be built so: {error}; it knows {', '.join(known) or 'no arguments'}") from None
    bound.apply_defaults()
    complete: dict[str, Any] = {}
    for key, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            complete.update(bound.arguments[key])
        elif key != "input_spec":
            complete[key] = bound.arguments[key]
    try:
        return json.loads(json.dumps(complete, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: its arguments must be JSON values to be recorded with a weight ({error})") from None


def _installed_names() -> set[str]:
    """Names that installed packages offer, and that a backbone may have; nothing is imported."""
    return {entry.name for entry in entry_points(group=GROUP) if ARCHITECTURE.fullmatch(entry.name)}


def address_of(builder: Callable[..., Any] | str) -> str:
    """``module:function`` of a builder."""
    if isinstance(builder, str):
        return builder
    return f"{builder.__module__}:{getattr(builder, '__qualname__', type(builder).__qualname__)}"


def _check_no_clash(name: str, builder: Callable[..., Any] | str) -> None:
    """Raise InputError where an installed package offers a name that is taken by another builder."""
    mine = address_of(builder)
    for entry in entry_points(group=GROUP, name=name):
        if entry.value.replace(" ", "") != mine:
            raise InputError(
                f"backbone name {name!r} is taken twice: by {mine} and by {_owner(entry)}: rename the package's entry "
                "point, or uninstall the package"
            )


def _load_installed(name: str) -> "Callable[..., Backbone] | None":
    """The builder that an installed package offers under a name, None where there is none; errors name the package."""
    found = list({entry.value: entry for entry in entry_points(group=GROUP, name=name)}.values())
    if not found or not ARCHITECTURE.fullmatch(name):
        return None
    if len(found) > 1:
        owners = " and by ".join(sorted(_owner(entry) for entry in found))
        raise InputError(f"backbone name {name!r} is offered twice: by {owners}: uninstall one of them")
    entry = found[0]
    try:
        builder: Callable[..., Backbone] = entry.load()
    except Exception as error:
        # Importing someone's module can raise anything; whatever it is, its owner is what helps.
        raise InputError(
            f"backbone {name!r} comes from {_owner(entry)}, which cannot be imported "
            f"({type(error).__name__}: {error}): mend, update or uninstall that package"
        ) from error
    if not callable(builder):
        raise InputError(
            f"backbone {name!r} comes from {_owner(entry)}, which is no builder but a {type(builder).__name__}: its "
            "entry point must name a function (*, input_spec, **arguments) -> Backbone"
        )
    return builder


def _owner(entry: EntryPoint) -> str:
    package = "a package without a name" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
    return f"{package} ({entry.value})"
