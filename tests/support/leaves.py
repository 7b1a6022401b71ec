"""All commands of the command line, by the words that one types."""

from collections.abc import Iterator
from typing import Any

import typer

from ppkt_zoo.cli.main import app


def commands() -> dict[str, Any]:
    """Words → the framework's command, as ``data inspect``; groups are left out."""
    root = typer.main.get_command(app)
    return dict(_below(root, typer.Context(root, info_name="ppkt-zoo"), ""))


def _below(group: Any, context: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command, words = group.get_command(context, name), f"{before} {name}".strip()
        if isinstance(command, typer.core.TyperGroup):
            yield from _below(command, typer.Context(command, parent=context, info_name=name), words)
        else:
            yield words, command
