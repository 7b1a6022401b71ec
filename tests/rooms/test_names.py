"""The names of rooms mean the same whatever was imported before."""

import subprocess
import sys

import pytest

ORDERS = [
    ("from ppkt_zoo.rooms import render", "import ppkt_zoo.rooms.rendering.frame as frame"),
    ("import ppkt_zoo.rooms.rendering.frame as frame", "from ppkt_zoo.rooms import render"),
    (
        "import ppkt_zoo.rooms.rendering.textures",
        "from ppkt_zoo.rooms.rendering import frame",
        "from ppkt_zoo.rooms import render",
    ),
    ("import ppkt_zoo.data.rooms.render as frame", "from ppkt_zoo.rooms import render"),
    ("from ppkt_zoo.rooms import render", "import ppkt_zoo.data.rooms.render as frame"),
]


@pytest.mark.parametrize("lines", ORDERS)
def test_render_is_the_function_in_every_order_of_imports(lines: tuple[str, ...]) -> None:
    script = "\n".join((*lines, "import ppkt_zoo", "assert callable(render) and render is frame.render"))
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)
