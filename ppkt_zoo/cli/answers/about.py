"""What version, completion and schema print."""

import json
from typing import Any, Literal

from pydantic import Field
from rich.console import Console

from ppkt_zoo.cli.answers.base import Answer


class Versions(Answer):
    """Of ``version``."""

    ppkt_zoo: str
    python: str
    packages: dict[str, str] = Field(description="versions of the libraries that it builds on, of those installed")
    engine: str = Field(description="of sparse convolution on the CPU, and why where it is not the native one")

    def show(self, console: Console) -> None:
        """A line each."""
        lines = [f"ppkt-zoo {self.ppkt_zoo}", *(f"{name} {number}" for name, number in self.packages.items())]
        console.print("\n".join([*lines, f"engine on the CPU: {self.engine}"]), soft_wrap=True)


class Completion(Answer):
    """Of ``completion``."""

    shell: Literal["bash", "zsh", "fish"]
    script: str

    def show(self, console: Console) -> None:
        """The script as it is."""
        console.out(self.script, end="", highlight=False)


class Schema(Answer):
    """Of ``schema``."""

    commands: tuple[str, ...] = Field(description="that have a schema; the one that was asked for")
    schemas: dict[str, dict[str, Any]] = Field(description="JSON Schema (draft 2020-12) of each of these commands")

    def show(self, console: Console) -> None:
        """The schema itself, or the commands that have one."""
        if self.schemas:
            console.out(json.dumps(next(iter(self.schemas.values())), indent=2), highlight=False)
        else:
            console.out("\n".join(self.commands), highlight=False)
