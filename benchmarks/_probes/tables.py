"""Small pieces of Markdown: tables, and figures with their intervals."""

from collections.abc import Sequence

from ppkt_zoo.evaluation.statistics import Interval, mean_interval, paired_difference


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others stand right."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, rule, *rows])


def figure(values: Sequence[float], places: int = 3) -> str:
    """Mean and 95 % interval of one value a seed."""
    return shown(mean_interval(values), places)


def difference(first: Sequence[float], second: Sequence[float]) -> str:
    """Mean and 95 % interval of the paired differences, signed."""
    return signed(paired_difference(first, second))


def signed(found: Interval) -> str:
    """An interval of differences as ``+mean [low, high]``."""
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def shown(found: Interval, places: int = 3) -> str:
    """An interval as ``mean [low, high]``."""
    return f"{found.mean:.{places}f} [{found.low:.{places}f}, {found.high:.{places}f}]"


def compared(first: Sequence[float], second: Sequence[float]) -> str:
    """How the first stands to the second, in words that the paired interval allows."""
    found = paired_difference(first, second)
    if found.low > 0:
        return "above"
    return "below" if found.high < 0 else "not apart from"


def goal(reached: bool) -> str:
    """Whether a goal that was set beforehand is reached, in words."""
    return "reached" if reached else "**not reached**"
