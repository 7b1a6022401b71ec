"""What lies on this machine: weights in the Hub's cache and the mirror's, and files that can be made again."""

import contextlib
import os
import shutil
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppkt_zoo.errors import InputError, UnknownNameError, WeightError
from ppkt_zoo.files.reading import default_cache
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.zoo.config import CONFIG, GOLDEN, MODEL
from ppkt_zoo.zoo.hub import fetch_listed, hub_cache
from ppkt_zoo.zoo.manifest import HubSource, Manifest, WeightSpec
from ppkt_zoo.zoo.names import did_you_mean
from ppkt_zoo.zoo.tensors import read_bytes

Kind = Literal["hub", "mirror", "rooms", "teacher"]

# Folders of the package's own cache, by what they hold. Nothing else in it is ever removed.
_OWN: dict[Kind, tuple[str, ...]] = {
    "mirror": ("mirror",),
    "rooms": ("rooms", "scenes-v*-seed*", "partial-scans-v*-seed*"),
    "teacher": ("teacher",),
}
# How the Hub's client calls the folder of a repository: this, the owner, two dashes, the name.
_HUB_MODELS = "models--"
_WEIGHT_FILES = {CONFIG, MODEL, GOLDEN}


@dataclass(frozen=True)
class Kept:
    """Something that was kept.

    Attributes:
        kind: of what it is.
        name: repository, or folder.
        path: where.
        size: bytes.
    """

    kind: Kind
    name: str
    path: Path
    size: int


def fetch_weights(manifest: Manifest, names: Sequence[str], to: Path | None = None) -> list[tuple[WeightSpec, Path]]:
    """Have listed weights on this machine, every file checked.

    Args:
        manifest: that lists them.
        names: of weights; all where empty.
        to: a folder that becomes a mirror: those of the Hub lie in it as ``PPKT_ZOO_MIRROR`` wants them.

    Returns:
        Each weight, and where it lies.

    Raises:
        UnknownNameError: a name that isn't listed.
        WeightError: one cannot be had, or cannot be laid into ``to``.
    """
    if unknown := [name for name in names if name not in manifest.names()]:
        raise UnknownNameError(f"no weight is called {unknown[0]!r}: {did_you_mean(unknown[0], manifest.names())}")
    found = []
    for spec in manifest.weights:
        if names and spec.name not in names:
            continue
        path = fetch_listed(spec).path
        if to is not None and isinstance(spec.source, HubSource):
            target = to / spec.source.repo / spec.source.revision
            for file, entry in spec.files.items():
                # As whole as it was fetched, or not there: another machine has no Hub to fetch it again from.
                write_whole(target / file, read_bytes(path / file, entry), WeightError)
            path = target
        found.append((spec, path))
    return found


def list_kept(hub_cache: Path | None = None) -> list[Kept]:
    """Everything that was kept, largest first; of the Hub's cache, which others use too, weight folders alone.

    Args:
        hub_cache: the Hub's; its client's own choice (HF_HOME, HF_HUB_CACHE) where None.

    Raises:
        InputError: a cache is no folder that can be read.
    """
    own = [
        Kept(kind, path.name, path, _size(path))
        for kind, patterns in _OWN.items()
        for pattern in patterns
        for path in sorted(default_cache().glob(pattern))
        if path.is_dir()
    ]
    return sorted([*own, *_of_the_hub(hub_cache)], key=lambda one: -one.size)


def clear(kinds: Sequence[str], hub_cache: Path | None = None) -> list[Kept]:
    """Remove what is of these kinds; what was removed.

    Args:
        kinds: some of ``Kind``.
        hub_cache: as for :func:`list_kept`.

    Raises:
        InputError: no such kind, or something cannot be removed, or is a link to another place.
    """
    if unknown := set(kinds) - {"hub", *_OWN}:
        raise InputError(f"there is no kind {min(unknown)!r}: there are hub, {', '.join(_OWN)}")
    removed = [one for one in list_kept(hub_cache) if one.kind in kinds]
    for one in removed:
        if one.path.is_symlink():
            raise InputError(f"{one.path} is a link and leads elsewhere: remove by hand what it leads to")
        try:
            shutil.rmtree(one.path)
        except OSError as error:
            raise InputError(
                f"{one.path} cannot be removed ({error.strerror}): close what uses it, and try again"
            ) from None
    return removed


def _of_the_hub(cache: Path | None) -> list[Kept]:
    root = hub_cache(cache)
    try:
        folders = [path for path in sorted(root.iterdir()) if path.name.startswith(_HUB_MODELS)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"the Hub's cache {root} cannot be read ({error.strerror}): set HF_HOME or HF_HUB_CACHE to a folder"
        ) from None
    return [
        Kept("hub", path.name.removeprefix(_HUB_MODELS).replace("--", "/"), path, _size(path))
        for path in folders
        if _holds_a_weight(path / "snapshots")
    ]


def _holds_a_weight(commits: Path) -> bool:
    """Whether a commit has the files of a weight, be they damaged: what cannot be looked at is another's."""
    with contextlib.suppress(OSError):
        return any(all(os.path.lexists(one / file) for file in _WEIGHT_FILES) for one in commits.iterdir())
    return False


def _size(folder: Path) -> int:
    """Bytes of all files in a folder; what another process takes away meanwhile counts nothing."""
    size = 0
    for at, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):
                state = os.lstat(os.path.join(at, file))
                size += state.st_size if stat.S_ISREG(state.st_mode) else 0
    return size
