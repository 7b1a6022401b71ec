"""A Hugging Face Space: drop a point cloud, see the features of its points, click one and see what is similar.

python examples/space/app.py           # here; needs pip install "ppkt-zoo[space]"

The page that it shows is that of `ppkt_zoo.view`: it runs in the visitor's browser and asks the server for nothing.
PPKT_ZOO_SPACE_WEIGHT names another weight, PPKT_ZOO_SPACE_POINTS how many points a file may have.
"""

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

import ppkt_zoo
from ppkt_zoo.data.own_cloud import OWN_ENDINGS, UP_AXES, load_cloud
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import one_line
from ppkt_zoo.points.units import METRES
from ppkt_zoo.rooms import make_room, room_cloud

WEIGHT = os.environ.get("PPKT_ZOO_SPACE_WEIGHT") or ppkt_zoo.default_weight()
MOST_POINTS = int(os.environ.get("PPKT_ZOO_SPACE_POINTS", 2_000_000))
# What one page shows: it travels to the browser with every cloud.
SHOWN_POINTS, SHOWN_MEGABYTES, HEIGHT = 150_000, 6.0, 640
UNITS, AXES = ("auto", *METRES), ("as the file says", "gravity", *UP_AXES)

ABOUT = f"""# A feature for every point of your point cloud

Drop a file, or take the sample. The page opens on the colours of the features; **click a point** and every other one is
coloured by its similarity to it. Weight: `{WEIGHT}`, pretrained without any 3D label, on the CPU.

    pip install ppkt-zoo && ppkt-zoo view scan.ply
"""

Shown = tuple[str, str, str]
SCRATCH = tempfile.TemporaryDirectory()


@lru_cache(maxsize=1)
def backbone() -> ppkt_zoo.Backbone:
    """The network, loaded at the first cloud."""
    return ppkt_zoo.load_backbone(WEIGHT)


def show_file(file: str | None, unit: str, up: str) -> Shown:
    """The page of a file, its features as a file, and what was done to it."""
    if not file:
        raise gr.Error("drop a file first, or take the sample")
    with warnings.catch_warnings(record=True) as told, told_to_the_visitor(Path(file).parent):
        warnings.simplefilter("always")
        cloud = load_cloud(file, unit=unit, up=None if up == AXES[0] else up)
        return _show(cloud.xyz, cloud.rgb, Path(file).name, [*cloud.notes, *(str(one.message) for one in told)])


def show_sample() -> Shown:
    """As :func:`show_file`, of a procedural room."""
    xyz, rgb, _, _ = room_cloud(make_room(3), spacing=0.04, views=4)
    with told_to_the_visitor():
        return _show(xyz, rgb, "a procedural room", [])


@contextmanager
def told_to_the_visitor(folder: Path | None = None) -> Iterator[None]:
    """What is wrong with a file is its owner's to read, without the folder that it lies in here; no other fault is."""
    try:
        yield
    except ppkt_zoo.PPKTZooError as error:
        raise gr.Error(one_line(str(error).replace(f"{folder}{os.sep}", ""))) from None


def _show(xyz: np.ndarray, rgb: np.ndarray | None, title: str, notes: list[str]) -> Shown:
    if len(xyz) > MOST_POINTS:
        raise InputError(f"{title} has {len(xyz):,} points, and this demo takes {MOST_POINTS:,}: thin it")
    features = backbone().encode(xyz, rgb, tile="auto")
    how: dict[str, Any] = {"points": SHOWN_POINTS, "megabytes": SHOWN_MEGABYTES, "height": HEIGHT}
    page = ppkt_zoo.view(xyz, rgb, features, title=title, weight=WEIGHT, **how)
    kept = Path(SCRATCH.name) / "features.npz"  # one at a time; Gradio takes a copy, which it deletes after an hour
    np.savez_compressed(kept, xyz=xyz, features=features.astype(np.float16))
    told = [f"{len(xyz):,} points, {features.shape[1]} channels each", *notes, *page.notes]
    return page._repr_html_(), str(kept), "\n".join(told)


def build() -> gr.Blocks:
    """The demo; ``launch`` starts it."""
    with gr.Blocks(title="ppkt-zoo", delete_cache=(3600, 3600)) as demo:
        gr.Markdown(ABOUT)
        with gr.Row():
            file = gr.File(label="point cloud or mesh", file_types=list(OWN_ENDINGS), type="filepath")
            with gr.Column():
                unit = gr.Dropdown(list(UNITS), value="auto", label="unit of its coordinates")
                up = gr.Dropdown(list(AXES), value=AXES[0], label="axis that points up")
                run, sample = gr.Button("Show", variant="primary"), gr.Button("A sample: a procedural room")
        page = gr.HTML(label="cloud", min_height=HEIGHT)
        notes, kept = gr.Textbox(label="what was done", lines=4), gr.File(label="features of all points")
        alone: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1}  # whichever button it was
        run.click(show_file, [file, unit, up], [page, kept, notes], api_name="show", **alone)
        sample.click(show_sample, [], [page, kept, notes], api_name="sample", **alone)
    demo.queue(max_size=16)
    return demo


if __name__ == "__main__":
    build().launch(max_file_size="200mb")
