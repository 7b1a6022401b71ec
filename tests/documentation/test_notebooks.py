"""The notebooks run, and what is kept of them belongs to their sources."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_REASON = 'notebooks are run by jupytext and nbclient: pip install "ppkt-zoo[docs]"'
run_notebooks = pytest.importorskip("tools.run_notebooks", reason=_REASON)
nbformat = pytest.importorskip("nbformat", reason=_REASON)
pytest.importorskip("ipykernel", reason=_REASON)

SOURCES = run_notebooks.sources()
_TEACHER = "names_without_labels"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_kept_notebook_belongs_to_its_source(source: Path) -> None:
    assert run_notebooks.stale(source) is None


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_kept_notebook_shows_pictures_and_no_path_of_the_machine(source: Path) -> None:
    text = source.with_suffix(".ipynb").read_text(encoding="utf-8")
    outputs = [one for cell in nbformat.reads(text, as_version=4).cells for one in cell.get("outputs", [])]
    assert any("image/jpeg" in one.get("data", {}) for one in outputs)
    assert not any(place in text for place in ("/tmp/", "/work/", "/home/", "redkitchen"))


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_notebook_runs(source: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if source.stem == _TEACHER:
        teachers = request.getfixturevalue("shared") / "teachers"
        monkeypatch.setenv("PPKT_ZOO_TEACHER", str(teachers / "deeplabv3_mobilenet_v2_voc21.safetensors"))
    notebook = run_notebooks.executed(source)
    assert any("image/jpeg" in one.get("data", {}) for cell in notebook.cells for one in cell.get("outputs", []))


def test_a_stale_notebook_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "small.py"
    source.write_text("# %%\nprint(1)\n")
    assert run_notebooks.stale(source) == "small.ipynb is missing"
    run_notebooks.write(source)
    assert run_notebooks.stale(source) is None
    source.write_text("# %%\nprint(2)\n")
    assert run_notebooks.stale(source) == "small.ipynb was made from another small.py"


def test_a_failing_cell_is_an_error(tmp_path: Path) -> None:
    failure = pytest.importorskip("nbclient.exceptions").CellExecutionError
    source = tmp_path / "failing.py"
    source.write_text("# %%\nraise ValueError('seven')\n")
    with pytest.raises(failure, match="seven"):
        run_notebooks.executed(source)
