"""The picture at the top of the README: scenes in colour, by their features, and by similarity to one point.

python tools/draw_readme_picture.py                      # ../shared/frames and a procedural room, see _SCENES
python tools/draw_readme_picture.py --weight local-dir:runs/mine/weight --out mine.png
python tools/draw_readme_picture.py --weight NEW --before OLD --out docs/images/before_after.png

A row for each scene; with ``--before`` a row for each of two weights, of real scenes alone. The real frames
are under permissive licences; whoever shows the picture names their sources.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[1]
# Where the package is installed elsewhere, nothing else leads to the checkout's benchmarks.
sys.path.insert(0, str(ROOT))

from benchmarks.machine import SHARED  # noqa: E402
from ppkt_zoo import load_backbone  # noqa: E402
from ppkt_zoo.backbones.base import Backbone  # noqa: E402
from ppkt_zoo.data.readers.plain import PlainFrames  # noqa: E402
from ppkt_zoo.evaluation.similarity import similarity  # noqa: E402
from ppkt_zoo.rooms import rooms_bench  # noqa: E402
from ppkt_zoo.visualization.camera import View, views  # noqa: E402
from ppkt_zoo.visualization.pca import ColorBasis  # noqa: E402
from ppkt_zoo.visualization.picture import render, save_picture  # noqa: E402
from ppkt_zoo.visualization.similarity import heat_colors  # noqa: E402

_HEIGHT, _WIDTH, _GAP, _TITLE = 400, 580, 20, 44
_MARK = (230, 30, 120)
# The mark, as a part of the cloud's extent; and the share of points that are shown as not similar at all.
_MARK_SIZE, _DARK = 0.012, 0.6


@dataclass(frozen=True)
class FrameScene:
    """One real frame.

    Attributes:
        folder: below ``frames/real_permissive``.
        index: of the frame.
        pixel: (u, v) of the marked point.
        far: metres from the camera beyond which nothing is shown.
    """

    folder: str
    index: int
    pixel: tuple[int, int]
    far: float

    def cloud(self, shared: Path) -> tuple[np.ndarray, np.ndarray, int, View]:
        """xyz, rgb, row of the marked point, and where it is looked at from."""
        frame = PlainFrames(shared / "frames" / "real_permissive" / self.folder)[self.index]
        xyz, rgb, pixel = frame.points(stride=max(1, frame.depth.shape[1] // 640))
        assert frame.pose is not None
        eye = frame.pose[:3, 3]
        near = np.linalg.norm(xyz - eye, axis=1) < self.far
        xyz, rgb, pixel = xyz[near], rgb[near], pixel[near]
        picked = int(np.abs(pixel - self.pixel).sum(axis=1).argmin())
        return xyz, rgb, picked, views(xyz, seen_from=eye)[0]


@dataclass(frozen=True)
class RoomScene:
    """A test room of rooms-bench.

    Attributes:
        index: of the room.
        place: (x, y, z) in metres, near the marked point.
    """

    index: int
    place: tuple[float, float, float]

    def cloud(self, shared: Path) -> tuple[np.ndarray, np.ndarray, int, View]:
        """xyz, rgb, row of the marked point, and where it is looked at from."""
        scene = rooms_bench().test()[self.index]
        assert scene.rgb is not None
        picked = int(np.linalg.norm(scene.xyz - self.place, axis=1).argmin())
        return scene.xyz, scene.rgb, picked, views(scene.xyz)[0]


# A white mug among the things on a table; a chair of a test room.
_SCENES: tuple[FrameScene | RoomScene, ...] = (
    FrameScene("uois-tabletop", 1, (306, 262), 1.5),
    RoomScene(5, (-0.121, -0.096, 0.767)),
)


_COMPARED: tuple[FrameScene | RoomScene, ...] = (_SCENES[0], FrameScene("uois-tabletop", 6, (370, 330), 1.6))


def main() -> None:
    """Encode the scenes, and lay each out three times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--weight", default="sr_unet14_small.ppkt_voc")
    parser.add_argument("--before", help="a weight to compare with")
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder with frames/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "features.png")
    asked = parser.parse_args()
    backbone = load_backbone(asked.weight)
    if asked.before is None:
        titles = ["colour", "features, shown as colours", "similarity to the marked point"]
        page = _laid_out(titles, [row(backbone, scene, asked.shared) for scene in _SCENES])
    else:
        other = load_backbone(asked.before)
        pairs = [[row(one, scene, asked.shared) for one in (other, backbone)] for scene in _COMPARED]
        titles = ["colour", *(f"{what}, {when}" for what in ("features", "similarity") for when in ("before", "after"))]
        rows = [[before[0], before[1], after[1], before[2], after[2]] for before, after in pairs]
        page = _laid_out(titles, rows)
    print(save_picture(page, asked.out))


def row(backbone: Backbone, scene: FrameScene | RoomScene, shared: Path) -> list[np.ndarray]:
    """A scene in colour, by its features, and by similarity to its marked point."""
    xyz, rgb, picked, view = scene.cloud(shared)
    readout = backbone.readout
    how = "similarity" if readout is not None and "similarity" in readout.spec.recommended else None
    features = backbone.encode(xyz, rgb, readout=how)
    found = similarity(features, picked)
    heat = heat_colors(found, float(np.quantile(found, _DARK)), 1.0)
    extent = float(np.linalg.norm(np.ptp(xyz, axis=0)))
    heat[np.linalg.norm(xyz - xyz[picked], axis=1) < _MARK_SIZE * extent] = _MARK
    return render(xyz, view, [rgb, ColorBasis.fit(features).colors(features), heat], _HEIGHT)


def _laid_out(titles: list[str], rows: list[list[np.ndarray]]) -> Image.Image:
    page = Image.new("RGB", (len(titles) * (_WIDTH + _GAP) + _GAP, len(rows) * (_HEIGHT + _GAP) + _TITLE), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(20)
    for column, title in enumerate(titles):
        draw.text((_GAP + column * (_WIDTH + _GAP), 14), title, (32, 36, 44), font)
    for number, images in enumerate(rows):
        for column, image in enumerate(images):
            left = _GAP + column * (_WIDTH + _GAP) + (_WIDTH - image.shape[1]) // 2
            top = _TITLE + number * (_HEIGHT + _GAP) + (_HEIGHT - image.shape[0]) // 2
            page.paste(Image.fromarray(image), (left, top))
    return page


if __name__ == "__main__":
    main()
