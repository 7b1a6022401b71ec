"""The one strict reader of JSON: bounded in size, nesting and digits, numbers finite, no name that stands twice."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from ppkt_zoo.errors import PPKTZooError
from ppkt_zoo.files.limits import MAX_TEXT
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.text import one_line

_DIGITS = 400
_DEPTH = 100


def parse_json(
    content: bytes | str,
    where: str,
    error: type[PPKTZooError],
    finite: bool = True,
    most_names: int | None = None,
) -> Any:
    """The value of a JSON text in UTF-8.

    Args:
        where: what is read, as the message should begin.
        finite: refuse NaN, Infinity and numbers beyond the range of a float, such as 1e400.
        most_names: in one object; whoever tells each name that it does not know would tell millions. None for any.

    Raises:
        error: it is no JSON, is cut short, or is beyond what any honest file holds (nesting over 100, numbers of
            over 400 digits), or a name stands twice in one object.
    """
    MAX_TEXT.check(len(content), f"{where}: this JSON", error)

    def whole(digits: str) -> int | float:
        number = int(_short(digits))
        if finite and abs(number) >= 2**1023:
            raise ValueError("a number beyond every range")
        return number

    def real(digits: str) -> float:
        number = float(_short(digits))
        if finite and not math.isfinite(number):
            raise ValueError(f"the number {digits} is beyond the range of a float")
        return number

    def constant(name: str) -> float:
        if finite:
            raise ValueError(f"{name} is no number that JSON knows")
        return float(name.replace("Infinity", "inf"))

    def names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise ValueError(f"{one_line(twice, 80)!r} stands twice in one object")
        if most_names is not None and len(found) > most_names:
            raise ValueError(f"{len(found)} names in one object, where {most_names} are the most")
        return found

    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content.removeprefix("\ufeff")
        value = json.loads(text, parse_int=whole, parse_float=real, parse_constant=constant, object_pairs_hook=names)
    except (ValueError, RecursionError, MemoryError) as failure:
        reason = "it is nested too deep" if isinstance(failure, RecursionError) else str(failure) or "too large"
        raise error(f"{where}: this is not whole JSON ({reason})") from None
    if _depth_beyond(value):
        raise error(f"{where}: this is not whole JSON (it is nested deeper than {_DEPTH})")
    return value


def read_json(path: Path, error: type[PPKTZooError], what: str = "file") -> Any:
    """The value of a JSON file; raises ``error`` as :func:`parse_json` and ``files.reading.read_file`` do."""
    return parse_json(read_file(path, error, what, limit=MAX_TEXT), f"{path}: this {what}", error)


def _short(digits: str) -> str:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return digits


def _depth_beyond(value: Any) -> bool:
    level = [value]
    for _ in range(_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
