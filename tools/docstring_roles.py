"""A griffe extension: Sphinx roles of our docstrings become plain Markdown code for the documentation site."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:class|func|meth|data|mod|attr|exc):`(~?)([\w.]+)`")


def as_markdown(text: str) -> str:
    """``:func:`~a.b.c``` becomes ``c`` in code style, ``:func:`a.b.c``` the whole name."""
    return _ROLE.sub(lambda role: f"`{role[2].rpartition('.')[2] if role[1] else role[2]}`", text)


class PlainRoles(griffe.Extension):
    """Applies :func:`as_markdown` to every docstring that is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
