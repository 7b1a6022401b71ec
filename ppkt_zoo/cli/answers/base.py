"""What a command finds, as a model: shown in words, or written as JSON, of which the model is the schema."""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr
from rich.console import Console, RenderableType

from ppkt_zoo.cli.streams import tell_written
from ppkt_zoo.errors import printable
from ppkt_zoo.files.validation import StrictModel


def _as_text(path: str | Path) -> str:
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:  # a name of bytes that are no text in UTF-8
        return printable(text)
    return text


def _as_number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


#: A path, as it was given or is known; in JSON, bytes in it that are no UTF-8 are written out (``\\udcff``).
PathText = Annotated[str | Path, PlainSerializer(_as_text, return_type=str)]
#: A figure; null where it does not exist, such as the IoU of a class that does not occur.
Figure = Annotated[float | None, BeforeValidator(_as_number)]


class Answer(StrictModel):
    """What a command found. Its fields are the ``result`` of the JSON document."""

    _text: tuple[RenderableType, ...] = PrivateAttr(default=())

    def told(self, *text: RenderableType) -> Self:
        """The same answer, which says this where it is shown in words; a line of text is never broken."""
        self._text = text
        return self

    def show(self, console: Console) -> None:
        """Say it in words on standard output."""
        for one in self._text:
            console.print(one, soft_wrap=isinstance(one, str))

    @property
    def exit_code(self) -> int:
        """Of the process; not 0 where some of several things failed."""
        return 0


class Files(Answer):
    """An answer with files that were written: in words a line for each, with its path."""

    files: tuple[PathText, ...] = Field(description="paths of what was written, the main file or folder first")

    def show(self, console: Console) -> None:
        """As of any answer; the paths come last."""
        super().show(console)
        tell_written(*self.files)


class Failure(StrictModel):
    """Why there is no answer."""

    kind: str = Field(description="name of the error's class; UsageError, Stopped, Interrupted and Terminated beside")
    message: str = Field(description="what is wrong and how to mend it, as standard error tells it")
    exit_code: int = Field(description="exit code of the process")
