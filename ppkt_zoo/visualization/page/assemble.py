"""The page's text: our template, the script and its checksum, and the data, escaped so that none of it can run."""

import base64
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from ppkt_zoo.files.text import one_line
from ppkt_zoo.visualization.page.pack import PackedPage

# In this order: a later part uses what an earlier one defines.
SCRIPTS = (
    "data", "similarity", "camera", "shaders", "renderer", "coloring", "overlay", "picking", "legend", "panes", "input",
    "screenshot", "main",
)  # fmt: skip
_PLACE = re.compile(r"\{\{(\w+)\}\}")
# For the data's own frame: names, notes and boxes, which are small.
_SPARE = 60_000
# Nothing is fetched, whatever stands in the page: only our own script and style are let in, by their checksums.
_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; base-uri 'none'; form-action 'none'"
)


@cache
def template(name: str) -> str:
    """The text of one of our files."""
    return (files(__package__) / "template" / name).read_text(encoding="utf-8")


@cache
def script() -> str:
    """All of the script, in one function of its own, without indentation and lines that only comment."""
    lines = "\n".join(template(f"{name}.js") for name in SCRIPTS).split("\n")
    parts = "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("//"))
    return f'"use strict";\n(() => {{\n{parts}\n}})();\n'


def overhead() -> int:
    """Characters of a page beside its arrays and its picture."""
    return len(script()) + len(template("page.css")) + len(template("page.html")) + _SPARE


def assemble(packed: PackedPage) -> str:
    """The whole page."""
    style = template("page.css")
    about = packed.about | {"arrays": {name: one.about for name, one in packed.arrays.items()}}
    values = {
        "policy": _POLICY.format(script=_checksum(script()), style=_checksum(style)),
        "title": html.escape(one_line(packed.about["title"], 200)),
        "style": style,
        "script": script(),
        "about": json_in_html(about),
        "arrays": "\n".join(
            f'<script type="text/plain" id="array-{name}">{one.text}</script>' for name, one in packed.arrays.items()
        ),
        "picture": base64.b64encode(packed.picture).decode("ascii"),
    }
    return _PLACE.sub(lambda place: values[place[1]], template("page.html"))


def json_in_html(value: Any) -> str:
    """JSON that can stand in a script element: it holds no letter that could end the element, only ASCII."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _checksum(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
