"""What a run learned from, kept with its checkpoints: a run that goes on must find the same data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ppkt_zoo.errors import TrainingError

__all__ = ["DataPart", "check_same_data", "data_parts_in", "stored"]


@dataclass(frozen=True)
class DataPart:
    """One source of a run's data.

    Attributes:
        count: how many items it has.
        unit: what they are, such as "frames".
        digits: change when one of them does.
    """

    count: int
    unit: str
    digits: str


def stored(parts: Mapping[str, DataPart]) -> dict[str, dict[str, Any]]:
    """The parts as a JSON value."""
    return {name: asdict(part) for name, part in parts.items()}


def data_parts_in(value: object) -> dict[str, DataPart]:
    """The parts of a JSON value that :func:`stored` gave.

    Raises:
        ValueError: it is another value.
    """
    if not isinstance(value, dict):
        raise ValueError("what it says of the data is no mapping")
    found = {}
    for name, part in value.items():
        kinds = {"count": int, "unit": str, "digits": str}
        if not isinstance(part, dict) or {key: type(one) for key, one in part.items()} != kinds:
            raise ValueError(f"what it says of the data {name!r} is not what was written")
        found[str(name)] = DataPart(**part)
    return found


def check_same_data(kept: Mapping[str, DataPart], now: Mapping[str, DataPart], since: str) -> None:
    """Go on only where the data is what it was.

    Args:
        kept: of when the run was stopped.
        now: of today.
        since: when that was, such as "step 40 in out/checkpoints/…".

    Raises:
        TrainingError: a source is another one; says how many items are where.
    """
    mend = "put them back, or start in another --out"
    for name, before in kept.items():
        after = now.get(name)
        if after == before:
            continue
        if after is None:
            raise TrainingError(f"the {before.unit} of {name!r}, learned from until {since}, are not given: {mend}")
        where = (
            f"{after.count} {after.unit} are now where {before.count} were"
            if after.count != before.count
            else f"there are still {after.count}, but some were edited or renamed"
        )
        raise TrainingError(f"the {before.unit} of {name!r} have changed since {since}: {where}; {mend}")
    if added := sorted(set(now) - set(kept)):
        raise TrainingError(
            f"the data {added[0]!r} was not there until {since}: leave it out, or start in another --out"
        )
