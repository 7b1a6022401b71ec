"""Code blocks of Markdown pages, and command lines in them held against the real command line.

Above a block may stand a comment that says how it is run:

    <!-- not run: REASON -->        it is parsed only: its command lines and options must exist
    <!-- run with: WORDS -->        these words are added to each training command, so that it takes seconds
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import typer

from ppkt_zoo.cli.main import app

#: What a page may contain; anything else is a misspelt language.
LANGUAGES = {"python", "bash", "yaml", "json", "bibtex", "text"}
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w.+-]*)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"<!-- (not run|run with): ((?:(?!-->).)+?) -->\s*\Z", re.DOTALL)
#: What the command line raises for its own use; typer brings click along in some versions and not in others.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
_TRAINING = re.compile(r"^(pretrain|grid|(segmentation|detection|teacher) train)\b")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it stands, its text, and what the comment above it says."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None
    added: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.name}, line {self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        comment = _COMMENT.search(text[: fence.start()])
        said, words = comment.groups() if comment else (None, "")
        found.append(
            Block(
                page,
                text.count("\n", 0, fence.start()) + 1,
                fence["language"] or "text",
                fence["code"],
                words if said == "not run" else None,
                tuple(shlex.split(words)) if said == "run with" else (),
            )
        )
    return found


def commands_in(code: str) -> Iterator[list[str]]:
    """The commands of a bash block as words, without comments and redirections; ``&&``, ``;`` and ``|`` divide them."""
    for line in code.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words: list[str] = []
        for word in lexer:
            if word in (">", ">>"):
                lexer.get_token()  # where the output goes is the shell's matter
            elif set(word) <= set("&|;"):
                yield words
                words = []
            else:
                words.append(word)
        if words:
            yield words


def arguments_of(words: list[str]) -> list[str] | None:
    """What follows ``ppkt-zoo``, or ``-m ppkt_zoo`` of a launcher; None for another program's command."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if words[:1] == ["ppkt-zoo"]:
        return words[1:]
    starts = [at + 2 for at, pair in enumerate(pairwise(words)) if pair == ("-m", "ppkt_zoo")]
    return words[starts[0] :] if starts else None


def with_added(arguments: list[str], added: tuple[str, ...]) -> list[str]:
    """The arguments of a training command with the block's words after them; others as they are."""
    return [*arguments, *added] if _TRAINING.match(" ".join(arguments)) else arguments


def check_command(arguments: list[str]) -> None:
    """Raise :data:`USAGE_ERROR` where a command or an option does not exist, or a value is of another type."""
    command = typer.main.get_command(app)
    try:
        context = command.make_context("ppkt-zoo", list(arguments))
    except typer.Exit as done:  # an option such as --version has done its work
        if done.exit_code:
            raise
        return
    while isinstance(command, typer.core.TyperGroup):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)  # type: ignore[assignment]
        context = command.make_context(name, rest, parent=context)
