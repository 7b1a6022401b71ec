"""What encode finds of several sources."""

from pydantic import Field

from ppkt_zoo.cli.answers.base import Files, PathText
from ppkt_zoo.files.validation import StrictModel

# As of a command whose argument is invalid: some of the sources were.
_FAILED = 2


class FailedSource(StrictModel):
    """A source without an output."""

    source: PathText
    error: str = Field(description="what is wrong with it, one line")


class EncodedMany(Files):
    """Of ``encode`` with several sources; exit code 2 where some of them failed."""

    weight: str
    out: PathText = Field(description="folder of the outputs")
    list: PathText = Field(description="the file that says what became of each source")
    written: int
    skipped: int = Field(description="had a whole output of the same making already")
    failed: tuple[FailedSource, ...]
    duplicates: int = Field(description="were given more than once, and encoded once")
    points: int = Field(description="that got a feature now")
    seconds: float

    @property
    def exit_code(self) -> int:
        """Of the process."""
        return _FAILED if self.failed else 0
