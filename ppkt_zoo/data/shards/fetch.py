"""The bytes of a shard or an index, from a folder, an http address or a command of the user's.

The location is the user's own; the file's name may come from a stranger's index. It is checked there
(:mod:`ppkt_zoo.data.shards.index`), never reaches a shell, and is never the whole of an argument that a program could
take for an option.
"""

import shlex
from pathlib import Path

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.commands import output_of
from ppkt_zoo.files.fetching import fetch
from ppkt_zoo.files.limits import MAX_BYTES, MAX_TEXT
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.text import without_secrets

__all__ = ["check_location", "fetch_file", "is_local", "shown"]

_PIPE = "pipe:"
_HTTP = ("http://", "https://")
# What only a shell gives a meaning to, outside of quotes; in double quotes the second.
_SHELL, _QUOTED = frozenset("|&;<>()$`\n"), frozenset("$`")
_NO_SHELL = "no shell reads it: put it into a script, and give that as the command"


def is_local(location: str) -> bool:
    """Whether a location is a folder on this machine."""
    return not location.lower().startswith((*_HTTP, _PIPE))


def check_location(location: str) -> None:
    """Check where shards are read from.

    Raises:
        FrameError: an address of another kind, or a command with what only a shell understands.
    """
    if location.startswith(_PIPE):
        _command(location, "")
    elif is_local(location) and "://" in location:
        raise FrameError(
            f"{shown(location)}: shards are read from a folder, from http(s)://…, or by a command, "
            '"pipe:aws s3 cp s3://bucket/folder/{} -"'
        )


def shown(location: str, file: str = "") -> str:
    """A location and a file for messages: without passwords, and of a command the program alone."""
    if location.startswith(_PIPE):
        program = "".join(location.removeprefix(_PIPE).split(maxsplit=1)[:1])
        # A variable set before the program may be a password.
        return f"pipe:{'' if '=' in program else without_secrets(program)} … {file}".strip()
    return without_secrets(_place(location, file) if file else location)


def fetch_file(location: str, file: str, size: int | None = None) -> bytes:
    """All bytes of a shard, or of the index.

    Args:
        location: a folder, an address, or ``pipe:`` and a command.
        file: its checked name.
        size: bytes that a shard has by the index; one more is fetched at most. None for the index itself.

    Raises:
        FrameError: it cannot be fetched, comes too slowly, or is larger than the limit.
    """
    where, limit = shown(location, file), MAX_TEXT if size is None else MAX_BYTES
    if is_local(location):
        return read_file(Path(location) / file, FrameError, "index of shards" if size is None else "shard", limit=limit)
    if size is not None:
        limit.check(size, f"{where}: this shard", FrameError)
    most = limit.value() if size is None else size
    if location.startswith(_PIPE):
        content = output_of(_command(location, file), FrameError, most, where)
    else:
        content = fetch(_place(location, file), FrameError, most)
    limit.check(len(content), f"{where}: this file", FrameError)
    return content


def _place(location: str, file: str) -> str:
    if is_local(location):
        return str(Path(location) / file)
    return location.replace("{}", file) if "{}" in location else f"{location.rstrip('/')}/{file}"


def _command(location: str, file: str) -> list[str]:
    """The program and its arguments, ``{}`` replaced in each; a command without it gets ``/NAME`` at its end.

    Raises:
        FrameError: quotes that do not end, nothing to run, or what only a shell understands.
    """
    command = location.removeprefix(_PIPE)
    signs = _shell_signs(command)
    if signs:
        raise FrameError(f"{shown(location)}: this command holds {' '.join(signs)}, and {_NO_SHELL}")
    try:
        arguments = shlex.split(command)
    except ValueError as failure:
        raise FrameError(f"{shown(location)}: this command cannot be read ({failure})") from None
    if not arguments:
        raise FrameError('"pipe:" wants a command, such as "pipe:aws s3 cp s3://bucket/folder/{} -"')
    if any(argument.startswith("~") for argument in arguments):
        raise FrameError(f"{shown(location)}: this command holds ~, and {_NO_SHELL}; or write the whole path")
    if "=" in arguments[0]:
        raise FrameError(f"{shown(location)}: this command sets a variable before its program, and {_NO_SHELL}")
    if not any("{}" in argument for argument in arguments):
        arguments[-1] = f"{arguments[-1].rstrip('/')}/{{}}"
    if "{}" in arguments[0]:
        raise FrameError(f"{shown(location)}: a file's name cannot be the program: write the program first")
    return [argument.replace("{}", file) for argument in arguments]


def _shell_signs(command: str) -> list[str]:
    """What a shell would give a meaning to."""
    found, quote, escaped = set(), "", False
    for letter in command:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            if letter == quote:
                quote = ""
            elif quote == '"' and letter in _QUOTED:
                found.add(letter)
        elif letter in "'\"":
            quote = letter
        elif letter in _SHELL:
            found.add("a new line" if letter == "\n" else letter)
    return sorted(found)
