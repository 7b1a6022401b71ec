"""ScanNet's annotated scans as labelled scenes: the mesh's vertices, 20 classes, objects and 18 classes of boxes."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppkt_zoo.data.readers.number_text import read_text
from ppkt_zoo.data.readers.scannet.annotation import (
    BOX_CLASSES,
    CLASSES,
    AnnotatedObject,
    read_axis_alignment,
    read_label_map,
    read_objects,
    read_segments,
    to_box_class,
    to_classes,
    to_instances,
)
from ppkt_zoo.data.readers.scannet.scan import find_scans
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.data.subset import existing_folder, natural_key
from ppkt_zoo.errors import FrameError, InputError
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.points.files.ply import parse_vertices

LABEL_MAP = "scannetv2-labels.combined.tsv"
_MESH, _LABELS = "_vh_clean_2.ply", "_vh_clean_2.labels.ply"
_SEGMENTS, _OBJECTS = "_vh_clean_2.0.010000.segs.json", ".aggregation.json"


class ScanNetScenes:
    """The annotated scans below a folder; each is read from the files that the download script fetches.

    Args:
        folder: one scan (``scene0000_00``), the folder ``scans``, or the one that holds it.
        scenes: names of the scans wanted, or the path of a list of them (``scannetv2_val.txt``); by default all.
        boxes: whether objects and boxes are read; without, ``instance`` and ``boxes`` are None, and the
            aggregation, the segments and the map of labels need not be there.
        align: whether the scan is turned so that walls lie along x and y (``axisAlignment``), as boxes need it.
        label_map: path of ``scannetv2-labels.combined.tsv``; by default in the scan's folder or the two above it.

    Raises:
        FrameError: no such folder, no scans in it, a scan that is wanted is not there, or a scan lacks a file; what
            the files hold is checked when a scene is read.
    """

    classes = CLASSES

    def __init__(
        self,
        folder: Path | str,
        scenes: Iterable[str] | Path | str | None = None,
        boxes: bool = True,
        align: bool = True,
        label_map: Path | str | None = None,
    ) -> None:
        self.folder = existing_folder(folder)
        self.name = self.folder.resolve().name
        self.box_classes = BOX_CLASSES if boxes else ()
        if boxes and not align:
            raise FrameError("boxes of ScanNet lie along the aligned axes: give align=True, or boxes=False")
        self._boxes, self._align = boxes, align
        scans = find_scans(self.folder)
        names = sorted(scans, key=natural_key) if scenes is None else _names(scenes)
        for name in names:
            if name not in scans:
                raise FrameError(f"{self.folder}: no folder of the scan {name}, which is wanted: download it")
        self._scans = [scans[name] for name in names]
        if not self._scans:
            raise FrameError(
                f"{self.folder}: no scans of ScanNet here: expected folders sceneNNNN_NN, or scans/ of them"
            )
        self._check_files()
        self._label_map = _find_label_map(self._scans[0]) if label_map is None else Path(label_map)
        if boxes and not self._label_map.exists():
            raise FrameError(
                f"{self._label_map}: this map of labels is missing: download it, give label_map, or boxes=False"
            )

    def __len__(self) -> int:
        return len(self._scans)

    def __getitem__(self, index: int) -> LabelledScene:
        scan = self._scans[index]
        mesh = _read_vertices(_file(scan, _MESH), ("x", "y", "z", "red", "green", "blue"))
        labels = _read_vertices(_file(scan, _LABELS), ("label",))
        if len(labels) != len(mesh):
            raise FrameError(
                f"{_file(scan, _LABELS)}: {len(labels)} labels for a mesh of {len(mesh)} vertices: download both again"
            )
        xyz = np.stack([mesh[axis] for axis in "xyz"], axis=1).astype(np.float64)
        if self._align:
            motion = read_axis_alignment(_file(scan, ".txt"))
            xyz = xyz @ motion[:3, :3].T + motion[:3, 3]
        points = xyz.astype(np.float32)
        instance, boxes, box_label = self._objects(scan, points) if self._boxes else (None, None, None)
        return LabelledScene(
            xyz=points,
            rgb=np.stack([mesh[color] for color in ("red", "green", "blue")], axis=1).astype(np.uint8),
            label=to_classes(labels["label"].astype(np.int64)),
            instance=instance,
            boxes=boxes,
            box_label=box_label,
            classes=self.classes,
            box_classes=self.box_classes,
            name=scan.resolve().name,
        )

    @cached_property
    def _nyu40(self) -> dict[str, int]:
        return read_label_map(self._label_map)

    def _check_files(self) -> None:
        wanted = [_MESH, _LABELS, *([".txt"] if self._align else []), *([_SEGMENTS, _OBJECTS] if self._boxes else [])]
        missing = [_file(scan, ending) for scan in self._scans for ending in wanted if not _file(scan, ending).exists()]
        if missing:
            more = f" ({len(missing)} files are missing in all)" if len(missing) > 1 else ""
            raise FrameError(
                f"{missing[0]}: this file is missing{more}: download it; the test scans have no annotation"
            )

    def _objects(
        self, scan: Path, xyz: NDArray[np.float32]
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int16]]:
        path = _file(scan, _OBJECTS)
        objects = read_objects(path)
        instance = to_instances(read_segments(_file(scan, _SEGMENTS), len(xyz)), objects, path)
        boxes, labels = [], []
        for number, kind in self._box_classes(objects, path).items():
            own = xyz[instance == number].astype(np.float64)
            if len(own):
                low, high = own.min(axis=0), own.max(axis=0)
                boxes.append([*(low + high) / 2, *(high - low), 0.0])
                labels.append(kind)
        return instance, np.array(boxes, dtype=np.float64).reshape(-1, 7), np.array(labels, dtype=np.int16)

    def _box_classes(self, objects: list[AnnotatedObject], path: Path) -> dict[int, int]:
        """Number of each object of the benchmark → index into ``BOX_CLASSES``."""
        kinds = {}
        for one in objects:
            if one.label not in self._nyu40:
                raise FrameError(
                    f"{path}: the label {one.label!r} is not in {self._label_map}: it is another release's"
                )
            kinds[one.number] = to_box_class(self._nyu40[one.label])
        return {number: kind for number, kind in kinds.items() if kind >= 0}


def _file(scan: Path, ending: str) -> Path:
    return scan / f"{scan.resolve().name}{ending}"


def _names(scenes: Iterable[str] | Path | str) -> list[str]:
    if isinstance(scenes, (str, Path)):
        return read_text(Path(scenes), "list of scans").split()
    return list(scenes)


def _find_label_map(scan: Path) -> Path:
    """Where the map of labels lies; where it is nowhere, the place that the download script gives it."""
    places = [scan.resolve(), *scan.resolve().parents[:2]]
    return next((place / LABEL_MAP for place in places if (place / LABEL_MAP).exists()), places[-1] / LABEL_MAP)


def _read_vertices(path: Path, properties: tuple[str, ...]) -> NDArray:
    try:
        vertices = parse_vertices(read_file(path, FrameError, "mesh"), str(path))
    except FrameError:
        raise
    except InputError as error:
        raise FrameError(str(error)) from error
    names = vertices.dtype.names or ()
    for name in properties:
        if name not in names or vertices.dtype[name].kind not in ("f" if name in "xyz" else "iu"):
            raise FrameError(f"{path}: the vertices have no {name} of the right type among {', '.join(names)}")
    return vertices
