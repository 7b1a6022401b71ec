"""``encode_files``: features for every point of many clouds, one output each."""

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ppkt_zoo.backbones.arguments import Tile
from ppkt_zoo.data.own_cloud import load_cloud
from ppkt_zoo.encoding.encoder import FileEncoder, OutputError
from ppkt_zoo.encoding.plan import Options, Plan, Read, digits_of, keep_making, making_of
from ppkt_zoo.encoding.results import EncodedFiles, FileResult, in_order, list_of_rank, write_list
from ppkt_zoo.encoding.sources import Found, Source, StrPath, find_sources
from ppkt_zoo.encoding.workers import MOST_WORKERS, encode_all
from ppkt_zoo.engine.thread_policy import usable_cores
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.targets import check_folder_target
from ppkt_zoo.points.files.cloud_writers import WRITTEN_ENDINGS, check_library
from ppkt_zoo.points.readout_spec import Extra, Purpose, ReadOut, Sampling
from ppkt_zoo.zoo.default import default_weight
from ppkt_zoo.zoo.load import open_weight

Format = Literal["npz", "ply", "parquet", "zarr"]
#: Told of each source that is done: its result, how many are done, of how many.
Report = Callable[[FileResult, int, int], None]


@dataclass(frozen=True)
class Share:
    """Which of several processes or machines that share one list this is.

    Attributes:
        rank, ranks: the number of this one, from 0, and how many there are.
    """

    rank: int = 0
    ranks: int = 1

    def order(self, sources: Sequence[Source]) -> list[Source]:
        """First what falls to this process, then what falls to others, whom it helps when its own are done."""
        first = list(sources[self.rank :: self.ranks])
        for step in range(1, self.ranks):
            first += sources[(self.rank + step) % self.ranks :: self.ranks]
        return first


def encode_files(
    sources: StrPath | Iterable[StrPath],
    out: StrPath,
    *,
    weight: str | None = None,
    format: Format = "npz",
    levels: str | Sequence[str] = "last",
    sampling: Sampling = "nearest",
    extras: Sequence[Extra] = (),
    views: int = 1,
    readout: Purpose | ReadOut | None = None,
    tile: Tile = None,
    half: bool = False,
    read: Read = load_cloud,
    listed: StrPath | None = None,
    base: StrPath | None = None,
    workers: int = 1,
    overwrite: bool = False,
    device: str = "cpu",
    engine: str = "auto",
    report: Report | None = None,
    remark: Callable[[str], None] | None = None,
    prepare: Callable[[], None] | None = None,
    rank: int = 0,
    ranks: int = 1,
) -> EncodedFiles:
    """Compute a feature for every point of many clouds: ``out`` gets a file for each, and ``files.json``.

    The same call goes on where it was stopped: an output that is whole, of the same weight and options and of the same
    source is passed over. Several processes and machines may work in one ``out``: each output is made by one of them.
    What is wrong with one source is told in its result, and the others go on.

    Args:
        sources: point files, meshes, folders of them (with those below), or patterns such as ``"scans/*.ply"``; a
            folder of RGB-D frames where ``read`` reads such.
        out: folder of the outputs, whose paths in it mirror those of the sources.
        weight: as for :func:`ppkt_zoo.load_backbone`; by default that of :func:`ppkt_zoo.default_weight`.
        format: of the outputs, see :func:`ppkt_zoo.points.files.cloud_files.write_cloud`; they hold ``xyz`` and ``rgb``
            as they were read, and ``features`` (N, C) in the order of the points.
        levels, sampling, extras, views, readout, tile: see :meth:`ppkt_zoo.backbones.Backbone.encode`.
        half: features as 16-bit floats; not for ply.
        read: path → (xyz, rgb or None, …): float (N, 3), metres, z up, and uint8 (N, 3). By default
            :func:`ppkt_zoo.load_cloud`; ``functools.partial(ppkt_zoo.load_cloud, unit="mm")`` gives it options.
        listed: a text file with a path on each line, from the folder of that file.
        base: the folder from which the paths of outputs go; by default the folder that was given, or the one that all
            sources lie in.
        workers: processes; each loads the weight and holds one cloud at a time. 1 is this process.
        overwrite: make outputs again that were made of another weight, other options or other content, in place of
            refusing them.
        device, engine: as for :func:`ppkt_zoo.load_backbone`.
        report: called with each result, how many are done and how many there are.
        remark: called, before any work, with each line on how sources were found and what was passed over.
        prepare: called first in every new process, such as to register backbones; must be picklable, as ``read``.
        rank, ranks: of several processes that share the sources, which one this is; each keeps a list of its own,
            ``files.RANK-of-RANKS.json``.

    Returns:
        What became of each source.

    Raises:
        InputError: nothing to encode, an argument does not fit, ``out`` holds outputs of another making, or outputs
            cannot be written (a full disk); those that were written stay.
        UnknownNameError, WeightError, EngineError, MissingLibraryError: the weight cannot be loaded, or the format
            needs a library that is not installed.
    """
    given = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    folder, ending = usable_path(out, InputError, "folder of outputs"), f".{format}"
    _check(folder, ending, half, workers, rank, ranks)
    found = find_sources(given, folder, listed=listed, base=base)
    _check_targets(found, folder, ending)
    if read is load_cloud and (frames := [one.path for one in found.sources if one.frames]):
        raise InputError(
            f"{frames[0]} holds RGB-D frames, and load_cloud reads files: give a function of your own by read, or use "
            "the command, ppkt-zoo encode"
        )
    how: Mapping[str, Any] = {"sampling": sampling, "extras": tuple(extras), "views": views, "readout": readout}
    options = Options(read, levels, tile, how, half)
    opened = open_weight(default_weight() if weight is None else weight)
    making = making_of(opened, options, ending)
    threads = max(1, usable_cores() // workers) if workers > 1 and torch.device(device).type == "cpu" else None
    plan = Plan(
        weight=opened.config.name,
        folder=opened.path,
        options=options,
        making=digits_of(making),
        out=folder,
        ending=ending,
        overwrite=overwrite,
        device=device,
        engine=engine,
        threads=threads,
        prepare=prepare,
    )
    encoder = FileEncoder(plan)
    # Before anything is written: a level or a device that is not there is no way in which outputs are made.
    encoder.network()
    remarks = (*found.remarks, *keep_making(folder, making, found.base, overwrite, OutputError))
    if remark is not None:
        for one in remarks:
            remark(one)
    run = _Run(plan, found, remarks, workers, Share(rank, ranks), report)
    return run.all(encoder if workers == 1 else None)


@dataclass
class _Run:
    plan: Plan
    found: Found
    remarks: tuple[str, ...]
    workers: int
    share: Share
    report: Report | None
    results: dict[str, FileResult] = field(default_factory=dict)

    def all(self, encoder: FileEncoder | None) -> EncodedFiles:
        """Every source; the list of what became of them is written when the run is stopped, too."""
        total = len(self.found.sources)
        try:
            with closing(self._each(encoder)) as each:
                for result in each:
                    self.results[result.source] = result
                    if self.report is not None:
                        self.report(result, len(self.results), total)
        except BaseException:
            with suppress(OutputError):
                write_list(self._done(), OutputError)
            raise
        done = self._done()
        write_list(done, OutputError)
        return done

    def _each(self, encoder: FileEncoder | None) -> Generator[FileResult, None, None]:
        """What becomes of each; what another run is at comes last, when that is likely done with it."""
        left: Sequence[Source] = self.share.order(self.found.sources)
        for waits in (False, True):
            busy = []
            with closing(encode_all(self.plan, left, self.workers, waits, encoder)) as each:
                for source, result in each:
                    if result is None:
                        busy.append(source)
                    else:
                        yield result
            left = busy

    def _done(self) -> EncodedFiles:
        left = [
            FileResult(str(one.path), str(self.plan.target(one)), "left")
            for one in self.found.sources
            if str(one.path) not in self.results
        ]
        ordered = in_order([*self.results.values(), *left], [str(one.path) for one in self.found.sources])
        where = list_of_rank(self.plan.out, self.share.rank, self.share.ranks)
        return EncodedFiles(ordered, where, self.found.duplicates, self.remarks)


def _check(out: Path, ending: str, half: bool, workers: int, rank: int, ranks: int) -> None:
    if ending not in WRITTEN_ENDINGS:
        known = ", ".join(one.removeprefix(".") for one in WRITTEN_ENDINGS)
        raise InputError(f"outputs are written as {known}: there is no format {ending.removeprefix('.')!r}")
    if half and ending == ".ply":
        raise InputError("a .ply has no 16-bit floats: leave half out, or give another format")
    if not 1 <= workers <= MOST_WORKERS:
        raise InputError(f"workers must be 1 to {MOST_WORKERS}, got {workers}")
    if not 0 <= rank < ranks:
        raise InputError(f"rank {rank} of {ranks} processes cannot be: give 0 to {ranks - 1}")
    check_folder_target(out, InputError, "folder of outputs")
    check_library(ending)


def _check_targets(found: Found, out: Path, ending: str) -> None:
    """No output may take the place of a source."""
    real = {os.path.realpath(one.path) for one in found.sources}
    for one in found.sources:
        target = out / f"{one.name}{ending}"
        if os.path.realpath(target) in real:
            raise InputError(f"the output of {one.path} would replace the source {target}: give another --out")
