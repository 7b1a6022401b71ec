"""Which files are meant: files, folders of them, patterns and lists become sources with a name for each output."""

import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ppkt_zoo.data.own_cloud import OWN_ENDINGS
from ppkt_zoo.data.readers.open import FRAME_FILES, frames_format
from ppkt_zoo.encoding.folders import Passed, walk
from ppkt_zoo.encoding.own_outputs import OwnOutputs
from ppkt_zoo.errors import InputError
from ppkt_zoo.files.reading import read_text, usable_path
from ppkt_zoo.files.text import first_few

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Source:
    """One cloud to encode.

    Attributes:
        path: a point file, a mesh, or a folder of RGB-D frames.
        name: the path of its output below the folder of outputs, without ending, with ``/``.
        frames: whether it is RGB-D frames.
    """

    path: Path
    name: str
    frames: bool = False


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        sources: in natural order of each folder, in the order given.
        base: the folder from which the names of outputs go.
        duplicates: (path, the same file found before).
        remarks: what was decided and passed over, a line each.
    """

    sources: tuple[Source, ...]
    base: Path
    duplicates: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass
class _Gathered:
    """What the given paths stand for so far."""

    out: Path
    own: OwnOutputs = field(default_factory=OwnOutputs)
    paths: list[tuple[Path, bool]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    outputs: int = 0

    def add(self, path: Path) -> None:
        """Take what a path stands for."""
        if self.own.holds(path):
            self.outputs += 1
        elif not path.is_dir():
            self.paths.append((path, path.suffix.lower() in FRAME_FILES))
        elif path.resolve() == self.out:
            raise InputError(f"{path} is the folder of outputs too: give outputs a folder of their own by --out")
        elif (kind := frames_format(path)) is not None:
            self._add_frames(path, kind)
        else:
            self._add_folder(path)

    def _add_frames(self, path: Path, kind: str) -> None:
        clouds = point_files_beside_frames(path)
        if clouds:
            raise InputError(
                f"{path} holds RGB-D frames ({kind}) and {_count(clouds)}: say which are meant. For the point files "
                f"give them by name, such as '{path}/*{clouds[0].suffix}'; for the frames, encode that folder by a "
                "command of its own, with --out FILE.npz"
            )
        self.paths.append((path, True))

    def _add_folder(self, path: Path) -> None:
        passed = Passed()
        files = list(walk(path, self.out, self.own, passed))
        if passed.frames and files:
            raise InputError(
                f"{path} holds {_count(files)} and folders of RGB-D frames ({first_few(passed.frames)}): say which are "
                f"meant. Give the point files by a pattern, such as '{path}/*{files[0].suffix}', or all by --list FILE"
            )
        if passed.frames:
            raise InputError(
                f"{path} holds folders of RGB-D frames ({first_few(passed.frames)}) and no point files: give the "
                f"folders of frames themselves, such as '{path}/*'"
            )
        if not files:
            endings = ", ".join(OWN_ENDINGS)
            raise InputError(f"{path}: neither RGB-D frames nor point files here or below ({endings}){passed.why()}")
        self.paths += [(file, False) for file in files]
        self.outputs += passed.outputs
        self.remarks += [f"{path}: {_count(files)}, each a source of its own{passed.why()}"]


def find_sources(
    given: Sequence[StrPath], out: Path, *, listed: StrPath | None = None, base: StrPath | None = None
) -> Found:
    """Sources and the names of their outputs, which mirror the folders that the sources lie in.

    What a folder is, its content says: RGB-D frames in a format that a reader knows are one source; any other folder
    is looked through, those below it too, and each point file or mesh is a source. Hidden files, other kinds of files,
    texts that are no tables, the folder of outputs and outputs of earlier runs are passed over and counted.

    Args:
        given: files, folders, or patterns with ``*``, ``?``, ``[…]`` and ``**``.
        out: the folder of outputs.
        listed: a text file with a path on each line, from the folder of that file; empty lines and those that begin
            with ``#`` count for nothing.
        base: the folder from which the names of outputs go; by default the one folder that was given, that of the
            list, or the one that all sources lie in.

    Raises:
        InputError: a path or pattern that there is nothing of, a folder that holds frames and point files or neither,
            two sources whose outputs would have one name, or a source outside of ``base``.
    """
    paths = [one for each in given for one in _expanded(each)]
    if listed is not None:
        paths += _lines(usable_path(listed, InputError, "list"))
    if not paths:
        raise InputError("nothing to encode: give point files, folders of them, or --list FILE")
    gathered = _Gathered(out.resolve())
    for path in paths:
        gathered.add(path)
    if gathered.outputs:
        gathered.remarks.append(f"{gathered.outputs} outputs of earlier runs passed over")
    once, duplicates = _once(gathered.paths)
    if not once:
        raise InputError("nothing to encode: all that was given are outputs of earlier runs")
    root = _base(base, given, listed, paths, [path for path, _ in once])
    sources = tuple(Source(path, _name(path, root, frames), frames) for path, frames in once)
    _check_names(sources, out)
    return Found(sources, root, duplicates, tuple(gathered.remarks))


def holds_point_files(folder: Path) -> bool:
    """Whether a folder is one of point files: it holds no frames in a known format, and point files here or below."""
    return frames_format(folder) is None and next(walk(folder, folder, OwnOutputs(), Passed()), None) is not None


def point_files_beside_frames(folder: Path) -> list[Path]:
    """The point files that lie directly in a folder; texts and arrays, which belong to frames too, left out."""
    return list(walk(folder, folder, OwnOutputs(), Passed(), deep=False, sure=True))


def _expanded(given: StrPath) -> list[Path]:
    path = usable_path(given, InputError)
    if os.path.lexists(path):
        return [path]
    pattern = str(path)
    if not glob.has_magic(pattern):
        raise InputError(f"{path} does not exist: give point files, folders of them or of RGB-D frames, or a pattern")
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise InputError(f"{path}: no file of such a name: is the pattern right, and quoted?")
    return [Path(one) for one in found]


def _lines(file: Path) -> list[Path]:
    lines = [line.strip() for line in read_text(file, InputError, "list of files").splitlines()]
    paths = [usable_path(line, InputError, "path") for line in lines if line and not line.startswith("#")]
    if not paths:
        raise InputError(f"{file}: this list is empty: write a path on each line")
    return [file.parent / path for path in paths]


def _once(paths: Iterable[tuple[Path, bool]]) -> tuple[list[tuple[Path, bool]], tuple[tuple[str, str], ...]]:
    first: dict[str, Path] = {}
    once, duplicates = [], []
    for path, frames in paths:
        # Links to one file are that file; a loop of links is a file of its own, and fails when it is read.
        real = os.path.realpath(path)
        if real in first:
            duplicates.append((str(path), str(first[real])))
        else:
            first[real] = path
            once.append((path, frames))
    return once, tuple(duplicates)


def _base(
    base: StrPath | None, given: Sequence[StrPath], listed: StrPath | None, paths: Sequence[Path], found: Sequence[Path]
) -> Path:
    if base is not None:
        return _absolute(usable_path(base, InputError, "folder"))
    if listed is None and len(given) == 1 and len(paths) == 1 and paths[0].is_dir() and found != [paths[0]]:
        return _absolute(paths[0])
    parents = [_absolute(path).parent for path in found]
    if listed is not None and not given:
        folder = _absolute(Path(listed).expanduser()).parent
        if all(parent.is_relative_to(folder) for parent in parents):
            return folder
    try:
        return Path(os.path.commonpath(parents))
    except ValueError:  # on Windows: several drives
        raise InputError("the sources lie on several drives: give each drive a command of its own") from None


def _name(path: Path, base: Path, frames: bool) -> str:
    whole = _absolute(path)
    if not whole.is_relative_to(base) or whole == base:
        raise InputError(f"{path} does not lie below {base}, from where the names of outputs go: give another --base")
    below = PurePosixPath(whole.relative_to(base).as_posix())
    return str(below if frames and path.is_dir() else below.with_suffix(""))


def _check_names(sources: Sequence[Source], out: Path) -> None:
    first: dict[str, Source] = {}
    for one in sources:
        other = first.setdefault(one.name, one)
        if other is not one:
            raise InputError(
                f"{other.path} and {one.path} would both be written to {out / one.name}: give them to two commands "
                "with an --out each, or choose by a pattern, such as '*.ply'"
            )


def _absolute(path: Path) -> Path:
    # Without following links: what is linked into a folder is mirrored where it is linked.
    return Path(os.path.abspath(path))


def _count(files: Sequence[Path]) -> str:
    shown = first_few([one.name for one in files])
    return f"1 point file ({shown})" if len(files) == 1 else f"{len(files)} point files ({shown})"
