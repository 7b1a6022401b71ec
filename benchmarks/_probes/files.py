"""Results on the disk, whole or not there."""

import json
import os
from pathlib import Path


def write_json(file: Path, content: object) -> None:
    """Write a JSON file that stands under its name only when it is complete; its folder is made where missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(draft, file)
