"""What this project measures: how fast it is, what its weights know, and what they are worth when fine-tuned.

Run everything as a module from the root of the repository, for example

    python -m benchmarks.speed.sparse_conv
    python -m benchmarks.evaluation.run runs/family/* --teachers runs/teachers
    python -m benchmarks.finetuning.run
    python -m benchmarks.reports --check

``speed`` writes ``benchmarks/results/*.json``; ``reports`` writes the pages and the JSON in ``docs/results/``.

Bad input and a run that was stopped end a command with one line, as they end ``ppkt-zoo``; ``PPKT_ZOO_DEBUG=1`` shows
where they came from.
"""

import os
import sys
from types import TracebackType

from ppkt_zoo.errors import PPKTZooError


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, PPKTZooError) and os.environ.get("PPKT_ZOO_DEBUG") != "1":
        print(f"{kind.__name__}: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


sys.excepthook = _tell
"""Here, once for all commands: Python imports this package before whichever of them it runs."""
