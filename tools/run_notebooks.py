"""Execute the notebooks of docs/notebooks and keep what they showed, or check that what is kept belongs to its source.

    python tools/run_notebooks.py [NAME ...]      executes NAME.py, writes NAME.ipynb
    python tools/run_notebooks.py --check         exits 1 where a NAME.ipynb was not made from its NAME.py

The sources are Python files that jupytext reads. Each notebook runs in a scratch folder, without a network. The one
with a 2D teacher takes its file from PPKT_ZOO_TEACHER.
"""

import argparse
import base64
import io
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "notebooks"
#: A page that shows more is slow to open, on GitHub too.
MOST_BYTES = 1_000_000
_SECONDS_A_CELL = 600


def sources() -> list[Path]:
    """The notebooks, as Python files."""
    return sorted(FOLDER.glob("*.py"))


def executed(source: Path) -> NotebookNode:
    """A notebook with what its cells showed; CellExecutionError where one failed."""
    notebook = jupytext.read(source)
    with tempfile.TemporaryDirectory() as folder:
        place = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=_SECONDS_A_CELL, resources=place, coalesce_streams=True).execute()
        return _tidy(notebook, folder)


def _tidy(notebook: NotebookNode, folder: str) -> NotebookNode:
    """Without times, paths of this machine, and pictures twice; with ids that stay and pictures as JPEG."""
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        cell.outputs = [one for one in cell.get("outputs", []) if one.get("name") != "stderr"]
        if cell.cell_type != "code":
            del cell["outputs"]
            continue
        for output in cell.outputs:
            if "text" in output:
                output.text = output.text.replace(folder, "")
            data = output.get("data", {})
            if "image/png" in data:
                data["image/jpeg"] = _smaller(data.pop("image/png"))
    version = notebook.metadata.get("language_info", {})
    notebook.metadata["language_info"] = {key: version[key] for key in ("name", "file_extension") if key in version}
    return notebook


def _smaller(picture: str) -> str:
    """A PNG in base64 as a JPEG: a third of the bytes."""
    written = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.save(written, "JPEG", quality=88, subsampling=0, optimize=True)
    return base64.b64encode(written.getvalue()).decode()


def stale(source: Path) -> str | None:
    """Why the kept notebook does not belong to its source, or None."""
    kept = source.with_suffix(".ipynb")
    if not kept.exists():
        return f"{kept.name} is missing"
    if kept.stat().st_size > MOST_BYTES:
        return f"{kept.name} has more than {MOST_BYTES} bytes"
    cells = [[(one.cell_type, one.source) for one in part.cells] for part in (jupytext.read(source), _read(kept))]
    if cells[0] != cells[1]:
        return f"{kept.name} was made from another {source.name}"
    code = [cell for cell in _read(kept).cells if cell.cell_type == "code"]
    if not all(cell.execution_count for cell in code):
        return f"{kept.name} was not executed"
    return None


def _read(file: Path) -> NotebookNode:
    return nbformat.read(file, as_version=4)


def write(source: Path) -> Path:
    """Execute a notebook and keep it beside its source."""
    target = source.with_suffix(".ipynb")
    target.write_text(nbformat.writes(executed(source), indent=1) + "\n", encoding="utf-8")
    return target


def main() -> None:
    """Execute, or check."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="which, by default all")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    chosen = [FOLDER / f"{name}.py" for name in asked.names] or sources()
    if asked.check:
        faults = [fault for source in chosen if (fault := stale(source))]
        sys.exit("\n".join([*faults, "run python tools/run_notebooks.py"]) if faults else 0)
    for source in chosen:
        print(write(source))


if __name__ == "__main__":
    main()
