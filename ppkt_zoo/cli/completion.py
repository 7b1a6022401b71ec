"""``ppkt-zoo completion``: a script for a shell, and the words that it asks for while someone types."""

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from ppkt_zoo.cli.declare import Answer
from ppkt_zoo.cli.group import add_common_options

#: Set by the scripts to the name of the shell: the words on the command line are to be completed, not run.
COMPLETE = "_PPKT_ZOO_WORDS"
_PROGRAM = "ppkt-zoo"

# Each hands over the words as they are, the last of them unfinished, and falls back to names of files.
_BASH = """\
_ppkt_zoo() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(COMPLETE=bash "${COMP_WORDS[0]}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _ppkt_zoo PROGRAM
"""
_ZSH = """\
#compdef PROGRAM
_ppkt_zoo() {
    local -a found
    found=("${(@f)$(COMPLETE=zsh "${words[1]}" "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then
        _describe -V 'ppkt-zoo' found
    else
        _files
    fi
}
if [[ "${funcstack[1]}" == _ppkt_zoo ]]; then
    _ppkt_zoo "$@"
else
    compdef _ppkt_zoo PROGRAM
fi
"""
_FISH = """\
function __ppkt_zoo
    set -l words (commandline -opc)
    set -l found (COMPLETE=fish $words[1] $words[2..] (commandline -ct) 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c PROGRAM -f -a '(__ppkt_zoo)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


class Shell(StrEnum):
    """Shells for which there is a script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell that reads the script.")]) -> Answer:
    """Print a script by which a shell completes commands, options and the names of weights and recipes.

    For bash: `ppkt-zoo completion bash >> ~/.bashrc`; for zsh the same with ~/.zshrc, after compinit; for fish:
    `ppkt-zoo completion fish > ~/.config/fish/completions/ppkt-zoo.fish`. Then open a new shell.
    """
    from ppkt_zoo.cli.answers.about import Completion

    script = _SCRIPTS[shell.value].replace("COMPLETE=", f"{COMPLETE}=").replace("PROGRAM", _PROGRAM)
    return Completion(shell=shell.value, script=script)


def print_completions(app: typer.Typer, shell: str, words: Sequence[str]) -> None:
    """What may stand in the place of the last of some words, a line each, as a shell's script reads it."""
    *given, part = words or [""]
    root = typer.main.get_command(app)
    add_common_options(root)
    for value, about in sorted(set(completions(root, given, part))):
        if shell == "zsh":
            value = value.replace(":", "\\:") + (f":{about}" if about else "")
        elif shell == "fish" and about:
            value = f"{value}\t{about}"
        sys.stdout.write(f"{value}\n")


def completions(command: Any, given: Sequence[str], part: str) -> Iterator[tuple[str, str]]:
    """What may stand in the place of an unfinished word, with a few words on it.

    Args:
        command: the whole command line.
        given: the words before it, as a shell splits them: bash makes three of ``--up=z``.
        part: the beginning of the word.
    """
    context = typer.Context(command, info_name=_PROGRAM)
    words = [word for word in given if word != "="]
    places: list[str] = []
    while words:
        word = words.pop(0)
        option = _option(command, word)
        if option is not None:
            if not option.is_flag and "=" not in word:
                if not words:  # its value is what is typed
                    yield from _values(option, context, "" if part == "=" else part)
                    return
                words.pop(0)
        elif isinstance(command, typer.core.TyperGroup):
            inner = command.get_command(context, word)
            if inner is None:
                return
            command, context = inner, typer.Context(inner, parent=context, info_name=word)
        else:
            places.append(word)
    yield from _words(command, context, part, len(places))


def _words(command: Any, context: Any, part: str, place: int) -> Iterator[tuple[str, str]]:
    name, equals, value = part.partition("=")
    option = _option(command, name) if equals else None
    if option is not None:
        yield from ((f"{name}={found}", about) for found, about in _values(option, context, value))
    elif part.startswith("-"):
        for one in command.get_params(context):
            yield from ((name, _first_line(getattr(one, "help", ""))) for name in one.opts if name.startswith(part))
    elif isinstance(command, typer.core.TyperGroup):
        for name in command.list_commands(context):
            if name.startswith(part):
                yield name, _first_line(getattr(command.get_command(context, name), "help", ""))
    else:
        arguments = [one for one in command.get_params(context) if one.param_type_name == "argument"]
        if arguments:  # the last one may take many words
            yield from _values(arguments[min(place, len(arguments) - 1)], context, part)


def _option(command: Any, word: str) -> Any:
    """The option that a word is, ``--name`` or ``--name=VALUE``; None where it is none."""
    name = word.partition("=")[0]
    return next((one for one in command.params if word.startswith("-") and name in one.opts), None)


def _values(parameter: Any, context: Any, part: str) -> Iterator[tuple[str, str]]:
    for found in parameter.shell_complete(context, part):
        if found.type == "plain":  # files are the shell's own matter
            yield found.value, found.help or ""


def _first_line(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())
