"""``ppkt-zoo schema``: what stands in the JSON documents of the commands."""

from typing import Annotated

import typer

from ppkt_zoo.cli.contract import PROMISES
from ppkt_zoo.cli.declare import Answer


def _commands() -> list[str]:
    return list(PROMISES)


def schema(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[COMMAND]", help="Words of a command, such as encode or data inspect.", autocompletion=_commands
        ),
    ] = None,
) -> Answer:
    """Print the JSON Schema of what a command writes under --json; without COMMAND, the commands that have one."""
    from ppkt_zoo.cli.answers.about import Schema
    from ppkt_zoo.cli.answers.document import schema_of

    if not command:
        return Schema(commands=tuple(PROMISES), schemas={})
    name = " ".join(command)
    return Schema(commands=(name,), schemas={name: schema_of(name)})
