"""Backbones of installed packages: entry points of the group ``ppkt_zoo.backbones``, found only when asked for.

In the package's pyproject.toml::

    [project.entry-points."ppkt_zoo.backbones"]
    my_net = "my_package.my_net:my_net"

Only what the user installed can be found so; no weight and no Hub repository can name code to import.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from ppkt_zoo.errors import InputError
from ppkt_zoo.zoo.names import ARCHITECTURE

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

GROUP = "ppkt_zoo.backbones"


def installed_names() -> set[str]:
    """Names that installed packages offer, and that a backbone may have; nothing is imported."""
    return {entry.name for entry in entry_points(group=GROUP) if ARCHITECTURE.fullmatch(entry.name)}


def address_of(builder: Callable[..., Any] | str) -> str:
    """``module:function`` of a builder."""
    return builder if isinstance(builder, str) else f"{builder.__module__}:{builder.__qualname__}"


def check_no_clash(name: str, builder: Callable[..., Any] | str) -> None:
    """Raise InputError where an installed package offers a name that is taken by another builder."""
    mine = address_of(builder)
    for entry in entry_points(group=GROUP, name=name):
        if entry.value.replace(" ", "") != mine:
            raise InputError(
                f"backbone name {name!r} is taken twice: by {mine} and by {_owner(entry)}: rename the package's entry "
                "point, or uninstall the package"
            )


def load_installed(name: str) -> "Callable[..., Backbone] | None":
    """The builder that an installed package offers under a name; None where there is none.

    Raises:
        InputError: two packages offer it, or what is offered cannot be imported or called; the message names the
            package.
    """
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
