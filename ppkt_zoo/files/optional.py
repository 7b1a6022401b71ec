"""Imports on first use: libraries that a plain install lacks, and names of a package that cost nothing until then."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

from ppkt_zoo.errors import MissingLibraryError, PPKTZooError

# Where a library is installed under another name than it is imported by.
_INSTALLED_AS = {"sklearn": "scikit-learn"}


def need(module: str, extra: str, what: str, error: type[PPKTZooError] = MissingLibraryError) -> Any:
    """Import a library, or say what needs it and how it is installed.

    Args:
        module: its name, such as ``h5py`` or ``scipy.io``.
        extra: the extra of ppkt-zoo that installs it, such as ``datasets``.
        what: what needs it; begins the message.
        error: what is raised where it cannot be imported.

    Raises:
        error: it is not installed, or is and cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as failure:
        package = module.partition(".")[0]
        absent = (failure.name or "").partition(".")[0] == package
        reason = "is not installed" if absent else f"cannot be imported ({failure})"
        raise error(
            f'{what} needs {_INSTALLED_AS.get(package, package)}, which {reason}: pip install "ppkt-zoo[{extra}]"'
        ) from failure


def lazy_names(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package assigns to ``__getattr__`` and ``__dir__`` (PEP 562).

    Args:
        package: the package's ``__name__``.
        homes: full name of a module → the names in it that the package offers, spaces between.
    """
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(home_of[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home_of})

    return get, names
