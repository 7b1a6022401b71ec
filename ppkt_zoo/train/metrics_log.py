"""metrics.jsonl: one line each time something was measured; a resumed run goes on without gaps or doubles."""

import json
import os
from pathlib import Path
from typing import Any


class MetricsLog:
    """Append-only log of a run.

    Args:
        file: the ``.jsonl`` file.
        resumed_at: steps that the checkpoint holds; later lines belong to work that was lost and are dropped.
    """

    def __init__(self, file: Path, resumed_at: int) -> None:
        self.file = file
        kept = [line for line in read_metrics(file) if line["step"] <= resumed_at]
        part = file.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(part, file)

    def write(self, step: int, **values: Any) -> None:
        """One line: the step (counted from 1) and its values."""
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """All complete lines of a log; a last line that was cut by a kill is left out."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
