"""What is known of weights and backbones; whether weights are whole here; what lies on this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from ppkt_zoo.cli.answers.weights import (
    BackboneRow,
    Cached,
    CacheEntry,
    Fetched,
    FetchedWeight,
    Listed,
    Shown,
    ShownWeight,
    Verification,
    Verified,
    WeightRow,
)
from ppkt_zoo.cli.output import current
from ppkt_zoo.cli.run import tables
from ppkt_zoo.cli.streams import alert, new_console, on_terminal
from ppkt_zoo.errors import InputError, PPKTZooError, UnknownNameError
from ppkt_zoo.files.text import unbroken
from ppkt_zoo.zoo.manifest import BundledSource, WeightSpec, load_manifest

# What loads torch is imported where it is needed: `list` and `show` of a listed weight do without.
if TYPE_CHECKING:
    from ppkt_zoo.zoo.golden import VerifyReport


def list_weights(pattern: str) -> Listed:
    """The listed weights whose names match a wildcard."""
    table = tables.weights_table(pattern) if on_terminal(new_console()) else tables.weights_lines(pattern)
    found = Listed(weights=tuple(_row(one) for one in tables.listed(pattern)))
    return found.told(table if found.weights else _nothing("weight", pattern))


def list_backbones(pattern: str) -> Listed:
    """The architectures whose names match a wildcard."""
    rows = tables.backbone_rows(pattern)
    return Listed(backbones=tuple(rows)).told(tables.backbones_table(rows) if rows else _nothing("backbone", pattern))


def _nothing(what: str, pattern: str) -> str:
    return f"no {what} is listed" + ("" if pattern == "*" else f" that matches {pattern!r}")


def _row(weight: WeightSpec) -> WeightRow:
    record = weight.record
    return WeightRow(
        name=weight.name,
        parameters=record.parameters,
        voxel_size=weight.input_spec.voxel_size,
        bytes=_size(weight),
        source=weight.source,
        teacher=record.teacher.name if record.teacher else None,
        further_teachers=tuple(one.name for one in record.further_teachers),
        data=record.sources,
        licence=record.licences.weights,
        metrics=record.metrics,
    )


def show(name: str) -> Shown:
    """All about one weight, or about a backbone where the name has no tag.

    Raises:
        UnknownNameError, WeightError: no such name, or its files are damaged.
    """
    found = tables.find(name)
    if isinstance(found, BackboneRow):
        return Shown(backbone=found).told(tables.backbone_table(found))
    weight, spec, record = found
    shown = ShownWeight(name=weight, input_spec=spec, record=record)
    return Shown(weight=shown).told(tables.record_table(weight, spec.voxel_size, record))


def verify(name: str | None, everything: bool, engine: str, device: str) -> Verified:
    """Verify one weight, or all bundled or listed ones; each is told as soon as it is known.

    Raises:
        WeightError: the one that was named is not what it should be; of several, the answer says which are not.
    """
    from ppkt_zoo.zoo.load import verify as verify_weight

    if name is not None and everything:
        raise UnknownNameError(f"give the name {name!r} or --all, not both")
    every = [one.name for one in load_manifest().weights if everything or isinstance(one.source, BundledSource)]
    # In words they come as they are found, for it may take minutes; under --json nobody reads them.
    console, found = new_console(quiet=current().json), []
    for one in [name] if name else every:
        try:
            report = verify_weight(one, engine=engine, device=device)
        except PPKTZooError as error:
            if name is not None:
                raise
            alert("error", "bold red", error)
            found.append(Verification(name=one, verified=False, error=str(error)))
        else:
            console.print(Text.assemble(("✓ ", "bold green"), str(report)))
            found.append(_verified(report))
    answer = Verified(weights=tuple(found))
    return answer if found else answer.told("no weight is listed yet: nothing to verify")


def _verified(report: "VerifyReport") -> Verification:
    return Verification(
        name=report.name,
        verified=True,
        error=None,
        device=report.device,
        engine=report.engine,
        points=report.points,
        errors=report.errors,
        tolerance=report.tolerance,
        seconds=report.seconds,
    )


def fetch(names: Sequence[str], everything: bool, to: Path | None) -> Fetched:
    """Have weights on this machine, see :func:`ppkt_zoo.zoo.local_cache.fetch_weights`."""
    from ppkt_zoo.zoo.local_cache import fetch_weights

    if bool(names) == everything:
        raise InputError("give names of weights, or --all")
    found = [
        FetchedWeight(name=spec.name, bytes=_size(spec), path=path)
        for spec, path in fetch_weights(load_manifest(), names, to)
    ]
    return Fetched(weights=tuple(found)).told(
        *(f"{one.name}: {one.bytes / 1e6:.1f} MB, {unbroken(one.path)}" for one in found)
    )


def look_at_cache(kinds: Sequence[str], yes: bool) -> Cached:
    """What is cached of some kinds, or of all; removed where kinds are named and ``yes``, or a person says so.

    Raises:
        InputError: a person would have to be asked, but a program reads the answer.
    """
    from ppkt_zoo.zoo.local_cache import clear, list_kept

    kept = [one for one in list_kept() if not kinds or one.kind in kinds]
    asks = bool(kinds and kept) and not yes
    if asks and current().json:
        raise InputError("--clear under --json asks nobody: give --yes too")
    if asks:
        new_console().print(tables.cache_table(kept))
    # The question is no result: on standard error.
    go = bool(kinds and kept) and (yes or typer.confirm("remove these?", err=True))
    removed = len(clear(kinds)) if go else 0
    entries = tuple(CacheEntry(kind=one.kind, name=one.name, bytes=one.size, path=one.path) for one in kept)
    told = [] if asks else [tables.cache_table(kept)]
    return Cached(entries=entries, removed=removed).told(*told, *([f"removed {removed}"] if go else []))


def _size(weight: WeightSpec) -> int:
    return sum(entry.size for entry in weight.files.values())
