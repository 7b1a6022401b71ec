"""Where files are kept that can be made again."""

import os
from pathlib import Path


def default_cache() -> Path:
    """Where rendered rooms and teacher features are kept: ``PPKT_ZOO_CACHE``, else ``~/.cache/ppkt-zoo``."""
    return Path(os.environ.get("PPKT_ZOO_CACHE") or Path.home() / ".cache" / "ppkt-zoo")
