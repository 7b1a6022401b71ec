"""Several sources → a folder with the features of each: what ``encode`` does with more than one cloud."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from accelerate import PartialState
from rich.console import Console

from ppkt_zoo.cli.answers.many import EncodedMany, FailedSource
from ppkt_zoo.cli.run.many_told import ManyProgress, tell_results
from ppkt_zoo.cli.run.source import read_points
from ppkt_zoo.cli.run.user_modules import import_user_module, imported_modules
from ppkt_zoo.data.readers.open import FRAME_FILES
from ppkt_zoo.encoding.results import EncodedFiles, merge_lists
from ppkt_zoo.encoding.run import encode_files
from ppkt_zoo.encoding.sources import find_sources
from ppkt_zoo.engine.primitive_cache import keep_few_primitives
from ppkt_zoo.errors import InputError
from ppkt_zoo.zoo.default import default_weight

if TYPE_CHECKING:
    from ppkt_zoo.cli.options import FeatureReading
    from ppkt_zoo.cli.run.encode import Encode

# Of the options that say how a source is read, those that are for frames alone and for files alone.
_OF_FRAMES = ("every", "frame", "intrinsics", "depth_scale")
_OF_FILES = ("unit", "mesh")
# Those that say what computes, and how features are taken.
_NO_READING = ("path", "device", "engine", "tile", "read_out", "levels", "sampling", "extras", "views")


@dataclass(frozen=True)
class ReadAsAsked:
    """Reads each source as the options say; those that are for frames alone count for frames alone.

    Attributes:
        reading: the options.
    """

    reading: "FeatureReading"

    def __call__(self, path: Path) -> "ReadPoints":
        """The points of a file or of a folder of frames; errors as :func:`ppkt_zoo.cli.run.source.read_points`."""
        of_others = _OF_FILES if path.is_dir() or path.suffix.lower() in FRAME_FILES else _OF_FRAMES
        defaults: dict[str, Any] = {one.name: one.default for one in fields(self.reading) if one.name in of_others}
        points = read_points(replace(self.reading, path=path, **defaults))
        return ReadPoints(points.xyz, points.rgb, (points.told,))

    def told(self) -> dict[str, Any]:
        """The options that decide what is read, as JSON values."""
        values = {one.name: getattr(self.reading, one.name) for one in fields(self.reading)}
        return {
            name: value.value if isinstance(value, Enum) else value
            for name, value in values.items()
            if name not in _NO_READING
        }


class ReadPoints(NamedTuple):
    """Positions and colours, and a note on what was read."""

    xyz: np.ndarray
    rgb: np.ndarray | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EncodeMany:
    """``encode`` with several sources, a list, a pattern, or a folder of point files.

    Attributes:
        asked: what is asked of each; its source is not looked at.
        sources: as they were given.
        listed: a file with a path on each line, or None.
        form: of the outputs.
        workers, overwrite, base: see :func:`ppkt_zoo.encode_files`.
    """

    asked: "Encode"
    sources: Sequence[Path]
    listed: Path | None
    form: str
    workers: int
    overwrite: bool
    base: Path | None

    def run(self, console: Console) -> EncodedMany | None:
        """Encode them all; of several processes of ``accelerate launch``, the first one answers.

        Args:
            console: where progress is told.

        Raises:
            InputError: something about the sources or the options does not fit, or outputs cannot be written.
            UnknownNameError, WeightError: the weight cannot be loaded.
        """
        out = self._checked_out()
        self._check_used(out)
        keep_few_primitives()
        began = time.perf_counter()
        state = PartialState(cpu=self.asked.reading.device == "cpu")
        with ManyProgress(console, shown=state.is_main_process) as progress:
            found = self._encode(out, state, progress)
        state.wait_for_everyone()
        if not state.is_main_process:
            return None
        if state.num_processes > 1:
            found = merge_lists(out, state.num_processes)
        tell_results(found)
        return self._answer(out, found, time.perf_counter() - began)

    def _checked_out(self) -> Path:
        asked = self.asked
        of_one = {
            "--picture": asked.picture,
            "--html": asked.html,
            "--basis": asked.basis,
            "--save-basis": asked.save_basis,
        }
        given = [option for option, value in of_one.items() if value is not None]
        if given:
            raise InputError(f"{', '.join(given)} cannot go with several sources: leave it out, or give one source")
        if asked.out is None:
            raise InputError("several sources are encoded into a folder: give it by --out, such as --out features")
        if asked.out.suffix.lower() in asked.endings and not asked.out.is_dir():
            raise InputError(
                f"several sources are encoded into a folder, and --out {asked.out} is a file's name: give a folder, "
                "and --format for the files in it"
            )
        return asked.out

    def _check_used(self, out: Path) -> None:
        """Refuse options that none of the sources has a use for."""
        reading = self.asked.reading
        defaults = {one.name: one.default for one in fields(reading)}
        for names, frames, what in ((_OF_FRAMES, True, "RGB-D frames"), (_OF_FILES, False, "files")):
            given = [f"--{name.replace('_', '-')}" for name in names if getattr(reading, name) != defaults[name]]
            if not given:
                continue
            found = find_sources(self.sources, out, listed=self.listed, base=self.base)
            if all(one.frames is not frames for one in found.sources):
                raise InputError(f"{', '.join(given)}: for {what}, and no source is such: leave it out")

    def _encode(self, out: Path, state: PartialState, progress: ManyProgress) -> EncodedFiles:
        asked, reading = self.asked, self.asked.reading
        device = reading.device
        if device == "cuda" and state.num_processes > 1:
            device = f"cuda:{state.local_process_index}"
        form: Any = self.form
        return encode_files(
            self.sources,
            out,
            weight=asked.weight,
            format=form,
            levels=reading.levels,
            tile=asked.tile,
            half=asked.half,
            read=ReadAsAsked(reading),
            listed=self.listed,
            base=self.base,
            workers=self.workers,
            overwrite=self.overwrite,
            device=device,
            engine=reading.engine,
            report=progress.report,
            remark=progress.remark,
            prepare=functools.partial(_import_all, imported_modules()),
            rank=state.process_index,
            ranks=state.num_processes,
            **reading.how,
        )

    def _answer(self, out: Path, found: EncodedFiles, seconds: float) -> EncodedMany:
        written = found.of("written")
        return EncodedMany(
            files=(str(found.list), *(one.output for one in written)),
            weight=default_weight() if self.asked.weight is None else self.asked.weight,
            out=str(out),
            list=str(found.list),
            written=len(written),
            skipped=len(found.of("skipped")),
            failed=tuple(FailedSource(source=one.source, error=str(one.error)) for one in found.of("failed")),
            duplicates=len(found.duplicates),
            points=sum(one.points for one in written),
            seconds=seconds,
        )


def _import_all(modules: Sequence[str]) -> None:
    for one in modules:
        import_user_module(one)
