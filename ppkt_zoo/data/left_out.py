"""Frames that could not be used: counted, told, and refused where they are more than half.

A source stays strict: a frame that is damaged, or whose tracking was lost, raises when it is asked for. Whoever goes
over many frames passes over such a one, and says so with the words of this module.
"""

from collections.abc import Sequence

from ppkt_zoo.errors import FrameError

__all__ = ["check_enough", "tell_left_out"]


def tell_left_out(reasons: Sequence[str], looked_at: int, most: int = 1) -> str:
    """Such as "2 of 8 frames left out: frame f3: pose has NaN (tracking was lost); and 1 more"; "" where none was."""
    if not reasons:
        return ""
    shown = "; ".join(reasons[:most])
    rest = len(reasons) - most
    more = f"; and {rest} more" if rest > 0 else ""
    return f"{len(reasons)} of {looked_at} {'frame' if looked_at == 1 else 'frames'} left out: {shown}{more}"


def check_enough(reasons: Sequence[str], looked_at: int, name: str) -> None:
    """Refuse a source of which too much cannot be used.

    Args:
        reasons: what is wrong with each frame that was left out.
        looked_at: how many frames were asked for.
        name: of the source.

    Raises:
        FrameError: more than half of them, or all, are left out; the message gives the first reason.
    """
    if reasons and 2 * len(reasons) > looked_at:
        part = "none" if len(reasons) == looked_at else f"only {looked_at - len(reasons)}"
        raise FrameError(f"{name}: {part} of {looked_at} frames can be used, the first of the others: {reasons[0]}")
