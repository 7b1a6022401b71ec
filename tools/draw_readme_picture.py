"""The picture at the top of the README: a room in colour, by its features, and by similarity to one point.

python tools/draw_readme_picture.py FRAMES --intrinsics 585,585,320,240 --at X,Y,Z

FRAMES: any folder of RGB-D frames; the committed picture shows the red kitchen of 7-Scenes.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ppkt_zoo.visualization.camera import views
from ppkt_zoo.visualization.pca import ColorBasis
from ppkt_zoo.visualization.picture import render, save_picture
from ppkt_zoo.visualization.similarity import heat_colors

ROOT = Path(__file__).resolve().parents[1]
_HEIGHT, _GAP, _TITLE = 440, 24, 44
_MARK = (230, 30, 120)


def main() -> None:
    """Encode the frames by the command line, and lay one view of them out three times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("frames", type=Path)
    parser.add_argument("--at", default="0,0,0", help="the point that the others are compared with, x,y,z in metres")
    parser.add_argument("--weight", default="sr_unet14_small.ppkt_voc_rooms")
    parser.add_argument("--intrinsics", default=None)
    parser.add_argument("--every", default="2")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "features.png")
    asked = parser.parse_args()
    xyz, rgb, features = _encoded(asked)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True).clip(1e-12)
    at = np.array([float(number) for number in asked.at.split(",")])
    picked = int(np.linalg.norm(xyz - at, axis=1).argmin())
    similarity = unit @ unit[picked]
    near = np.linalg.norm(xyz - xyz[picked], axis=1) < 0.04
    heat = heat_colors(similarity, float(np.quantile(similarity, 0.6)), 1.0)
    heat[near] = _MARK
    panels = {
        "colour": rgb,
        "features: 64 numbers a point, shown as colours": ColorBasis.fit(features).colors(features),
        "similarity to the marked point": heat,
    }
    images = render(xyz, views(xyz)[0], list(panels.values()), _HEIGHT)
    print(save_picture(_side_by_side(list(panels), images), asked.out))


def _encoded(asked: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "features.npz"
        command = [sys.executable, "-m", "ppkt_zoo", "encode", str(asked.frames), "--weight", asked.weight]
        command += ["--every", asked.every, "--out", str(out)]
        command += ["--intrinsics", asked.intrinsics] if asked.intrinsics else []
        subprocess.run(command, check=True)
        with np.load(out) as file:
            return file["xyz"], file["rgb"], file["features"]


def _side_by_side(titles: list[str], images: list[np.ndarray]) -> Image.Image:
    height, width, _ = images[0].shape
    page = Image.new("RGB", (len(images) * (width + _GAP) + _GAP, height + _TITLE + _GAP), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(20)
    for number, (title, image) in enumerate(zip(titles, images, strict=True)):
        left = _GAP + number * (width + _GAP)
        page.paste(Image.fromarray(image), (left, _TITLE))
        draw.text((left, 14), title, (32, 36, 44), font)
    return page


if __name__ == "__main__":
    main()
