"""Where every benchmark ran, where its material lies, and how it prints and keeps its figures."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ppkt_zoo.engine.machine import versions
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.writing import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Frames and teachers that are not part of the repository.
SHARED = Path(os.environ.get("PPKT_ZOO_SHARED") or ROOT.parent / "shared")
VOC_TEACHER = "teachers/deeplabv3_mobilenet_v2_voc21.safetensors"
"""The Pascal VOC segmenter, below :data:`SHARED`."""
_PACKAGES = ("torch", "numpy", "scikit-learn", "spconv-cu120", "spconv-cu126")


def machine() -> dict[str, Any]:
    """Processor, cores, threads, load, system, versions and date."""
    import torch

    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | versions(_PACKAGES),
    }


def processor() -> str:
    """The processor's name as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def keep(name: str, result: dict[str, Any]) -> Path:
    """Write a result to ``benchmarks/results/<name>.json``."""
    path = RESULTS / f"{name}.json"
    write_json(path, result, InputError, indent=2)
    return path


def told(here: dict[str, Any]) -> str:
    """The machine in one line, for the terminal."""
    return f"{here['processor']}, {here['threads']} threads, load {here['load']}, {here['versions']}"


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " ---: |" * len(rows[0])]
    lines += ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
