"""Whether ``encode`` was given one source or several; by their content, where a name does not tell."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from ppkt_zoo.cli.streams import say


def are_many(sources: Sequence[Path], listed: Path | None, out: Path | None, asked: bool) -> bool:
    """Whether what was given is several sources, into a folder, or one, into a file.

    One are: a file, and a folder of RGB-D frames. Several are: more than one path, a list, a pattern, a folder that
    holds no frames but point files, and whatever is to be written into a folder.

    Args:
        sources: as they were given.
        listed: of ``--list``.
        out: of ``--out``.
        asked: whether an option was given that is for several alone.
    """
    if listed is not None or len(sources) != 1 or asked:
        return True
    (source,) = sources
    if out is not None and not out.suffix:
        return True
    if not os.path.lexists(source.expanduser()):
        return glob.has_magic(str(source))
    if not source.expanduser().is_dir():
        return False
    # Of many readers of frames, which are imported for folders alone.
    from ppkt_zoo.encoding.sources import holds_point_files

    return holds_point_files(source.expanduser())


def say_what_is_encoded(source: Path) -> None:
    """Say what of a folder is encoded that holds RGB-D frames and point files."""
    folder = source.expanduser()
    if not folder.is_dir():
        return
    from ppkt_zoo.encoding.sources import point_files_beside_frames

    clouds = point_files_beside_frames(folder)
    if clouds:
        others = "a point file" if len(clouds) == 1 else f"{len(clouds)} point files"
        say(
            "sources",
            "bold cyan",
            f"{folder} holds RGB-D frames and {others}: the frames are encoded, as one cloud; for the point files give "
            f"'{folder}/*{clouds[0].suffix}' and --out FOLDER",
        )
