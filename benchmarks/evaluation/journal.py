"""What was measured so far, line by line on disk, so that a run that was stopped goes on where it was."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Journal:
    """Measurements of one part by key, each with the time it took.

    Args:
        file: one JSON object a line; made with the first measurement. A line cut short is measured again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, dict[str, Any]] = {}
        self.look_again()

    def look_again(self) -> None:
        """Know what other processes have written into the same file by now."""
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else ():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            self._entries[entry["key"]] = entry

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def take_over(self, key: str, value: Any) -> None:
        """Know a measurement from elsewhere, unless this journal has its own; it is not written into the file."""
        self._entries.setdefault(key, {"key": key, "seconds": 0.0, "processor_seconds": 0.0, "value": value})

    def remember(self, key: str, measure: Callable[..., Any], *arguments: Any) -> Any:
        """What ``measure(*arguments)`` gave under this key, now or in an earlier run, as JSON gives it back."""
        if key not in self._entries:
            began, worked = time.perf_counter(), time.process_time()
            value = measure(*arguments)
            entry = {
                "key": key,
                "seconds": round(time.perf_counter() - began, 2),
                "processor_seconds": round(time.process_time() - worked, 2),
                "value": value,
            }
            line = json.dumps(entry, allow_nan=False)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(f"\n{line}\n")  # An empty line first: the last one may have been cut short.
            self._entries[key] = json.loads(line)
        return self._entries[key]["value"]

    def spent(self) -> dict[str, float]:
        """Seconds and processor seconds of everything in the journal."""
        names = ("seconds", "processor_seconds")
        return {name: round(sum(entry[name] for entry in self._entries.values()), 1) for name in names}
