"""A plain folder of own scans: clouds with a label for each point, and boxes where wanted. A SceneSource."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.fingerprint import fingerprint_of_files
from ppkt_zoo.data.readers.box_files import BOXES_SUFFIX, read_boxes
from ppkt_zoo.data.readers.class_names import UNLABELLED, ClassNames, find_class_file, read_class_names, written_out
from ppkt_zoo.data.readers.label_fields import instances_of, labels_of
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.data.subset import existing_folder, natural_key
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.files.reading import is_hidden_twin
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.files.fields import FIELD_SUFFIXES, PointFields, read_fields

# Tables that lie in a folder of scans and are none.
_NO_SCANS = frozenset({"train", "val", "valid", "validation", "test", "split", "splits", "classes", "labels"})
_NO_SCANS |= {"readme", "license", "licence", "notes"}
# Files whose labels are looked through for the message that shows the file of names to write.
_LOOKED_THROUGH = 10


class LabelledFolder:
    """Scans of a folder: ``.ply``, ``.npz``, ``.las``, ``.laz``, ``.pcd``, ``.txt``, ``.csv`` with a field of labels.

    The field is called ``label``, ``class``, ``classification``, ``semantic`` or alike, in any case; ``classes.yaml``
    (:func:`~ppkt_zoo.data.readers.class_names.read_class_names`) gives the labels their names. −1 and NaN mean no
    label. A field ``instance`` goes along. Boxes stand in ``NAME.boxes.json`` beside each cloud
    (:func:`~ppkt_zoo.data.readers.box_files.read_boxes`). Clouds are metres with z up; map coordinates are moved to the
    origin, and their boxes with them.

    Attributes:
        folder: where the names of classes stand.
        names: what the labels are called; None where there is no file of names.
        files: the scans, in the order of their indices.

    Args:
        folder: holds the scans, or sub-folders of them.
        files: some scans of it; all that lie directly in it where None.
        labels: whether every scan must have labels. Where not, they are not looked at.
        boxes: whether every scan must have boxes; None for where all of them have.
        label: name of the field of labels; found by its usual names where None.
        color: False leaves colours out, for a folder in which only some scans have them.

    Raises:
        FrameError: no such folder, no scan in it, files of one name, no names of classes, or a file of boxes that is
            missing or wrong.
    """

    def __init__(
        self,
        folder: Path | str,
        files: Sequence[Path] | None = None,
        *,
        labels: bool = True,
        boxes: bool | None = None,
        label: str | None = None,
        color: bool = True,
    ) -> None:
        self.folder = existing_folder(folder)
        self.name = f"own scans of {self.folder.resolve().name}"
        self.files = tuple(find_scans(self.folder) if files is None else files)
        if not self.files:
            raise FrameError(f"{self.folder}: no scan here ({', '.join(FIELD_SUFFIXES)})")
        self._labels, self._label, self._color = labels, label, color
        with_boxes = [_boxes_file(file).is_file() for file in self.files]
        self._boxes = all(with_boxes) if boxes is None else boxes
        if self._boxes and not all(with_boxes):
            missing = _boxes_file(self.files[with_boxes.index(False)])
            raise FrameError(
                f'{missing} is missing: list the objects of the scan there, [{{"class": "chair", "centre": '
                f'[x, y, z], "size": [dx, dy, dz], "heading": radians}}, …], or [] where it has none'
            )
        class_file = find_class_file(self.folder)
        self.names: ClassNames | None = None if class_file is None else read_class_names(class_file)
        if labels and (self.names is None or not self.names.names):
            raise FrameError(self._ask_for_names())
        self.classes: tuple[str, ...] = self.names.names if labels and self.names is not None else ()
        self.box_classes: tuple[str, ...] = self._names_of_boxes() if self._boxes else ()

    @property
    def class_ids(self) -> tuple[int, ...]:
        """Of each class the id that stands for it in the user's files."""
        return self.names.ids if self.classes and self.names is not None else ()

    @property
    def class_colors(self) -> dict[str, tuple[int, int, int]]:
        """Colours of classes by their names, where given."""
        return dict(self.names.colors) if self.classes and self.names is not None else {}

    def fingerprint(self) -> str:
        """Digits that change when a scan, its boxes or the names of classes do."""
        return self.fingerprint_of(range(len(self)))

    def fingerprint_of(self, numbers: Iterable[int]) -> str:
        """The same of some scans, by their numbers."""
        files = [self.files[number] for number in numbers]
        beside = [_boxes_file(file) for file in files] if self._boxes else []
        named = [] if self.names is None else [self.names.file]
        return fingerprint_of_files(self.folder, [*files, *beside, *named])

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> LabelledScene:
        """A scan, read.

        Raises:
            FrameError: it is damaged, has no labels or ones that nobody named, or boxes that do not fit.
        """
        file = self.files[index]
        fields = _fields(file)
        xyz, rgb = fields.xyz, fields.rgb if self._color else None
        if self._labels:
            assert self.names is not None
            label = self.names.indices(labels_of(fields, self._label), str(file))
        else:
            label = np.full(len(xyz), UNLABELLED, np.int16)
        # Map coordinates move to the origin, as they do wherever a cloud of a user comes in.
        corner = xyz.min(axis=0).astype(np.float64) if xyz.dtype == np.float64 else np.zeros(3)
        cloud = PointCloud.from_arrays(xyz, rgb)
        boxes, box_label = self._boxes_of(file, corner)
        return LabelledScene(
            xyz=cloud.xyz.numpy(),
            rgb=rgb,
            label=label,
            instance=instances_of(fields),
            boxes=boxes,
            box_label=box_label,
            classes=self.classes,
            box_classes=self.box_classes,
            name=scan_name(self.folder, file),
            dropped=fields.dropped,
        )

    def _boxes_of(
        self, file: Path, corner: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64] | None, NDArray[Any] | None]:
        if not self._boxes:
            return None, None
        found = read_boxes(_boxes_file(file))
        boxes = found.boxes.copy()
        boxes[:, :3] -= corner
        return boxes, np.array([self.box_classes.index(name) for name in found.names], dtype=np.int16)

    def _names_of_boxes(self) -> tuple[str, ...]:
        """The classes of boxes: those of the file of names, where it lists them, else all that occur, sorted."""
        listed = None if self.names is None else self.names.boxes
        found: dict[str, Path] = {}
        for file in self.files:
            for name in read_boxes(_boxes_file(file)).names:
                found.setdefault(name, _boxes_file(file))
        if listed is None:
            return tuple(sorted(found))
        if unknown := [name for name in found if name not in listed]:
            assert self.names is not None
            raise FrameError(
                f"{found[unknown[0]]} has the class {unknown[0]!r}, which {self.names.file.name} does not list under "
                f"boxes ({', '.join(listed)}): list it there, or mend the name"
            )
        return listed

    def _ask_for_names(self) -> str:
        ids: set[int] = set()
        looked = self.files[:_LOOKED_THROUGH]
        for file in looked:
            fields = _fields(file)
            ids |= set(np.unique(labels_of(fields, self._label)).tolist())
        listed = sorted(ids - {UNLABELLED})
        target = self.folder / "classes.yaml" if self.names is None else self.names.file
        where = scan_name(self.folder, looked[0]) + (f" and {len(looked) - 1} more" if len(looked) > 1 else "")
        told = ", ".join(map(str, listed[:50])) or "−1 alone"
        return (
            f"{target} must give the labels their names; those in {where} are {told}. "
            f"Write into it, with your names: {written_out([one for one in listed if one >= 0])} and, where some are "
            "to be left out, ignore: [their numbers]"
        )


def find_scans(folder: Path) -> list[Path]:
    """The scans that lie directly in a folder, in their natural order.

    Raises:
        FrameError: two of them differ by their ending alone.
    """
    files = [
        path
        for path in sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
        if path.suffix.lower() in FIELD_SUFFIXES and not path.name.startswith(".") and not is_hidden_twin(path)
        if path.stem.lower() not in _NO_SCANS and path.is_file()
    ]
    seen: dict[str, Path] = {}
    for file in files:
        if file.stem in seen:
            raise FrameError(f"{seen[file.stem]} and {file.name} are both there: keep one of them")
        seen[file.stem] = file
    return files


def is_labelled_folder(folder: Path) -> bool:
    """Whether a folder looks like one of own scans: names of classes or boxes lie in it."""
    return find_class_file(folder) is not None or any(folder.glob(f"*{BOXES_SUFFIX}"))


def scan_name(folder: Path, file: Path) -> str:
    """What reports call a scan: its path below the folder, without the ending."""
    return file.relative_to(folder).with_suffix("").as_posix()


def _boxes_file(file: Path) -> Path:
    return file.with_name(f"{file.stem}{BOXES_SUFFIX}")


def _fields(file: Path) -> PointFields:
    try:
        return read_fields(file)
    except FrameError:
        raise
    except InputError as error:
        raise FrameError(str(error)) from error
