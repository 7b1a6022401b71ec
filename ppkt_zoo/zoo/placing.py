"""How a weight folder appears: whole or not at all; and what lies beside or in one that was not written so."""

import glob
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.zoo.config import CONFIG, FILES
from ppkt_zoo.zoo.names import StrPath


def ready_folder(folder: StrPath) -> Path:
    """The path of a folder that is about to be written, with its parents made.

    Raises:
        InputError: one of them cannot be made.
    """
    path = Path(folder).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: this folder cannot be made ({error.strerror})") from error
    return path


def place(
    folder: Path,
    files: Mapping[str, bytes],
    overwrite: bool,
    keep: bool = False,
) -> None:
    """Write all files beside the folder, then rename.

    Args:
        folder: where; it appears whole or not at all.
        files: name → content.
        overwrite: put it in the place of a weight folder, or of an empty folder, that is there.
        keep: take along what else lies in that one.

    Raises:
        WeightError: something else is there, or it cannot be written.
    """
    if folder.exists() and not overwrite:
        raise WeightError(f"{folder} exists already: choose another one, or write with overwrite=True")
    if folder.exists() and not (folder / CONFIG).is_file() and not (overwrite and _is_empty(folder)):
        raise WeightError(f"{folder} exists and is not a weight folder, so it is not overwritten: choose another one")
    # A kill between the two renames leaves the old folder under `aside`; leftover_note tells of it.
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.old")
    try:
        draft.mkdir()
        for name, data in files.items():
            write_whole(draft / name, data, WeightError)
        if keep:
            _carry_over(folder, draft)
        if folder.exists():
            folder.rename(aside)
        try:
            draft.rename(folder)
        except OSError:
            if aside.exists():
                aside.rename(folder)
            raise
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise WeightError(f"{folder} cannot be written: {reason}") from None
    except WeightError as error:
        raise WeightError(f"{folder} cannot be written; the old folder is unchanged ({error})") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    # The new one stands: what this writing, or an interrupted one, laid aside is of no more use.
    for old in _laid_aside(folder):
        shutil.rmtree(old, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None


def _laid_aside(folder: Path) -> list[Path]:
    """What interrupted writings of this folder, and of no other whose name begins so, laid aside."""
    return sorted(folder.parent.glob(f".{glob.escape(folder.name)}.{'[0-9a-f]' * 8}.old"))


def _carry_over(folder: Path, draft: Path) -> None:
    """A picture, a note or the ``.git`` that someone laid beside a weight's files goes with them.

    Files of a weight that the new one does not have stay behind: they would look like its own.
    """
    for one in folder.iterdir():
        if one.name in FILES:
            continue
        if one.is_dir() and not one.is_symlink():
            shutil.copytree(one, draft / one.name, symlinks=True)
        elif not (draft / one.name).exists():
            shutil.copy2(one, draft / one.name, follow_symlinks=False)


def leftover_note(folder: Path) -> str:
    """What an interrupted writing left of a folder, for a message; empty where nothing."""
    left = [one.name for one in _laid_aside(folder)]
    return (
        f"; writing it was interrupted, and {folder.parent / left[0]} is the weight that stood there before: rename it "
        "back, or write the new one again"
        if left
        else ""
    )


def pickle_note(folder: Path) -> str:
    """What pickles lie in a folder, for a message; empty where none."""
    try:
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix in (".pth", ".pt", ".ckpt", ".bin"))
    except OSError:
        return ", or cannot be read"
    return f"; {pickles[0]} is a pickle and is never opened here" if pickles else ""
