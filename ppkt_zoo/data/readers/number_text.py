"""Numbers from text as people and trackers write them: commas, brackets, comments, and Windows' words for NaN."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files import reading
from ppkt_zoo.files.limits import MAX_TEXT, Limit

#: Of a file that holds a camera or one pose.
SMALL_TEXT = Limit("PPKT_ZOO_MAX_SMALL_TEXT", 4 * 2**20)

# What C's printf writes for a number that is none, by Microsoft (-1.#IND) and by others (-nan(ind), nan(0x8)).
_NOT_A_NUMBER = re.compile(r"[+-]?(?:nan(?:\([0-9a-z_]*\))?|1\.#(?:ind|qnan|snan)\d*)", re.IGNORECASE)
_INFINITE = re.compile(r"([+-]?)1\.#inf\d*", re.IGNORECASE)
_BRACKETS = str.maketrans(dict.fromkeys(",;()[]{}", " "))
_COMMENT = re.compile(r"(?:#(?!(?:IND|QNAN|SNAN|INF))|//|%).*", re.IGNORECASE)


def read_text(path: Path, what: str, limit: Limit = MAX_TEXT) -> str:
    """The text of a file of at most so many bytes; ``what`` is what errors call it.

    Raises:
        FrameError: the file is missing, cannot be read, is too large, or is not text in UTF-8.
    """
    return reading.read_text(path, FrameError, what, limit=limit)


def words_of(text: str) -> list[str]:
    """The words of a text, without brackets, commas, and comments (from ``#``, ``//`` or ``%`` to a line's end)."""
    if "(" in text:
        # nan(ind) has brackets of its own.
        text = re.sub(r"nan\([0-9a-z_]*\)", "nan", text, flags=re.IGNORECASE)
    return _COMMENT.sub("", text).translate(_BRACKETS).split()


def numbers_of(words: Iterable[str], where: str) -> NDArray[np.float64]:
    """Words as numbers (N,); NaN, -1.#IND, 1.#QNAN, -nan(ind) and infinity in any spelling are let through.

    Raises:
        FrameError: a word is no number; ``where`` begins the message.
    """
    return np.array([_number(word, where) for word in words], dtype=np.float64)


def _number(word: str, where: str) -> float:
    try:
        # Python's own reading takes 1_000 for a thousand, and digits of any script.
        if "_" in word or not word.isascii():
            raise ValueError(word)
        return float(word)
    except ValueError:
        if _NOT_A_NUMBER.fullmatch(word):
            return np.nan
        if infinite := _INFINITE.fullmatch(word):
            return -np.inf if infinite[1] == "-" else np.inf
        raise FrameError(f"{where} holds something that is no number ({word[:40]!r})") from None
