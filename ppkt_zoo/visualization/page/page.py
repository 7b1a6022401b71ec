"""``view``: a cloud as a page to save or to see in a notebook."""

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.targets import check_file_target
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.visualization.page.assemble import assemble, overhead
from ppkt_zoo.visualization.page.content import Content
from ppkt_zoo.visualization.page.pack import pack
from ppkt_zoo.visualization.pca import ColorBasis

#: Points that a page shows at most, and its size in megabytes, unless told otherwise.
POINTS, MEGABYTES = 300_000, 12.0
_HEIGHT = 620


@dataclass(frozen=True)
class Page:
    """A page; in a notebook it shows itself.

    Attributes:
        html: the whole page. It makes no request, and needs no other file.
        rows: int64 (M,), which rows of the cloud it shows.
        notes: what it says of itself: thinning, what was left out, accuracy of the similarity.
        height: pixels that it takes in a notebook.
    """

    html: str
    rows: np.ndarray
    notes: tuple[str, ...]
    height: int = _HEIGHT

    def save(self, path: Path | str) -> Path:
        """Write the page, whole or not at all, making its folder; the path that was written.

        Raises:
            InputError: the path does not end in .html, or cannot be written.
        """
        target = Path(path)
        check_page_target(target, "the path of a page")
        write_whole(target, self.html, InputError, sync=False)
        return target

    def _repr_html_(self) -> str:
        """As notebooks ask for it: the page in a frame of its own, which may run its script and save screenshots."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" width="100%" height="{self.height}" '
            'sandbox="allow-scripts allow-downloads" style="border:0;border-radius:8px" '
            'title="point cloud" loading="lazy"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Page of {len(self.rows)} points, {len(self.html) / 1e6:.1f} MB: .save('cloud.html')>"


def view(
    xyz: Any,
    rgb: Any = None,
    features: Any = None,
    classes: Any = None,
    boxes: Any = None,
    *,
    clusters: Any = None,
    title: str = "point cloud",
    weight: str | None = None,
    basis: ColorBasis | None = None,
    seen_from: Any = None,
    picked: int | None = None,
    points: int = POINTS,
    megabytes: float = MEGABYTES,
    height: int = _HEIGHT,
) -> Page:
    """Show a cloud, its features and what was found in it, as one page that needs no network and no other file.

        page = ppkt_zoo.view(xyz, rgb, backbone.encode(xyz, rgb))
        page.save("cloud.html")

    In a notebook the page shows itself where it is the last line of a cell.

    Args:
        xyz: float (N, 3), metres, z up, numpy or torch. Rows with NaN or infinity are left out, and the page says so.
        rgb: uint8 (N, 3), or floats in [0, 1]; without it points are grey by height.
        features: float (N, C), a row a point. The page shows their main directions as colours, and the cosine
            similarity of all points to one that is clicked.
        classes: ``(labels, names)``: integers (N,) in 0..K−1, or −1 for none, and K names; or the integers alone.
        boxes: what :func:`ppkt_zoo.detect` gives; a list of dicts with ``center``, ``size``, ``heading``, ``class`` and
            ``score``, as ``ppkt-zoo detect`` writes it; or floats (K, 7). In the coordinates of ``xyz``.
        clusters: as ``classes``, for groups without names.
        title: heading of the page.
        weight: what made the features, for the page's remarks.
        basis: which feature gets which colour, see :class:`ppkt_zoo.visualization.pca.ColorBasis`; fitted to these
            features where not given.
        seen_from: (3,), where the sensor stood, for a cloud that was seen from one place.
        picked: row of a point that all others are compared with when the page opens.
        points: how many points are shown at most. Of a larger cloud one point of each small cube is.
        megabytes: of the page, at most. Where this many points do not fit, fewer are shown; where features do not,
            their strongest directions are kept. The page says so.
        height: pixels that the page takes in a notebook.

    Raises:
        InputError: an argument does not fit; the message names it and the mend.
    """
    content = Content.of(
        xyz, rgb, features, classes, boxes, clusters,
        title=str(title), weight=weight, basis=basis, seen_from=seen_from, picked=picked,
    )  # fmt: skip
    return make_page(content, points, megabytes, height)


def make_page(content: Content, points: int = POINTS, megabytes: float = MEGABYTES, height: int = _HEIGHT) -> Page:
    """The page of a content; arguments and errors as of :func:`view`."""
    if not isinstance(points, int) or points < 1:
        raise InputError(f"points must be a whole number of 1 or more, got {points!r}")
    room = int(megabytes * 1e6) - overhead() if megabytes > 0 else 0
    if room < 200_000:
        raise InputError(f"megabytes must be 0.3 or more, since the page needs room for itself, got {megabytes!r}")
    packed = pack(content, points, room)
    return Page(assemble(packed), packed.rows, tuple(packed.about["notes"]), height)


def check_page_target(path: Path, what: str) -> None:
    """Raise InputError where a path does not end in .html, or cannot be written; ``what`` begins the message."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{what} must end in .html, got {path.name!r}")
    check_file_target(path, InputError, what)
