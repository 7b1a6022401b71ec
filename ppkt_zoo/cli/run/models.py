"""Which fine-tuned model ``--model`` means."""

import difflib
from pathlib import Path

from ppkt_zoo.errors import UnknownNameError

__all__ = ["folder_or_name"]

# What every weight folder holds.
_CONFIG = "config.json"


def folder_or_name(model: str) -> str | Path:
    """A folder as a path, anything else as a name.

    Raises:
        UnknownNameError: neither such a folder nor a name; the message tells the nearest folders, and what a model is.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        inner = folder / "model"
        if not (folder / _CONFIG).is_file() and (inner / _CONFIG).is_file():
            raise UnknownNameError(f"{folder} is the folder of a run: the model in it is {inner}")
        return folder
    if model.startswith(("hf-hub:", "local-dir:")):
        return model
    from ppkt_zoo.zoo.manifest import load_manifest

    if model in load_manifest().names():
        return model
    near = _nearest_folders(folder)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    what = "is a file" if folder.exists() else "is not there"
    raise UnknownNameError(
        f"--model {model} {what}: {meant}A model is the folder that 'segmentation train' and 'detection train' write, "
        f"OUT/model, with {_CONFIG}, model.safetensors and a head; or hf-hub:OWNER/REPO@COMMIT"
    )


def _nearest_folders(folder: Path) -> list[str]:
    """Folders whose names are like the one that is not there, beside it or beside what of its path there is."""
    place, name = folder.absolute().parent, folder.name
    while not place.is_dir():
        place, name = place.parent, place.name
    try:
        beside = {one.name: one for one in place.iterdir() if one.is_dir() and not one.name.startswith(".")}
    except OSError:
        return []
    rest = folder.absolute().relative_to(place / name)
    close = difflib.get_close_matches(name, sorted(beside), n=2, cutoff=0.6)
    return [str(beside[one] / rest if (beside[one] / rest).is_dir() else beside[one]) for one in close]
