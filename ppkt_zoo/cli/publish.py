"""``ppkt-zoo publish``: a weight folder onto the Hugging Face Hub."""

from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli.options import new_console


def publish(
    folder: Annotated[Path, typer.Argument(help="The weight folder.")],
    repo: Annotated[str, typer.Option(help="OWNER/NAME; made where it is missing.")],
    private: Annotated[
        bool,
        typer.Option("--private", help="Into a private repository alone."),
    ] = False,
    tag: Annotated[str | None, typer.Option(help="Of the commit; NAME-CREATED by default.")] = None,
    message: Annotated[str | None, typer.Option(help="Of the commit.")] = None,
    no_picture: Annotated[bool, typer.Option("--no-picture", help="Draw no features for the card.")] = False,
    manifest: Annotated[
        Path | None, typer.Option(help="File that gets the weight's entry; it is printed by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show all of it and send nothing.")] = False,
) -> None:
    """Prove a weight, push it with its card, fetch it back by its commit, prove it again, and list it.

    Log in first with `hf auth login`, or set HF_TOKEN.
    """
    from ppkt_zoo.cli.run.publish import publish_weight

    publish_weight(
        folder,
        repo,
        private=private,
        tag=tag,
        message=message,
        picture=not no_picture,
        manifest=manifest,
        dry_run=dry_run,
        console=new_console(),
    )
