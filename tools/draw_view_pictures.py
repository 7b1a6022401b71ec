"""Draw the pictures of docs/view.md: pages of a procedural room in a browser without a window.

python tools/draw_view_pictures.py           # needs Chromium and ppkt-zoo[test]
"""

import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import ppkt_zoo  # noqa: E402
from ppkt_zoo.errors import InputError  # noqa: E402
from ppkt_zoo.files.writing import png_bytes, write_whole  # noqa: E402
from ppkt_zoo.rooms import make_room, room_cloud  # noqa: E402
from ppkt_zoo.rooms.room import CLASSES  # noqa: E402
from tests.support.chromium import Tab, why_not  # noqa: E402

IMAGES = ROOT / "docs" / "images"
_SIZE = (1240, 700)
_SEED = 7
# Neither surfaces of the room nor what is smaller than a chair's cushion.
_WITHOUT_BOX, _FEWEST = ("wall", "floor", "ceiling", "window", "door"), 600


def main() -> None:
    """Make the room, its pages, and a picture of each."""
    if reason := why_not():
        sys.exit(reason)
    xyz, rgb, label, instance = room_cloud(make_room(_SEED), spacing=0.015, seed=_SEED, views=24)
    weight, classes = ppkt_zoo.default_weight(), (label, CLASSES)
    features = ppkt_zoo.load_backbone(weight).encode(xyz, rgb)
    of_features = ppkt_zoo.view(xyz, rgb, features, classes, weight=weight, title="Furnished room")
    title = "Furnished room, with its true classes and boxes"
    of_boxes = ppkt_zoo.view(xyz, rgb, classes=classes, boxes=boxes_of(xyz, label, instance), title=title)
    with tempfile.TemporaryDirectory() as folder, Tab(Path(folder), _SIZE) as tab:
        for name, page, steps, place in (
            ("view.png", of_features, 2, (385, 520)),
            ("view_boxes.png", of_boxes, 3, None),
        ):
            tab.open(page.save(Path(folder) / "page.html").as_uri())
            tab.run("ppktZoo.setTheme(false)")
            if place is not None:
                tab.click(*place)
                tab.run("ppktZoo.point(null)")
            tab.frame()
            save(tab.picture(), IMAGES / name, steps)


def boxes_of(xyz: np.ndarray, label: np.ndarray, instance: np.ndarray) -> list[dict[str, object]]:
    """The upright box about each object, as ``ppkt-zoo detect`` would write it."""
    found: list[dict[str, object]] = []
    for number in np.unique(instance[instance > 0]):
        points = instance == number
        name = CLASSES[label[points][0]]
        if name not in _WITHOUT_BOX and points.sum() >= _FEWEST:
            low, high = xyz[points].min(axis=0), xyz[points].max(axis=0)
            found.append({"class": name, "center": (low + high) / 2, "size": high - low, "heading": 0.0})
    return found


def save(png: bytes, path: Path, bits: int) -> None:
    """Without the lowest bits of its colours, which nobody sees and which take half of the place."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    step = 1 << bits
    rounded = picture.point(lambda value: min(255, (value + step // 2) & ~(step - 1)))
    write_whole(path, png_bytes(rounded, optimize=True), InputError)


if __name__ == "__main__":
    main()
