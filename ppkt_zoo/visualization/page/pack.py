"""From a cloud to what its page holds: points thinned and in 16 bits, colours and features in 8, within a budget."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.classes import class_colors
from ppkt_zoo.visualization.page.content import BoxSet, ClassSet, Content
from ppkt_zoo.visualization.page.features import PackedFeatures, pack_features
from ppkt_zoo.visualization.page.planes import Packed, along_curve, pack_array
from ppkt_zoo.visualization.page.start import Start, find_start, still_picture
from ppkt_zoo.visualization.page.thinning import Thinned, thin
from ppkt_zoo.visualization.pca import ColorBasis
from ppkt_zoo.visualization.picture import own_colors
from ppkt_zoo.visualization.point_spacing import point_spacing

_STEPS = 65_535
# Metres; a cloud of one place has steps all the same.
_SMALLEST_STEP = 1e-7
_NO_CLASS, _GREY = 65_535, (205, 205, 205)
# Of the room beside the picture, what points and colours may take where features come too.
_SHARE_OF_POINTS = 0.7
_LONGEST_NAME = 200
# A page of fewer shows nothing.
_FEWEST = 1000


@dataclass(frozen=True)
class PackedPage:
    """What the page holds.

    Attributes:
        about: everything but arrays, as JSON values.
        arrays: by name; their rows are points along a curve through the cloud.
        rows: int64 (M,), which row of the cloud each of these points is.
        picture: a JPEG file.
    """

    about: dict[str, Any]
    arrays: dict[str, Packed]
    rows: np.ndarray
    picture: bytes


def pack(content: Content, points: int, room: int) -> PackedPage:
    """Pack a cloud into at most ``points`` points and about ``room`` characters.

    Raises:
        InputError: features are not finite or do not fit the basis, or nothing fits into the room.
    """
    basis = content.basis
    if basis is None and content.features is not None:
        finite = np.isfinite(content.xyz).all(axis=1)
        basis = ColorBasis.fit(content.features if finite.all() else content.features[finite])
    share = _SHARE_OF_POINTS if content.features is not None else 1.0
    part = _Part.of(content, thin(content.xyz, points), basis)
    picture = part.picture()
    while part.characters > (allowed := int(share * (room - _in_page(picture)))):
        if len(part.rows) <= _FEWEST or allowed <= 0:
            raise InputError("a page of this size holds no points: give it more megabytes")
        fewer = max(_FEWEST, int(0.95 * len(part.rows) * allowed / part.characters))
        part = _Part.of(content, thin(content.xyz, fewer), basis)
        picture = part.picture()
    left = room - _in_page(picture) - part.characters
    features = None
    if content.features is not None:
        features = pack_features(content.features[part.rows], left)
        part.arrays.update(features.arrays)
    about = part.about | {"features": _about_features(features), "notes": _notes(content, part.thinned, features)}
    return PackedPage(about, part.arrays, part.rows, picture)


@dataclass(frozen=True)
class _Part:
    """Everything but the features themselves, which take the room that is left."""

    thinned: Thinned
    rows: np.ndarray
    place: np.ndarray
    colorings: list[tuple[str, np.ndarray]]
    start: Start
    arrays: dict[str, Packed]
    about: dict[str, Any]

    @classmethod
    def of(cls, content: Content, thinned: Thinned, basis: ColorBasis | None) -> "_Part":
        rows = _with_row(thinned.rows, content.picked)
        low, step, cells = _cells(content.xyz[rows])
        order = along_curve(cells)
        rows, cells = rows[order], cells[order]
        place = (cells * step).astype(np.float32)
        seen_from = None if content.seen_from is None else content.seen_from - low
        start = find_start(place, seen_from)
        heading, color = own_colors(content.xyz, content.rgb, rows)
        sizes, least, most = _sizes(place)
        arrays = {
            "position": pack_array(cells),
            "row": pack_array(rows.astype(np.uint32)),
            "size": pack_array(sizes),
            "color": pack_array(color),
        }
        colorings = [(heading, color)]
        if basis is not None and content.features is not None:
            colorings.append(("features", basis.colors(content.features[rows])))
            arrays["pca"] = pack_array(colorings[1][1])
        about = {
            "format": 1,
            "title": content.title[:_LONGEST_NAME],
            "points": len(rows),
            "total": len(content.xyz),
            "voxel": thinned.voxel,
            "origin": low.tolist(),
            "step": step,
            "size": [least, most],
            "has_color": content.rgb is not None,
            "start": start.about(),
            "picked": None if content.picked is None else int(np.flatnonzero(rows == content.picked)[0]),
            "boxes": None if content.boxes is None else _boxes(content.boxes, low, content.classes),
        }
        for name, classes in (("classes", content.classes), ("clusters", content.clusters)):
            about[name] = None
            if classes is not None:
                about[name], table, labels = _classes(classes, rows)
                arrays[name] = pack_array(labels)
                colorings.append((name, np.append(table, [_GREY], axis=0).astype(np.uint8)[labels_of(labels)]))
        return cls(thinned, rows, place, colorings, start, arrays, about)

    @property
    def characters(self) -> int:
        """What the arrays take in the page."""
        return sum(one.characters for one in self.arrays.values())

    def picture(self) -> bytes:
        """For browsers without WebGL2: own colours, and below them the features or, where there are none, classes."""
        return still_picture(self.place, self.colorings[:2], self.start.cameras)


def _in_page(picture: bytes) -> int:
    return 4 * len(picture) // 3


def labels_of(stored: np.ndarray) -> np.ndarray:
    """Classes as a page stores them (uint16, 65 535 for none) as int64 with −1 for none."""
    return np.where(stored == _NO_CLASS, -1, stored.astype(np.int64))


def _with_row(rows: np.ndarray, picked: int | None) -> np.ndarray:
    """The rows, in place of the nearest number the picked one where it is not among them."""
    if picked is None or picked in rows:
        return rows
    return np.sort(np.append(rows[:-1] if len(rows) > 1 else rows[:0], picked))


def _cells(xyz: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    """Smallest corner float64 (3,), metres of a step, and uint16 (M, 3)."""
    low = xyz.min(axis=0).astype(np.float64)
    step = max(float((xyz.max(axis=0) - low).max()) / _STEPS, _SMALLEST_STEP)
    return low, step, np.clip(np.rint((xyz - low) / step), 0, _STEPS).astype(np.uint16)


def _sizes(place: np.ndarray) -> tuple[np.ndarray, float, float]:
    """How far neighbours are apart, uint8 (M,) on a scale of ratios, and its two ends in metres."""
    spacing = point_spacing(place)
    least, most = float(spacing.min()), float(spacing.max())
    span = np.log(most / least) if most > least else 1.0
    return np.rint(255 * np.log(spacing / least) / span).astype(np.uint8), least, most


def _classes(classes: ClassSet, rows: np.ndarray) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """Name, colour and share of each class, the colours uint8 (K, 3), and uint16 (M,) with 65 535 for none."""
    table = class_colors(len(classes.names), classes.colors)
    count = np.bincount(classes.labels[classes.labels >= 0], minlength=len(classes.names))
    about = [
        {
            "name": name[:_LONGEST_NAME],
            "color": table[number].tolist(),
            "share": float(count[number] / len(classes.labels)),
        }
        for number, name in enumerate(classes.names)
    ]
    labels = classes.labels[rows]
    return about, table, np.where(labels < 0, _NO_CLASS, labels).astype(np.uint16)


def _boxes(boxes: BoxSet, low: np.ndarray, classes: ClassSet | None) -> list[dict[str, Any]]:
    """Boxes in the page's own coordinates; a class of points and one of boxes that share a name share a colour."""
    table = class_colors(len(boxes.names))
    if classes is not None:
        of_points = dict(zip(classes.names, class_colors(len(classes.names), classes.colors), strict=True))
        table = np.array([of_points.get(name, color) for name, color in zip(boxes.names, table, strict=True)])
        table = table.reshape(-1, 3)
    scores = [None] * len(boxes.boxes) if boxes.scores is None else [round(float(one), 4) for one in boxes.scores]
    return [
        {
            "center": [round(float(one), 5) for one in box[:3] - low],
            "size": [round(float(one), 5) for one in box[3:6]],
            "heading": round(float(box[6]), 5),
            "name": boxes.names[label][:_LONGEST_NAME],
            "color": table[label].tolist(),
            "score": score,
        }
        for box, label, score in zip(boxes.boxes, boxes.labels, scores, strict=True)
    ]


def _about_features(features: PackedFeatures | None) -> dict[str, Any] | None:
    if features is None:
        return None
    return {
        "channels": features.channels,
        "kept": features.kept,
        "scale": [float(f"{one:.8g}") for one in features.scale],
        "unit": features.unit,
        "error": features.error,
    }


def _notes(content: Content, thinned: Thinned, features: PackedFeatures | None) -> list[str]:
    """What a reader should know of this page, a sentence each."""
    shown, whole = len(thinned.rows), len(content.xyz)
    notes = [f"All {spaced(whole)} points are shown."]
    if thinned.voxel is not None:
        notes = [
            f"{spaced(shown)} of {spaced(whole)} points are shown: one of each cube of {_length(thinned.voxel)}, the "
            "point nearest its middle."
        ]
    elif shown < whole:
        notes = [f"{spaced(shown)} of {spaced(whole)} points are shown."]
    if thinned.without_position:
        notes.append(f"Left out: {_counted(thinned.without_position, 'row')} without a position (NaN or infinite).")
    if thinned.stray:
        notes.append(f"Left out: {_counted(thinned.stray, 'point')} far away from all others.")
    if content.rgb is None:
        notes.append("The cloud has no colour: points are grey, darker below and lighter above.")
    if features is not None:
        whose = f" of {content.weight}" if content.weight else ""
        fewer = "" if features.unit else f", of which the {features.kept} strongest directions are kept"
        notes.append(
            f"Features{whose}: {features.channels} channels{fewer}, in 8 bits. Similarity is the cosine; it differs "
            f"from that of the full features by {features.error:.3f} at most (measured)."
        )
    return [*notes, *content.notes]


def spaced(number: int) -> str:
    """188793 → ``188 793``, with narrow spaces that do not break."""
    return f"{number:,}".replace(",", "\u202f")


def _counted(number: int, noun: str) -> str:
    return f"{spaced(number)} {noun}{'' if number == 1 else 's'}"


def _length(metres: float) -> str:
    if metres >= 1:
        return f"{metres:.3g} m"
    return f"{metres * 100:.2g} cm" if metres >= 0.01 else f"{metres * 1000:.2g} mm"
