"""Where files are kept that can be made again."""

import os
from pathlib import Path

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.reading import usable_path


def default_cache() -> Path:
    """Where rendered rooms and teacher features are kept: ``PPKT_ZOO_CACHE``, else ``~/.cache/ppkt-zoo``.

    Raises:
        InputError: the variable names no path that the system can take, or nobody's home is known.
    """
    return usable_path(os.environ.get("PPKT_ZOO_CACHE") or "~/.cache/ppkt-zoo", InputError, "folder (PPKT_ZOO_CACHE)")
