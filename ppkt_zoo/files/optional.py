"""Libraries that only some data sets need: the extra ``datasets``."""

import importlib
from typing import Any

from ppkt_zoo.errors import FrameError


def need(module: str, what: str) -> Any:
    """Import a library of the extra ``datasets``.

    Args:
        module: its name, such as ``h5py`` or ``scipy.io``.
        what: what it is to read, for the error.

    Raises:
        FrameError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise FrameError(f'{what} needs {package}, which is not installed: pip install "ppkt-zoo[datasets]"') from error
