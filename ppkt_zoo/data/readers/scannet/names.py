"""The names that ScanNet gives its scans, and where they lie."""

import re
from pathlib import Path

from ppkt_zoo.data.subset import entries

SCAN_NAME = re.compile(r"scene\d{4}_\d{2}")


def find_scans(folder: Path) -> dict[str, Path]:
    """Name → folder of the scans at a folder: itself, those in it, or those in its ``scans``."""
    if SCAN_NAME.fullmatch(folder.resolve().name):
        return {folder.resolve().name: folder}
    above = folder / "scans" if (folder / "scans").is_dir() else folder
    return {path.name: path for path in entries(above) if SCAN_NAME.fullmatch(path.name) and path.is_dir()}
