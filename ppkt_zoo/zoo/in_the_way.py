"""What stands where a cache wants a file of its own: removed where nothing is lost by it, else named."""

import os
import stat
from pathlib import Path

from ppkt_zoo.errors import WeightError

__all__ = ["make_way", "only_regular"]


def make_way(path: Path) -> None:
    """Remove the file, the link (never what it leads to), the pipe or the empty folder that stands there.

    Raises:
        WeightError: it is a folder that holds something, or it cannot be removed.
    """
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            path.rmdir()
        else:
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WeightError(f"{path}: this stands where a file belongs ({error.strerror}): remove it") from None


def only_regular(path: Path) -> None:
    """Remove what stands there and is no regular file: a pipe would be waited for, a link written through.

    Raises:
        WeightError: as :func:`make_way` does.
    """
    try:
        regular = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return
    if not regular:
        make_way(path)
