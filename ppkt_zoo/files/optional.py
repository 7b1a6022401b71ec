"""`need`: the one way to a library that a plain install does not have."""

import importlib
from typing import Any

from ppkt_zoo.errors import MissingLibraryError, PPKTZooError

__all__ = ["need"]

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
