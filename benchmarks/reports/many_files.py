"""The section of docs/many_files.md about what one command for all files saves, from the JSON of the benchmark."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.machine import RESULTS


def section(found: Mapping[str, Any]) -> str:
    """Markdown: a row for each way of encoding the clouds, and the peak memory as they grow in number."""
    here = found["machine"]
    head = ["way", "seconds of the processor", "of the clock", "load of the machine", "peak memory"]
    lines = [f"| {' | '.join(head)} |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in found["rows"]:
        seconds = f"{row['processor s']:.0f} | {row['wall s']:.0f}"
        lines.append(f"| {row['how']} | {seconds} | {row['load']:.1f} | {row['peak MB']:.0f} MB |")
    memory = ", ".join(f"{row['peak MB']:.0f} MB for {row['clouds']} clouds" for row in found["memory"])
    lines += [
        "",
        f"{found['clouds']} clouds of {found['points']:,} points. Peak memory, of the largest process, of one command "
        f"with one worker: {memory}.",
        "",
        f"Measured on {here['date'][:10]} on {here['processor']}, {here['cores']} cores, while other programs wanted "
        "them too: the clock says little there, and two workers can be no faster than one. "
        "`python -m benchmarks.speed.many_files`",
    ]
    return "\n".join(lines)


def _measured() -> str:
    return section(json.loads((RESULTS / "many_files.json").read_text(encoding="utf-8")))


SECTIONS: dict[str, Callable[[], str]] = {"many-files": _measured}
