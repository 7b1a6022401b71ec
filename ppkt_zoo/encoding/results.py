"""What became of every source, and the list of it that lies beside the outputs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ppkt_zoo.errors import InputError, printable
from ppkt_zoo.files.strict_json import read_json
from ppkt_zoo.files.writing import write_json

Status = Literal["written", "skipped", "failed", "left"]
#: In the order of which says more, where several processes tell of one source.
STATUSES: tuple[Status, ...] = ("written", "skipped", "failed", "left")
#: The list's name below the folder of the outputs.
LIST = "files.json"
_FORMAT = 1


@dataclass(frozen=True)
class FileResult:
    """What became of one source.

    Attributes:
        source: its path, as it was given or found.
        output: where its features are or should be.
        status: "written"; "skipped", since a whole output of the same making was there; "failed"; or "left", not
            done before the run was stopped.
        points: how many got a feature; 0 where none was computed.
        seconds: that it took.
        error: why it failed, one line; else None.
        notes: what was done or assumed when it was read.
        warnings: what there was to warn of.
    """

    source: str
    output: str
    status: Status
    points: int = 0
    seconds: float = 0.0
    error: str | None = None
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EncodedFiles:
    """What became of all sources, in their order.

    Attributes:
        files: of each source, once.
        list: the file that says the same, ``files.json``.
        duplicates: (source, the same file given before), encoded once.
        remarks: how the sources were found, and what was passed over, a line each.
    """

    files: tuple[FileResult, ...]
    list: Path
    duplicates: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    def of(self, status: Status) -> tuple[FileResult, ...]:
        """Those with a status."""
        return tuple(one for one in self.files if one.status == status)

    @property
    def counts(self) -> dict[Status, int]:
        """How many have each status."""
        return {status: len(self.of(status)) for status in STATUSES}


def write_list(found: EncodedFiles, error: type[InputError]) -> None:
    """Write ``files.json``: counts, and what became of each source.

    Raises:
        error: it cannot be written.
    """
    value = {
        "format": _FORMAT,
        "counts": found.counts,
        "remarks": list(found.remarks),
        "duplicates": [{"source": printable(one), "same_as": printable(first)} for one, first in found.duplicates],
        "files": [_row(one) for one in found.files],
    }
    write_json(found.list, value, error)


def _row(one: FileResult) -> dict[str, Any]:
    row = asdict(one) | {"source": printable(one.source), "output": printable(one.output)}
    return row | {"seconds": round(one.seconds, 3)}


def list_of_rank(out: Path, rank: int, ranks: int) -> Path:
    """Where one of several processes keeps its list until :func:`merge_lists` makes one of them."""
    return out / (LIST if ranks == 1 else f"files.{rank}-of-{ranks}.json")


def merge_lists(out: Path, ranks: int) -> EncodedFiles:
    """Make one list of those of several processes that have ended; of each source the result that says most.

    Raises:
        InputError: the list of a process is missing, damaged, or the joined one cannot be written.
    """
    parts = [list_of_rank(out, rank, ranks) for rank in range(ranks)]
    found = [_read_list(part) for part in parts]
    best: dict[str, FileResult] = {}
    for one in (one for each in found for one in each.files):
        before = best.get(one.source)
        if before is None or STATUSES.index(one.status) < STATUSES.index(before.status):
            best[one.source] = one
    # The first process has the sources in their order, as all have.
    joined = replace(found[0], files=tuple(best[one.source] for one in found[0].files), list=out / LIST)
    write_list(joined, InputError)
    if ranks > 1:
        for part in parts:
            part.unlink(missing_ok=True)
    return joined


def _read_list(path: Path) -> EncodedFiles:
    value = read_json(path, InputError, "list of files")
    try:
        rows = [
            FileResult(**{**row, "notes": tuple(row["notes"]), "warnings": tuple(row["warnings"])})
            for row in value["files"]
        ]
        pairs = tuple((one["source"], one["same_as"]) for one in value["duplicates"])
        return EncodedFiles(tuple(rows), path, pairs, tuple(value["remarks"]))
    except (LookupError, TypeError) as failure:
        raise InputError(
            f"{path}: this is no list of encoded files: delete it and run the same command again"
        ) from failure


def in_order(results: Iterable[FileResult], sources: Sequence[str]) -> tuple[FileResult, ...]:
    """Results in the order of their sources."""
    place = {source: number for number, source in enumerate(sources)}
    return tuple(sorted(results, key=lambda one: place[one.source]))
