"""Outputs of this and of earlier runs, known by the mark of their folder and the note inside of them."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from ppkt_zoo.errors import InputError, MissingLibraryError
from ppkt_zoo.points.files.cloud_writers import WRITTEN_ENDINGS, read_note

#: The file below a folder of outputs that says how they are made.
MARK = "encode.json"
#: In the note of every output: who made it.
MADE_BY = "ppkt-zoo encode"
_FOLDERS = (".zarr",)


@dataclass
class OwnOutputs:
    """Tells outputs from sources; what it found of folders it remembers."""

    _marked: dict[Path, bool] = field(default_factory=dict)

    def holds(self, path: Path) -> bool:
        """Whether a file or folder is an output: one with our note, or a damaged one, below a folder with our mark."""
        if path.suffix.lower() not in WRITTEN_ENDINGS or not self._is_marked(Path(os.path.abspath(path)).parent):
            return False
        try:
            note = read_note(path)
        except MissingLibraryError:
            # Without the library such a file can be no source either.
            return True
        except InputError:
            return os.path.exists(path)
        return note is not None and note.get("made_by") == MADE_BY

    def _is_marked(self, folder: Path) -> bool:
        if folder not in self._marked:
            above = folder.parent
            self._marked[folder] = (folder / MARK).is_file() or (above != folder and self._is_marked(above))
        return self._marked[folder]


def is_group(path: Path) -> bool:
    """Whether a folder is one that stands for a single file."""
    return path.suffix.lower() in _FOLDERS
