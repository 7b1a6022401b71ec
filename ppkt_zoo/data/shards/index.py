"""The index of a set of shards: which frame lies where, so that nothing must be listed and every byte is checked.

It is ``shards.json`` beside the shards, one per set:

    {"format": 1, "name": …, "skipped": […], "shards": [{"file", "size", "sha256", "samples": [
        {"key", "name", "parts": {"color.jpg": [offset, size, crc32], "depth.png": …, "json": …}}]}]}

Shards and index come from a folder, an http address or a command. The location is the user's own; a file's name may
come from a stranger's index: it is checked, never reaches a shell, and is never the whole of an argument that a program
could take for an option.
"""

import shlex
import zlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, FailFast, Field, ValidationError, model_validator

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files.fetching import fetch, output_of
from ppkt_zoo.files.limits import MAX_BYTES, MAX_TEXT, Limit, memory_named
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.text import one_line, without_secrets
from ppkt_zoo.files.validation import StrictModel

INDEX_FILE = "shards.json"
#: Stands beside the shards until the index does.
JOURNAL = "unfinished-pack.jsonl"
#: Of one file of a frame in a shard.
MAX_PART = Limit("PPKT_ZOO_MAX_PART", 512 * 2**20)

# An index comes from strangers: nothing in it can be a path, an option or a part of a command.
_FILE = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\.tar$"
_Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,199}$")]
_PartName = Annotated[str, Field(pattern=r"^[a-z0-9]{1,40}(\.[a-z0-9]{1,40})?$")]
# Of one object; none of an index has more.
_MOST_NAMES = 16
_Name = Annotated[str, Field(max_length=1000)]
_Count = Annotated[int, Field(ge=0, lt=2**63)]
_Checksum = Annotated[int, Field(ge=0, lt=2**32)]

_MISSING = "this {what} cannot be read, it is missing: copy it beside its shards, or pack again"
_UNFINISHED = "this {what} cannot be read, packing was not finished: give the same command again, which goes on"
_PIPE = "pipe:"
_HTTP = ("http://", "https://")
# What only a shell gives a meaning to, outside of quotes; in double quotes the second.
_SHELL, _QUOTED = frozenset("|&;<>()$`\n"), frozenset("$`")
_NO_SHELL = "no shell reads it: put it into a script, and give that as the command"


class _Strict(StrictModel):
    # Strict: no number from a text or from true.
    model_config = ConfigDict(strict=True)


class SampleEntry(_Strict):
    """One frame: its key in the shard, its name, and (offset, size, crc32) of each of its files."""

    key: _Key
    name: _Name
    parts: dict[_PartName, tuple[_Count, _Count, _Checksum]] = Field(min_length=1, max_length=_MOST_NAMES)


class ShardEntry(_Strict):
    """One tar file."""

    file: str = Field(pattern=_FILE)
    size: int = Field(gt=0, lt=2**63)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    samples: Annotated[tuple[SampleEntry, ...], FailFast()] = Field(min_length=1)

    @model_validator(mode="after")
    def _parts_lie_inside(self) -> "ShardEntry":
        for sample in self.samples:
            for part, (offset, size, _) in sample.parts.items():
                if offset + size > self.size:
                    raise ValueError(f"{sample.key}.{part} lies outside of {self.file}, which has {self.size} bytes")
        return self


class ShardIndex(_Strict):
    """All shards of a set, in the order of their frames."""

    format: Literal[1] = 1
    name: _Name = Field(description="name of the source that was packed")
    skipped: Annotated[tuple[str, ...], FailFast()] = Field(
        default=(), description="a line for each frame that could not be read"
    )
    shards: Annotated[tuple[ShardEntry, ...], FailFast()] = Field(min_length=1)

    @model_validator(mode="after")
    def _shards_differ(self) -> "ShardIndex":
        names = {shard.file.casefold() for shard in self.shards}
        if len(names) < len(self.shards):
            raise ValueError("two shards have the same file")
        return self

    @property
    def frames(self) -> int:
        """How many there are."""
        return sum(len(shard.samples) for shard in self.shards)


def parse_index(content: bytes | str, where: str) -> ShardIndex:
    """An index from the text of its file.

    Raises:
        FrameError: it is cut short, of another format or too long, names something twice, places a file
            outside of its shard, or gives a shard a name that is no plain file's.
    """
    MAX_TEXT.check(len(content), f"{where}: this index of shards", FrameError)
    text = content.removeprefix(b"\xef\xbb\xbf") if isinstance(content, bytes) else content.removeprefix("\ufeff")
    try:
        with memory_named(where, FrameError):
            parse_json(
                text, f"{where}: this index of shards is damaged, pack again", FrameError, most_names=_MOST_NAMES
            )
            return ShardIndex.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = one_line(".".join(str(part) for part in first["loc"]), 200)
        raise FrameError(f"{where}: this index of shards is damaged ({field}: {first['msg']}): pack again") from error


def read_index(folder: Path) -> ShardIndex:
    """The index of a folder of shards; raises FrameError where it is missing or damaged."""
    path = folder / INDEX_FILE
    missing = _UNFINISHED if (folder / JOURNAL).exists() else _MISSING
    return parse_index(read_file(path, FrameError, "index of shards", missing, MAX_TEXT), str(path))


def check_part(content: bytes, entry: tuple[int, int, int], where: str) -> bytes:
    """The bytes of one file of a frame; raises FrameError unless they are those that were packed."""
    _, size, checksum = entry
    if len(content) != size:
        raise FrameError(f"{where}: this shard is cut short ({len(content)} of {size} bytes): copy it again")
    if zlib.crc32(content) != checksum:
        raise FrameError(f"{where}: the bytes in this shard have changed since they were packed: copy it again")
    return content


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
    """The program and its arguments, ``{}`` replaced in each; a command without it gets ``/NAME`` at its end."""
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
