"""One source after another → its output, by a network that is loaded once."""

import errno
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ppkt_zoo.backbones.arguments import checked_reading
from ppkt_zoo.encoding.features import features_of
from ppkt_zoo.encoding.own_outputs import MADE_BY
from ppkt_zoo.encoding.plan import Plan
from ppkt_zoo.encoding.results import FileResult, Status
from ppkt_zoo.encoding.source_identity import Identity, identity_of
from ppkt_zoo.encoding.sources import Source
from ppkt_zoo.errors import InputError, PPKTZooError
from ppkt_zoo.files.locks import sole_writer
from ppkt_zoo.files.text import one_line
from ppkt_zoo.files.writing import sweep_parts
from ppkt_zoo.points.files.cloud_files import checked_arrays
from ppkt_zoo.points.files.cloud_writers import read_note, write_arrays
from ppkt_zoo.zoo.load import load_backbone, open_weight

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

# What is wrong with one name and not with the disk.
_OF_ONE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
_LONGEST = 1000
# A status, and further fields of the result.
_Outcome = tuple[Status, dict[str, Any]]


class OutputError(InputError):
    """An output cannot be written, and so the next ones can't be."""


class FileEncoder:
    """Encodes the sources of a plan; what is wrong with one of them is told in its result.

    Args:
        plan: what is asked.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._loaded: Backbone | None = None

    def __call__(self, source: Source, wait: float | None = 0.0) -> FileResult | None:
        """Make a source's output, unless a whole one of the same making is there.

        Args:
            source: one of the plan's.
            wait: seconds to wait for another process that is at work on it, None for as long as it takes.

        Returns:
            What became of it; None where another process is at work on it.

        Raises:
            OutputError: outputs cannot be written: a full disk, a missing right.
            WeightError, UnknownNameError, EngineError: the network cannot be loaded.
            InputError: the network has no such levels or read-out.
        """
        return self._told(source, lambda: self._made(source, wait))

    def kept(self, source: Source) -> FileResult | None:
        """What became of a source whose output is there already; None where it has to be made. Loads nothing."""
        target = self._plan.target(source)
        return self._told(source, lambda: ("skipped", {}) if self._is_made(source, target) else None)

    def _told(self, source: Source, work: Callable[[], _Outcome | None]) -> FileResult | None:
        began = time.perf_counter()
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            found: _Outcome | None
            try:
                found = work()
            except OutputError as failure:
                if not _is_of_one_name(failure):
                    raise
                found = "failed", {"error": str(failure)}
            except _SourceError as failure:
                found = "failed", {"error": str(failure)}
        if found is None:
            return None
        status, more = found
        if more.get("error"):
            more["error"] = one_line(more["error"], _LONGEST)
        # Of the libraries below, those of ours concern the user.
        told = [one_line(one.message) for one in warned if type(one.message).__module__.startswith("ppkt_zoo.")]
        names = str(source.path), str(self._plan.target(source))
        seconds = time.perf_counter() - began
        return FileResult(*names, status, seconds=seconds, warnings=tuple(dict.fromkeys(told)), **more)

    def _made(self, source: Source, wait: float | None) -> _Outcome | None:
        target = self._plan.target(source)
        if self._is_made(source, target):
            return "skipped", {}
        # Loaded before the lock, so that what is wrong with the weight is no source's fault.
        network = self.network()
        with sole_writer(target, OutputError, wait) as alone:
            if not alone:
                return None
            if self._is_made(source, target):
                return "skipped", {}
            sweep_parts(target)
            with _faults_of_the_source():
                identity = identity_of(source)
                cloud = self._plan.options.read(source.path)
                xyz, rgb = np.asarray(cloud[0]), cloud[1]
                asked = self._plan.options
                features = features_of(network, xyz, rgb, asked.levels, asked.tile, asked.half, asked.how or {})
                arrays = checked_arrays(xyz, rgb, features)
                if not identity.still_is(source):
                    raise InputError(f"{source.path}: this file changed while it was read: run the same command again")
            write_arrays(target, arrays, self._note(source, identity), OutputError)
        notes = tuple(one_line(one) for one in getattr(cloud, "notes", ()))
        return "written", {"points": len(xyz), "notes": notes}

    def _is_made(self, source: Source, target: Path) -> bool:
        """Whether a whole output of the same making is there; raises where one is that must not be replaced."""
        if not target.exists():
            return False
        try:
            note = read_note(target)
        except InputError:
            # Cut short by a fault of the disk or a copy that broke off: nobody loses anything.
            return False
        with _faults_of_the_source():
            fault = self._fault_of(note, source)
        if fault is None:
            return True
        if not self._plan.overwrite:
            raise _SourceError(f"{target}: {fault}: give --overwrite to make it again, or another --out")
        return False

    def _fault_of(self, note: dict[str, Any] | None, source: Source) -> str | None:
        if note is None or note.get("made_by") != MADE_BY:
            return "something else stands there than an output of this command"
        if note.get("making") != self._plan.making:
            return "it was made with another weight or other options"
        if not Identity.of_note(note.get("source")).is_of(source):
            return f"it was made of other content than {source.path} has now"
        return None

    def _note(self, source: Source, identity: Identity) -> dict[str, Any]:
        making = {"made_by": MADE_BY, "weight": self._plan.weight, "making": self._plan.making}
        return making | {"source": identity.note()}

    def network(self) -> "Backbone":
        """The network, loaded when it is needed first; raises as a call does."""
        if self._loaded is None:
            plan = self._plan
            if plan.threads is not None:
                torch.set_num_threads(plan.threads)
            folder = open_weight(plan.folder, hold=True)
            network = load_backbone(folder, device=plan.device, engine=plan.engine)
            checked_reading(network, plan.options.levels, **(plan.options.how or {}))
            self._loaded = network
        return self._loaded


class _SourceError(InputError):
    """One source's own fault; the others go on."""


@contextmanager
def _faults_of_the_source() -> Iterator[None]:
    try:
        yield
    except _SourceError:
        raise
    except PPKTZooError as failure:
        raise _SourceError(*failure.args) from failure
    except OSError as failure:
        where = f"{failure.filename}: " if failure.filename is not None else ""
        raise _SourceError(f"{where}{failure.strerror or failure}") from failure
    except MemoryError as failure:
        raise _SourceError("there is not enough memory for it: give fewer --workers, or --tile auto") from failure


def _is_of_one_name(failure: OutputError) -> bool:
    cause = failure.__cause__
    return not isinstance(cause, OSError) or cause.errno in _OF_ONE_NAME
