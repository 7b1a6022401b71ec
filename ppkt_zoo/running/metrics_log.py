"""metrics.jsonl: one line each time something was measured; a resumed run goes on without gaps or doubles."""

import json
import os
from pathlib import Path
from typing import Any

from ppkt_zoo.errors import TrainingError


class MetricsLog:
    """Append-only log of a run: a line of JSON each time, and TensorBoard's files where asked for.

    Args:
        file: the ``.jsonl`` file.
        resumed_at: steps that the checkpoint holds; later lines belong to work that was lost and are dropped.
        board: folder for TensorBoard's files, or None.

    Raises:
        TrainingError: TensorBoard is asked for and not installed.
    """

    def __init__(self, file: Path, resumed_at: int, board: Path | None = None) -> None:
        self.file = file
        kept = [line for line in read_metrics(self.file) if line["step"] <= resumed_at]
        part = self.file.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in kept))
        os.replace(part, self.file)
        # purge_step makes TensorBoard forget what a resumed run does again.
        self._board = None if board is None else _board(board, resumed_at + 1)

    def write(self, step: int, **values: Any) -> None:
        """One line: the step (counted from 1) and its values."""
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()


def _board(folder: Path, purge_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            f'TensorBoard is not installed ({error}): pip install "ppkt-zoo[train]", or leave out --tensorboard'
        ) from error
    return SummaryWriter(str(folder), purge_step=purge_step)


def read_metrics(file: Path) -> list[dict[str, Any]]:
    """All complete lines of a log; a last line that was cut by a kill is left out."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
