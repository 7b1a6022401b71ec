"""What lies beside a weight's own files: laid aside by an interrupted writing, or by someone's hand."""

import glob
import shutil
from pathlib import Path

__all__ = ["carry_over", "laid_aside", "leftover_note", "pickle_note"]


def laid_aside(folder: Path) -> list[Path]:
    """What interrupted writings of this folder, and of no other whose name begins so, laid aside."""
    return sorted(folder.parent.glob(f".{glob.escape(folder.name)}.{'[0-9a-f]' * 8}.old"))


def carry_over(folder: Path, draft: Path) -> None:
    """A picture, a note or the ``.git`` that someone laid beside a weight's files goes with them."""
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.copytree(one, draft / one.name, symlinks=True)
        elif not (draft / one.name).exists():
            shutil.copy2(one, draft / one.name, follow_symlinks=False)


def leftover_note(folder: Path) -> str:
    """What an interrupted writing left of a folder, for a message; empty where nothing."""
    left = [one.name for one in laid_aside(folder)]
    return (
        f"; writing it was interrupted, and {folder.parent / left[0]} is the weight that stood there before: rename it "
        "back, or write the new one again"
        if left
        else ""
    )


def pickle_note(folder: Path) -> str:
    try:
        pickles = sorted(file.name for file in folder.iterdir() if file.suffix in (".pth", ".pt", ".ckpt", ".bin"))
    except OSError:
        return ", or may not be seen"
    return f"; {pickles[0]} is a pickle and is never opened here" if pickles else ""
