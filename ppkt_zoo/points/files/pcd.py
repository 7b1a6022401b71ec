"""Point Cloud Library's ``.pcd`` (version 0.7): ascii, binary, binary_compressed.

Source: https://pointclouds.org/documentation/tutorials/pcd_file_format.html. VIEWPOINT is not applied, as in
PCL's own reader.
"""

import struct
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.files.color_names import Columns, find_columns, plain_name
from ppkt_zoo.points.files.colors import bytes_of, from_harmonics, unpacked
from ppkt_zoo.points.files.number_rows import Layout, Target, count_rows, fill_rows, first_lines
from ppkt_zoo.points.files.pcd_header import PcdHeader, parse_header

_LITERAL_LIMIT = 32
# What writers leave behind the data: the rest of a page of memory, ends of lines.
_MOST_PADDING = 1 << 16
_Columns = dict[str, NDArray[Any]]


def lzf_decompress(packed: bytes | memoryview, size: int, where: str) -> bytes | bytearray:
    """Unpack LZF (Lehmann, LibLZF) to exactly ``size`` bytes; lengths and distances are checked against what is there.

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


def parse_pcd(content: bytes, where: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Positions (N, 3) as stored and colours (N, 3) or None; rows of an organised cloud in their order.

    Raises:
        InputError: the header is incomplete or contradicts itself or the data.

    Warns:
        InputWarning: fields look like colours and cannot be understood.
    """
    with memory_named(where, InputError):
        header = parse_header(content, where)
        names = [field.name for field in header.fields if not field.padding]
        columns = find_columns(names, where)
        if columns is None:
            missing = [name for name in "xyz" if name not in map(plain_name, names)] or list("xyz")
            listed = one_line(" ".join(field.name for field in header.fields), 200)
            raise InputError(f"{where}: no field {', '.join(missing)} among FIELDS {listed}")
        wanted = [names[place] for place in (*columns.xyz, *columns.colors)]
        read = {"ascii": _ascii, "binary": _binary}.get(header.data, _compressed)
        found = read(content, header, where, wanted)
        xyz = np.stack([found[names[place]][:, 0] for place in columns.xyz], axis=1)
        return xyz, _colors([found[names[place]] for place in columns.colors], columns, xyz, header, where)


def _ascii(content: bytes, header: PcdHeader, where: str, wanted: list[str]) -> _Columns:
    rows = count_rows(content, where, header.body)
    if rows != header.points:
        raise InputError(f"{where}: {rows} rows where the header announces {header.points} points")
    first = next(text for text, _, _ in first_lines(content, where, header.body))
    width = len(first.split())
    # PCL leaves padding fields out here, too.
    fields = [field for field in header.fields if not field.padding]
    if sum(field.count for field in fields) != width:
        fields = list(header.fields)
    announced = sum(field.count for field in fields)
    if announced != width:
        raise InputError(f"{where}: rows have {width} numbers where the header announces {announced}")
    starts = list(accumulate((field.count for field in fields), initial=0))
    picked = [(field, start) for field, start in zip(fields, starts, strict=False) if field.name in wanted]
    columns = tuple(place for field, start in picked for place in range(start, start + field.count))
    found = {field.name: np.empty((rows, field.count), field.dtype) for field, _ in picked}
    targets = [Target(array, f"field {one_line(name, 60)}") for name, array in found.items()]
    fill_rows(content, where, header.body, Layout(width, columns), targets, first_line=header.lines + 1)
    return found


def _binary(content: bytes, header: PcdHeader, where: str, wanted: list[str]) -> _Columns:
    size = header.bytes_per_point(padding=True)
    _check_size(content, header.body, header.points * size, where)
    return {
        field.name: np.ndarray(
            (header.points, field.count), field.dtype, content, header.body + offset, (size, field.dtype.itemsize)
        )
        for field, offset in zip(header.fields, header.offsets(), strict=True)
        if field.name in wanted
    }


def _compressed(content: bytes, header: PcdHeader, where: str, wanted: list[str]) -> _Columns:
    if len(content) < header.body + 8:
        raise InputError(f"{where}: cut short before the sizes of its compressed data")
    packed, unpacked_size = struct.unpack_from("<II", content, header.body)
    _check_size(content, header.body, 8 + packed, where)
    needed = header.points * header.bytes_per_point(padding=True)
    # PCL leaves padding fields out when it compresses.
    padding = unpacked_size == needed
    if not padding and unpacked_size != header.points * header.bytes_per_point(padding=False):
        raise InputError(
            f"{where}: compressed data announces {unpacked_size} bytes, but its points need {needed}: the header is "
            "wrong"
        )
    MAX_BYTES.check(unpacked_size, f"{where}: unpacked, its points", InputError)
    start = header.body + 8
    body = lzf_decompress(memoryview(content)[start : start + packed], unpacked_size, where)
    found, at = {}, 0
    # Field after field, each with all points.
    for field in header.fields:
        if field.padding and not padding:
            continue
        if field.name in wanted:
            values = np.frombuffer(body, field.dtype, header.points * field.count, at)
            found[field.name] = values.reshape(header.points, field.count)
        at += header.points * field.size
    return found


def _check_size(content: bytes, start: int, needed: int, where: str) -> None:
    size = len(content) - start
    cut, longer = size < needed, size > needed + _MOST_PADDING
    if cut or longer or content[start + needed :].strip(b"\0\r\n "):
        fault = "the file is cut short" if cut else "the header is wrong"
        raise InputError(f"{where}: {size} bytes of data where the header announces {needed}: {fault}")


def _colors(
    found: list[NDArray[Any]], columns: Columns, xyz: NDArray[Any], header: PcdHeader, where: str
) -> NDArray[Any] | None:
    if not found:
        return None
    if columns.form != "packed":
        colors = np.stack([column[:, 0] for column in found], axis=1)
        return from_harmonics(colors) if columns.form == "harmonics" else colors
    packed = found[0]
    if packed.shape[1] in (3, 4):
        # Not packed at all: three numbers in one field.
        return packed[:, :3]
    packed = packed[:, 0]
    if packed.dtype.kind != "f":
        return unpacked(packed, where)
    if packed.dtype.itemsize != 4:
        raise InputError(f"{where}: packed colour must have SIZE 4, got {packed.dtype.itemsize}")
    if header.data == "ascii" and (np.isnan(packed) & np.isfinite(xyz).all(axis=1)).any():
        raise InputError(
            f"{where}: some colours were written as nan (opaque colours as ascii floats) and are lost: "
            "write the file as binary, or rgb with TYPE U"
        )
    return bytes_of(packed)
