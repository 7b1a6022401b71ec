"""Reads a page back as its script does, in Python: an independent way to what it holds."""

import base64
import html
import json
import re
import zlib
from typing import Any

import numpy as np

_TYPES = {"u8": np.uint8, "i8": np.int8, "u16": np.uint16, "u32": np.uint32}


def about_of(page: str) -> dict[str, Any]:
    """What the page says of itself."""
    found = re.search(r'<script type="application/json" id="about">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    about: dict[str, Any] = json.loads(found[1])
    return about


def array_of(page: str, name: str) -> np.ndarray:
    """One array, (N,) or (N, C)."""
    how = about_of(page)["arrays"][name]
    found = re.search(rf'<script type="text/plain" id="array-{name}">([A-Za-z0-9+/=]*)</script>', page)
    assert found is not None
    flat = np.frombuffer(zlib.decompress(base64.b64decode(found[1])), np.uint8)
    kind = np.dtype(_TYPES[how["type"]])
    planes = flat.reshape(how["columns"], kind.itemsize, how["rows"])
    values = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(kind)[:, :, 0]
    if how["changes"]:
        values = np.cumsum(values, axis=1, dtype=kind)
    return values[0] if how["columns"] == 1 else values.T


def places_of(page: str) -> np.ndarray:
    """float64 (M, 3), in the coordinates of the cloud."""
    about = about_of(page)
    places: np.ndarray = array_of(page, "position") * about["step"] + about["origin"]
    return places


def features_of(page: str) -> np.ndarray:
    """int8 (M, K), a row a point."""
    table = array_of(page, "features")
    table = table[:, None] if table.ndim == 1 else table
    rows: np.ndarray = table[array_of(page, "feature_row")] if "feature_row" in about_of(page)["arrays"] else table
    return rows


def title_of(page: str) -> str:
    """The text of its title element."""
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])
