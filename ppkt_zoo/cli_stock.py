"""``ppkt-zoo fetch`` and ``ppkt-zoo cache``: weights for machines that go offline, and what is kept."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ppkt_zoo.cli_common import new_console
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.text import unbroken


class KindName(StrEnum):
    """What may be kept."""

    hub = "hub"
    mirror = "mirror"
    rooms = "rooms"
    teacher = "teacher"


def fetch(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Weights of `list weights`.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every listed weight.")] = False,
    to: Annotated[
        Path | None, typer.Option(help="Lay those of the Hub into this folder too, as PPKT_ZOO_MIRROR wants them.")
    ] = None,
) -> None:
    """Have weights on this machine before it goes offline; every file is checked against its hash."""
    from ppkt_zoo.zoo.manifest import load_manifest
    from ppkt_zoo.zoo.stock import fetch_weights

    if bool(names) == everything:
        raise InputError("give names of weights, or --all")
    console = new_console()
    for spec, path in fetch_weights(load_manifest(), names or [], to):
        size = sum(entry.size for entry in spec.files.values()) / 1e6
        console.print(f"{spec.name}: {size:.1f} MB, {unbroken(path)}", markup=False, soft_wrap=True)


def cache(
    clear: Annotated[list[KindName] | None, typer.Option(help="Remove what is of this kind; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Show what is kept on this machine: weights, rendered rooms, features of teachers; or clear it.

    Weights of the Hub lie in its shared cache (HF_HOME), the rest under PPKT_ZOO_CACHE. What is cleared is fetched or
    made again when it is needed.
    """
    from ppkt_zoo.view.tables import Listing
    from ppkt_zoo.zoo.stock import clear as remove
    from ppkt_zoo.zoo.stock import list_kept

    console = new_console()
    kinds = [one.value for one in clear or []]
    kept = [one for one in list_kept() if not kinds or one.kind in kinds]
    table = Listing(box=None, pad_edge=False)
    for column in ("kind", "what", "MB", "where"):
        table.add_column(column, justify="right" if column == "MB" else "left", overflow="fold")
    for one in kept:
        table.add_row(one.kind, one.name, f"{one.size / 1e6:,.1f}", str(one.path))
    table.add_row("", f"{len(kept)} in all", f"{sum(one.size for one in kept) / 1e6:,.1f}", "")
    console.print(table)
    if kinds and kept and (yes or typer.confirm("remove these?")):
        console.print(f"removed {len(remove(kinds))}", markup=False)
