"""What doctor finds."""

from pydantic import Field
from rich.console import Console
from rich.text import Text

from ppkt_zoo.cli.answers.base import Answer, Figure, PathText
from ppkt_zoo.cli.group import FAILED
from ppkt_zoo.cli.streams import on_terminal
from ppkt_zoo.data.examine.finding import Finding
from ppkt_zoo.files.text import unbroken
from ppkt_zoo.files.validation import StrictModel

_MARKS = {"fine": ("✓", "bold green"), "remark": ("!", "bold yellow"), "problem": ("✗", "bold red")}
_WIDTH = 13


class EngineTime(StrictModel):
    """One engine of sparse convolution."""

    name: str
    device: str
    milliseconds: Figure = Field(description="of one layer, the median of about a second; null where it cannot be used")
    reason: str | None = Field(description="why it cannot be used")
    automatic: bool = Field(description="whether --engine auto takes it on this device")


class ExtraState(StrictModel):
    """One extra of ppkt-zoo."""

    name: str
    missing: tuple[str, ...] = Field(description="libraries of it that are not installed; none where it is complete")


class Installation(StrictModel):
    """What is installed, and what it can do."""

    ppkt_zoo: str
    python: str
    torch: str
    cuda: str | None = Field(description="version that torch was built for, or null")
    gpus: tuple[str, ...]
    cores: int = Field(description="that this process may use")
    threads: int = Field(description="of torch")
    memory_bytes: int | None
    engines: tuple[EngineTime, ...]
    extras: tuple[ExtraState, ...]
    cache: PathText
    cache_bytes: int


class Source(StrictModel):
    """A file or a folder."""

    path: PathText
    form: str = Field(description="what it is, in words")
    points: int
    without_position: int
    triangles: int
    size: tuple[float, ...] = Field(description="metres along x, y, z with z up, by the unit that is taken; or empty")
    unit: str | None = Field(description="that is taken: given, defined, guessed, or metres")
    up: str | None = Field(description="axis that is taken to point up, or gravity")
    color: bool
    labels: tuple[str, ...] = Field(description="fields that look like labels")
    points_per_voxel: Figure
    occupied_neighbours: Figure = Field(description="occupied voxels among the 26 around an occupied one")
    spacing: Figure = Field(description="metres between neighbouring points, roughly")
    weight: str = Field(description="whose voxels are meant")
    command: str | None = Field(description="a command line that reads it right; words in capitals are to be filled in")


class Diagnosis(Answer):
    """Of ``doctor``. Exactly one of ``installation`` and ``source`` is null."""

    findings: tuple[Finding, ...] = Field(description="what was looked at, in the order of interest")
    installation: Installation | None
    source: Source | None

    @property
    def exit_code(self) -> int:
        """2 where something does not work; remarks leave it 0."""
        return FAILED if any(one.level == "problem" for one in self.findings) else 0

    def show(self, console: Console) -> None:
        """A line for each finding, what to do about it below, and the command at the end."""
        for one in self.findings:
            mark, style = _MARKS[one.level]
            # Marks alone say little to a screen reader or in a file.
            word = "" if one.level == "fine" else f"{one.level}: "
            line = Text.assemble(
                (f"{mark} ", style), (f"{one.topic:<{_WIDTH}}", "bold"), (word, style), unbroken(one.text)
            )
            console.print(line, soft_wrap=not on_terminal(console))
            if one.mend:
                console.print(
                    Text(f"  {'':<{_WIDTH}}→ {unbroken(one.mend)}", style="dim"), soft_wrap=not on_terminal(console)
                )
        if self.source is not None and self.source.command is not None:
            console.print()
            console.print(Text.assemble(("read it with  ", "bold"), self.source.command), soft_wrap=True)
