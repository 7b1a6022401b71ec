"""LAS and LAZ (ASPRS), by way of laspy, which comes with the extra ``ppkt-zoo[las]``."""

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError


def parse_las(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions float64 (N, 3), scale and offset applied, and colours uint16 (N, 3) or None.

    Raises:
        InputError: laspy (or, for LAZ, its decompressor) is not installed, or the file is damaged.
    """
    try:
        import laspy
    except ImportError:
        raise InputError(f'{where}: reading LAS needs laspy: pip install "ppkt-zoo[las]"') from None
    if content[:4] != b"LASF":
        raise InputError(f"{where}: not a LAS file: it does not begin with 'LASF'")
    try:
        file = laspy.read(io.BytesIO(content))
    except laspy.errors.LaspyException as error:
        if "LazBackend" in str(error):
            raise InputError(f'{where}: reading LAZ needs a decompressor: pip install "ppkt-zoo[las]"') from error
        raise InputError(f"{where}: this file is cut short or damaged ({error})") from error
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, RuntimeError, struct.error) as error:
        raise InputError(f"{where}: this file is cut short or damaged ({error})") from error
    if len(file.points) != file.header.point_count:
        raise InputError(f"{where}: {len(file.points)} points where the header announces {file.header.point_count}")
    xyz = np.stack([np.asarray(file[name], dtype=np.float64) for name in "xyz"], axis=1)
    channels = ("red", "green", "blue")
    if not all(name in file.point_format.dimension_names for name in channels):
        return xyz, None
    return xyz, np.stack([np.asarray(file[name], dtype=np.uint16) for name in channels], axis=1)
