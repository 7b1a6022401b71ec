"""Features in 8 bits, for cosine similarity in the page: what they are, and how far the page's values may be off."""

from dataclasses import dataclass

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.page.planes import Packed, pack_array

#: Numbers reach from −127 to 127.
STEPS = 127
_LENGTH = 1e-12
_FEWEST = 4
# Rows that the error is measured against; every one of them is compared with all points.
_PROBES = 32
# Where nearly every row is another, a table of the different ones saves nothing.
_REPEATED = 0.8
_BLOCK = 1 << 17
# About how many bytes a number takes once it is packed. Where all channels would take this many times the room, that
# need not be tried; a room that is filled to this part is well used.
_BYTES, _HOPELESS, _FULL = 0.75, 1.6, 0.8
# So many rows are enough to find the strongest directions of all.
_FITTED = 50_000


@dataclass(frozen=True)
class PackedFeatures:
    """Features of a page.

    Attributes:
        arrays: ``features`` int8 (R, K), and ``feature_row`` uint32 (N,) where points share rows.
        scale: float32 (K,), what one step of a column is worth.
        channels: of the original features.
        unit: whether the page brings rows to length 1 (all channels are there), or takes them as they are.
        error: the largest difference to the cosine similarity of the original features that was measured.
    """

    arrays: dict[str, Packed]
    scale: np.ndarray
    channels: int
    unit: bool
    error: float

    @property
    def kept(self) -> int:
        """How many columns there are."""
        return len(self.scale)


def pack_features(features: np.ndarray, room: int) -> PackedFeatures:
    """Pack features (N, C) into at most ``room`` characters.

    Every row is brought to length 1, every channel gets a scale of its own. Where that is too large for the room,
    only the strongest directions of all rows are kept, as many as fit, but never fewer than four.

    Raises:
        InputError: NaN or infinity among them.
    """
    unit = unit_rows(features)
    channels = features.shape[1]
    values, scale = _quantised(unit)
    per_channel = _BYTES * 4 / 3 * len(_different(values)[0])
    if channels <= _FEWEST or channels * per_channel < _HOPELESS * room:
        arrays = _arrays(values)
        if channels <= _FEWEST or _characters(arrays) <= room:
            return PackedFeatures(arrays, scale, channels, True, _error(unit, values, scale, unit=True))
    some = unit[:: max(1, len(unit) // _FITTED)]
    _, axes = np.linalg.eigh((some.T @ some).astype(np.float64))
    strongest = np.ascontiguousarray(axes[:, ::-1]).astype(np.float32)
    kept, most = int(room / per_channel), channels - 1
    while True:
        kept = max(_FEWEST, min(kept, most))
        values, scale = _quantised(unit @ strongest[:, :kept])
        arrays = _arrays(values)
        size = _characters(arrays)
        if kept == _FEWEST or (size <= room and (kept == most or size > _FULL * room)):
            return PackedFeatures(arrays, scale, channels, False, _error(unit, values, scale, unit=False))
        if size > room:
            most = kept - 1
        kept = int(0.95 * kept * room / size)


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows of length 1, float32 (N, C); a row of zeros stays one. InputError where values are not finite."""
    unit = np.empty(features.shape, np.float32)
    for at in range(0, len(features), _BLOCK):
        rows = features[at : at + _BLOCK].astype(np.float32)
        length = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(length).all():
            row = at + int(np.flatnonzero(~np.isfinite(length[:, 0]))[0])
            raise InputError(f"features have NaN, infinity or values beyond 1e19 (among the shown rows, row {row})")
        unit[at : at + _BLOCK] = rows / np.maximum(length, _LENGTH)
    return unit


def _quantised(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = np.abs(values).max(axis=0) / STEPS
    scale[scale == 0] = 1.0
    return np.rint(values / scale).astype(np.int8), scale.astype(np.float32)


def _characters(arrays: dict[str, Packed]) -> int:
    return sum(one.characters for one in arrays.values())


def _arrays(values: np.ndarray) -> dict[str, Packed]:
    """The different rows in the order of their first use, and which of them each point has."""
    first, row = _different(values)
    if len(first) > _REPEATED * len(values):
        return {"features": pack_array(values)}
    return {"features": pack_array(values[first]), "feature_row": pack_array(row)}


def _different(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 (R,) that are all different, and the place in them uint32 (N,) of each row's like.

    Rows are told apart by a 64-bit sum; should two different ones share it, all rows count as different.
    """
    padded = np.zeros((len(values), -(-values.shape[1] // 8) * 8), np.int8)
    padded[:, : values.shape[1]] = values
    factors = np.random.default_rng(5).integers(1, 2**63, padded.shape[1] // 8, dtype=np.uint64) * 2 + 1
    words = padded.view(np.uint64)
    sums = (words * factors + (words >> np.uint64(29)) * factors[::-1]).sum(axis=1, dtype=np.uint64)
    _, first, inverse = np.unique(sums, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    first, row = first[order], rank[inverse.reshape(-1)]
    if not np.array_equal(values[first][row], values):
        everyone = np.arange(len(values))
        return everyone, everyone.astype(np.uint32)
    return first, row


def page_similarity(values: np.ndarray, scale: np.ndarray, picked: int, unit: bool) -> np.ndarray:
    """What the page's script computes, float32 (N,), from int8 (N, K); ``template/similarity.js`` is the same."""
    query = values[picked].astype(np.float32) * scale * scale
    result = values.astype(np.float32) @ query
    if unit:
        length = np.sqrt((values.astype(np.float32) ** 2) @ (scale * scale))
        result = result / np.maximum(length * length[picked], _LENGTH)
    found: np.ndarray = np.clip(result, -1, 1).astype(np.float32)
    return found


def _error(truth: np.ndarray, values: np.ndarray, scale: np.ndarray, unit: bool) -> float:
    """The largest difference between :func:`page_similarity` and the cosine of the full features, for some rows."""
    probes = np.unique(np.linspace(0, len(truth) - 1, _PROBES).astype(np.int64))
    ours = values * scale
    if unit:
        ours /= np.maximum(np.linalg.norm(ours, axis=1, keepdims=True), _LENGTH)
    worst = 0.0
    for at in range(0, len(truth), _BLOCK):
        part = slice(at, at + _BLOCK)
        found = np.clip(ours[part] @ ours[probes].T, -1, 1)
        worst = max(worst, float(np.abs(found - truth[part] @ truth[probes].T).max()))
    return worst
