"""What the README and the pages say is what the files say, and their code runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.zoo import registry
from tests.support import doc_stand_ins
from tests.support.doc_blocks import (
    LANGUAGES,
    USAGE_ERROR,
    Block,
    arguments_of,
    blocks_of,
    check_command,
    commands_in,
    with_added,
)

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_RUN = [page for page in PAGES if any(block.language in ("python", "bash") for block in blocks_of(page))]


def test_readme_tables_are_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "update_docs.py"), "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


def test_links_and_pictures_exist() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)|(?:src|srcset)=\"(?!https?://)([^\"]+)\"", text):
            path = page.parent / (target[0] or target[1])
            assert path.exists(), f"{page.name} points at {path}, which is not there"


def test_links_to_headings_exist() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            other = page.parent / target if target else page
            headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in anchors, f"{page.name} points at #{anchor} of {other.name}, which has no such heading"


def test_no_page_refers_to_a_document_that_is_not_in_the_repository() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert re.search(r"HOUSE\.md|METHOD\.md|DESIGN\.md|\bDATA\.md|\.\./shared|/work/", text) is None, page


def test_readme_is_short_and_says_both_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert re.search(r"^pip install \. && ppkt-zoo demo\b", text, re.MULTILINE)
    assert re.search(r"^pip install \"\.\[test\]\" && pytest\b", text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_is_parsed(page: Path) -> None:
    for block in blocks_of(page):
        assert block.language in LANGUAGES, f"{block}: what is {block.language!r}?"
        if block.language == "python":
            compile(block.code, str(block), "exec")
        elif block.language == "yaml":
            yaml.safe_load(block.code)
        elif block.language == "json":
            json.loads(block.code)
        elif block.language == "bash":
            for words in commands_in(block.code):
                arguments = arguments_of(words)
                if arguments is not None:
                    check_command(with_added(arguments, block.added))


@pytest.mark.slow
@pytest.mark.parametrize("page", _RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a page run one after the other in one scratch folder; Python's share their names."""
    blocks = [block for block in blocks_of(page) if block.reason is None]
    doc_stand_ins.fill(tmp_path, "".join(block.code for block in blocks))
    monkeypatch.chdir(tmp_path)
    # What a page registers is known to its own blocks alone.
    monkeypatch.setattr(registry, "_BUILDERS", dict(registry._BUILDERS))
    names = doc_stand_ins.names_for_python()
    for block in blocks:
        if block.language == "python":
            exec(compile(block.code, str(block), "exec"), names)
        elif block.language == "bash":
            _run(block)


def _run(block: Block) -> None:
    for words in commands_in(block.code):
        arguments = arguments_of(words)
        assert arguments is not None, f"{block}: say above it why {words[0]} is not run"
        result = CliRunner().invoke(app, with_added(arguments, block.added))
        assert result.exit_code == 0, f"{block}: {' '.join(words)}\n{result.output}"


@pytest.mark.parametrize(
    "line",
    [
        "ppkt-zoo encode scan.ply --no-such-option",
        "ppkt-zoo encode",
        "ppkt-zoo encoed scan.ply",
        "ppkt-zoo data inspect frames --every many",
        "ppkt-zoo similar scan.ply",
        "accelerate launch -m ppkt_zoo pretrain recipe --out a --nowhere b",
    ],
)
def test_a_command_line_that_does_not_exist_is_found(line: str) -> None:
    (words,) = commands_in(line)
    arguments = arguments_of(words)
    assert arguments is not None
    with pytest.raises(USAGE_ERROR):
        check_command(arguments)


def test_comments_continued_lines_and_launchers_are_understood(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "text\n<!-- run with: steps=2 -->\n```bash\nA=1 ppkt-zoo pretrain x \\\n    --out y   # why\n"
        "ppkt-zoo list && pytest\n```\n<!-- not run: an hour -->\n\n```python\nx = 1\n```\n```bash\ntrue\n```\n"
    )
    first, second, third = blocks_of(page)
    assert (first.added, first.reason, second.reason, third.reason) == (("steps=2",), None, "an hour", None)
    assert [block.line for block in (first, second, third)] == [3, 10, 13]
    commands = [arguments_of(words) for words in commands_in(first.code)]
    assert commands == [["pretrain", "x", "--out", "y"], ["list"], None]
    assert with_added(commands[0] or [], first.added) == ["pretrain", "x", "--out", "y", "steps=2"]
    assert with_added(["list"], first.added) == ["list"]


def test_the_drawing_of_the_architecture_is_up_to_date() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "draw_architecture.py"), "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
