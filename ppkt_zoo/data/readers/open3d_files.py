"""What belongs together in a folder of Open3D's or Redwood's: its images, their pairs, its trajectory."""

from pathlib import Path

from ppkt_zoo.data.readers.timestamps import associate
from ppkt_zoo.data.subset import check_name, entries, natural_key
from ppkt_zoo.errors import FrameError

_COLOR_FOLDERS = ("image", "color", "colors", "rgb")
_COLOR_SUFFIXES = (".jpg", ".jpeg", ".png")
# Redwood's augmented ICL-NUIM rooms are downloaded part by part: NAME-color/, NAME-depth-clean/, NAME-traj.txt.
_COLOR_END, _DEPTH_ENDS, _TRAJECTORY_END = "-color", ("-depth-clean", "-depth-simulated"), "-traj.txt"
# Colour and depth run at 30 Hz: of one instant are images at most this many seconds apart.
_SAME_INSTANT = 0.02


def find_color(folder: Path) -> Path:
    """The folder of colour images.

    Raises:
        FrameError: there is none, or several of Redwood's.
    """
    named = next((folder / name for name in _COLOR_FOLDERS if (folder / name).is_dir()), None)
    found = [named] if named else _ending(folder, (_COLOR_END,))
    if not found:
        raise FrameError(f"{folder / 'image'}: this folder of colour images is missing (color/ would do too)")
    return _one(found, "folders of colour images")


def find_depth(folder: Path) -> Path:
    """The folder of depth images: ``depth/``, or Redwood's clean depth, or its simulated depth."""
    if (folder / "depth").is_dir():
        return folder / "depth"
    found = next((places for end in _DEPTH_ENDS if (places := _ending(folder, (end,)))), [])
    return _one(found, "folders of depth images") if found else folder / "depth"


def find_trajectory(folder: Path) -> Path:
    """``trajectory.log``, else the one ``NAME.log`` or ``NAME-traj.txt``; where there is none, the first name.

    Raises:
        FrameError: there are several.
    """
    usual = folder / "trajectory.log"
    if usual.exists():
        return usual
    found = [path for path in entries(folder) if path.name.endswith((".log", _TRAJECTORY_END)) and not path.is_dir()]
    return _one(found, "trajectories") if found else usual


def is_open3d(folder: Path) -> bool:
    """Whether this is a folder of Open3D's or Redwood's."""
    return (
        (folder / "trajectory.log").exists()
        or (folder / "depth").is_dir()
        or bool(_ending(folder, (_COLOR_END,)) and _ending(folder, _DEPTH_ENDS))
    )


def list_color(folder: Path) -> dict[str, Path]:
    """Colour images of a folder by the first number in their names (the whole stem where it begins with none)."""
    return _by_number(folder, _COLOR_SUFFIXES)


def list_depth(folder: Path) -> dict[str, Path]:
    """Depth images of a folder, as ``list_color``."""
    return _by_number(folder, (".png",))


def stamped(files: dict[str, Path]) -> bool:
    """Whether all names are Redwood's, a number and microseconds: ``0000003-000000066741.jpg``."""
    return bool(files) and all(_microseconds(path) is not None for path in files.values())


def pair(color: dict[str, Path], depth: dict[str, Path]) -> list[tuple[str, str]]:
    """The colour and the depth image of each frame, by their keys.

    Where all names have time stamps, the nearest at most 0.02 s apart belong together, each used at most once, and
    what finds no partner is left out: the two streams drop frames, each its own. Elsewhere equal numbers belong
    together, and a missing partner is a frame that cannot be read.
    """
    if not (stamped(color) and stamped(depth)):
        return [(key, key) for key in sorted({*color, *depth}, key=natural_key)]
    keys, others = sorted(color, key=natural_key), sorted(depth, key=natural_key)
    times, late = (
        [(_microseconds(files[key]) or 0) / 1e6 for key in names] for files, names in ((color, keys), (depth, others))
    )
    return [(keys[one], others[two]) for one, two in associate(times, late, _SAME_INSTANT)]


def _microseconds(path: Path) -> int | None:
    number, _, time = path.stem.partition("-")
    return int(time) if number.isdecimal() and time.isdecimal() else None


def _by_number(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for path in entries(folder):
        if path.suffix.lower() not in suffixes:
            continue
        check_name(path)
        lead = path.stem.split("-")[0]
        key = lead if lead.isdecimal() else path.stem
        if key in files:
            raise FrameError(f"{path} and {files[key].name} are both frame {key}: keep one of them")
        files[key] = path
    return files


def _ending(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    return [path for path in entries(folder) if path.is_dir() and path.name.endswith(ends)]


def _one(found: list[Path], what: str) -> Path:
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise FrameError(f"{found[0].parent}: several {what} ({names}): give each sequence a folder of its own")
    return found[0]
