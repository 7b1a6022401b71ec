"""One thing that was looked at, what was found, and what to do about it."""

from typing import Literal

from pydantic import Field

from ppkt_zoo.files.validation import StrictModel

Level = Literal["fine", "remark", "problem"]


class Finding(StrictModel):
    """One thing that was looked at."""

    topic: str = Field(description="one or two words, such as density")
    level: Level = Field(
        description="fine; a remark (it works, and there is something to know); a problem (it does not)"
    )
    text: str = Field(description="what was found")
    mend: str | None = Field(default=None, description="what to do about it")


def fine(topic: str, text: str) -> Finding:
    """As it should be."""
    return Finding(topic=topic, level="fine", text=text)


def remark(topic: str, text: str, mend: str | None = None) -> Finding:
    """Something to know."""
    return Finding(topic=topic, level="remark", text=text, mend=mend)


def problem(topic: str, text: str, mend: str | None = None) -> Finding:
    """Something that does not work."""
    return Finding(topic=topic, level="problem", text=text, mend=mend)
