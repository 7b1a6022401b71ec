"""LZF decompression (Lehmann's LibLZF, the format inside ``binary_compressed`` point clouds)."""

from ppkt_zoo.errors import InputError

__all__ = ["lzf_decompress"]

_LITERAL_LIMIT = 32


def lzf_decompress(packed: bytes | memoryview, size: int, where: str) -> bytes | bytearray:
    """Unpack to exactly ``size`` bytes; every length and distance is checked against what is there.

    No more than ``size`` bytes are ever made, and no more steps taken than a compressor needs for so many.

    Raises:
        InputError: the stream is cut short, points before its beginning, or gives another size.
    """
    # A compressor adds a byte to every 32 that it cannot pack.
    if len(packed) > size + size // _LITERAL_LIMIT + 64:
        raise InputError(f"{where}: {len(packed)} bytes of compressed data where the header announces {size} unpacked")
    out = bytearray()
    at, end = 0, len(packed)
    try:
        while at < end:
            control = packed[at]
            at += 1
            if control < _LITERAL_LIMIT:
                stop = at + control + 1
                if stop > end:
                    raise InputError(f"{where}: compressed data is cut short in a run of {control + 1} bytes")
                out += packed[at:stop]
                at = stop
            else:
                length = (control >> 5) + 2
                if length == 9:
                    length += packed[at]
                    at += 1
                distance = ((control & 31) << 8) + packed[at] + 1
                at += 1
                start = len(out) - distance
                if start < 0:
                    raise InputError(f"{where}: compressed data points {-start} bytes before its beginning")
                if distance >= length:
                    out += out[start : start + length]
                else:
                    # The copy overlaps what it writes: the last bytes repeat.
                    out += (out[start:] * (length // distance + 1))[:length]
            if len(out) > size:
                break
    except IndexError:
        raise InputError(f"{where}: compressed data is cut short in a back reference") from None
    if len(out) != size:
        raise InputError(f"{where}: compressed data gives {len(out)} bytes or more where the header announces {size}")
    return out
