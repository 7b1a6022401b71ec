"""A benchmark's scripts, importable for a while."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scripts_on_path(folder: Path) -> Iterator[None]:
    """The folder on the path, and none of its modules left behind: their names are short."""
    before, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.path.append(str(folder.parent))
    try:
        yield
    finally:
        sys.path[:] = before
        for name in set(sys.modules) - modules:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder.parent):
                del sys.modules[name]
