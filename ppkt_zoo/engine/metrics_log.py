"""metrics.jsonl: one line each time something was measured; a resumed run goes on without gaps or doubles."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ppkt_zoo.errors import PPKTZooError, TrainingError
from ppkt_zoo.files.checksums import sha256_of
from ppkt_zoo.files.limits import MAX_BYTES
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.strict_json import parse_json
from ppkt_zoo.files.writing import write_whole

# A line of ours has a few hundred letters.
_LONGEST = 100_000


class MetricsLog:
    """Append-only log of a run: a line of JSON each time, and TensorBoard's files where asked for.

    Lines that a kill, a full disk or an editor damaged are left out; the whole file as it was found is then kept
    beside it as ``metrics.jsonl.damaged``. A last line without an end is of a kill and needs no copy.

    Args:
        file: the ``.jsonl`` file.
        resumed_at: steps that the checkpoint holds; later lines belong to work that was lost and are dropped.
        board: folder for TensorBoard's files, or None.
        say: told a line where something was left out.

    Raises:
        TrainingError: TensorBoard is asked for and not installed; the log cannot be read or written.
    """

    def __init__(
        self, file: Path, resumed_at: int, board: Path | None = None, say: Callable[[str], None] | None = None
    ) -> None:
        self.file = file
        content = _content(file)
        lines, damaged = _lines(content)
        if damaged:
            aside = _aside(file, content)
            write_whole(aside, content, TrainingError)
            if say is not None:
                say(
                    f"{file}: line {damaged[0]} is damaged{f', {len(damaged) - 1} more too' if damaged[1:] else ''}: "
                    f"left out; the file as it was is {aside.name}"
                )
        kept = [line for line in lines if line["step"] <= resumed_at]
        write_whole(self.file, "".join(json.dumps(line) + "\n" for line in kept), TrainingError)
        # purge_step makes TensorBoard forget what a resumed run does again.
        self._board = None if board is None else _board(board, resumed_at + 1)

    def write(self, step: int, **values: Any) -> None:
        """One line: the step (counted from 1) and its values.

        Raises:
            TrainingError: it cannot be written (a full disk).
        """
        try:
            with open(self.file, "a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")
            if self._board is not None:
                for name, value in values.items():
                    self._board.add_scalar(name, value, step)
                self._board.flush()
        except OSError as error:
            raise TrainingError(
                f"{self.file}: the figures of step {step} cannot be written ({error.strerror}): make room on the disk "
                "and give the same command again, it resumes from its last checkpoint"
            ) from error


def _board(folder: Path, purge_step: int) -> Any:
    need("tensorboard", "train", "--tensorboard", TrainingError)
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=purge_step)


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """All complete lines of a log; a last line that was cut by a kill is left out.

    Raises:
        TrainingError: the file cannot be read, or a line is damaged; names it.
    """
    lines, damaged = _lines(_content(file))
    if damaged:
        raise TrainingError(f"{file}: line {damaged[0]} is damaged: take it out; a resumed run does that by itself")
    return lines


def _content(file: Path) -> bytes:
    return read_file(file, TrainingError, "log", limit=MAX_BYTES) if file.exists() or file.is_symlink() else b""


def _lines(content: bytes) -> tuple[list[dict[str, Any]], list[int]]:
    """The lines that are whole, and the numbers, from 1, of those that are damaged."""
    found: list[dict[str, Any]] = []
    damaged: list[int] = []
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].split(b"\n")[:-1], start=1):
        value = _value(line)
        if value is None:
            damaged.append(number)
        else:
            found.append(value)
    return found, damaged


def _value(line: bytes) -> dict[str, Any] | None:
    """A line's figures; None where it is not a step with numbers."""
    try:
        if len(line) > _LONGEST:
            return None
        value = parse_json(line, "this line", PPKTZooError, finite=False)
    except PPKTZooError:
        return None
    if not isinstance(value, dict) or not _is_step(value.get("step")):
        return None
    return value if all(one is None or isinstance(one, int | float | str) for one in value.values()) else None


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _aside(file: Path, content: bytes) -> Path:
    """Where to keep what was found: a name beside the file that no other content has."""
    aside = file.with_name(f"{file.name}.damaged")
    return file.with_name(f"{aside.name}-{sha256_of(content)[:8]}") if aside.exists() else aside
