"""Nothing that a stranger wrote is obeyed by a terminal, whatever shows it."""

import io
import json
import re
import time
from pathlib import Path

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

import ppkt_zoo
from ppkt_zoo.cli.run.steps import Steps
from ppkt_zoo.cli.streams import new_console, talk_console
from ppkt_zoo.files.text import SafeConsole, json_escaped, printable

EVIL = (
    "\x1b[31mX\x1b]8;;http://evil.example/\x1b\\L\x1b]8;;\x1b\\\x1b]0;T\x07\x9b31m\x9d0;q\x9c\rCR\u202eb\u200b"
    "[bold]m[/bold][link=http://evil.example]k[/link]:smile:"
)
# What rich itself sends: colours, and the moves of its spinners and bars.
_OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1A)|\r(?!CR)")


def shown_on_a_terminal(console: SafeConsole) -> str:
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "\x1b[31mX" not in said
    assert "\x1b]" not in said
    return _OURS.sub("", said)


@pytest.fixture
def console() -> SafeConsole:
    return SafeConsole(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=400)


def check(console: SafeConsole) -> None:
    said = shown_on_a_terminal(console)
    assert printable(said) == said
    assert "[bold]m" in said, "brackets are text"
    assert "\\x1b" in said


def test_a_line_is_shown_as_it_is(console: SafeConsole) -> None:
    console.print(EVIL)
    console.print(Text(EVIL, style="bold"))
    check(console)
    assert "[bold]m[/bold][link=http://evil.example]k[/link]:smile:" in shown_on_a_terminal(console)


def test_a_table_is_shown_as_it_is(console: SafeConsole) -> None:
    table = Table()
    table.add_column("a")
    table.add_row(Text(EVIL))
    console.print(table)
    check(console)


def test_a_spinner_shows_its_text_as_it_is(console: SafeConsole) -> None:
    with Steps(console).step("read", EVIL) as step:
        time.sleep(0.3)
        check(console)
        step.text = EVIL
    check(console)


def test_a_bar_shows_its_text_as_it_is(console: SafeConsole) -> None:
    with Progress(TextColumn("{task.description}", markup=False), console=console) as progress:
        progress.add_task(EVIL, total=1)
    check(console)


def test_every_console_of_the_package_is_such_a_one() -> None:
    for one in (new_console(), talk_console(), Steps().console):
        assert isinstance(one, SafeConsole)
    package = Path(ppkt_zoo.__file__).parent
    others = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(
            r"(?<![A-Za-z_])Console\(", path.read_text(encoding="utf-8").replace("class SafeConsole(Console)", "")
        )
    ]
    assert others == []


def test_json_holds_no_control_character_and_the_same_value() -> None:
    value = {"a": EVIL, "b": "\U000e0041 ü 漢 \x7f"}
    text = json_escaped(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert printable(text) == text
    assert "ü 漢" in text, "letters stay letters"
