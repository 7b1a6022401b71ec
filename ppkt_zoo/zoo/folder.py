"""The weight folder: everything that is needed to do it again. Written whole or not at all, read strictly."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ppkt_zoo.errors import ManifestError, WeightError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.validation import parse_json, parse_mapping
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.readout_spec import ReadoutSpec
from ppkt_zoo.zoo.card import write_card
from ppkt_zoo.zoo.completing import complete_record, extra_bytes
from ppkt_zoo.zoo.config import (
    CARD,
    CONFIG,
    FILES,
    GOLDEN,
    MODEL,
    PICTURE,
    PROJECTION,
    READOUT,
    RECIPE,
    RECORD,
    FileName,
    NetworkConfig,
    WeightConfig,
)
from ppkt_zoo.zoo.golden import Golden, make_golden
from ppkt_zoo.zoo.head import TaskHead, read_head
from ppkt_zoo.zoo.manifest import BundledSource, HubSource, WeightSpec, to_json
from ppkt_zoo.zoo.names import HubName, StrPath
from ppkt_zoo.zoo.network import build_network, build_random
from ppkt_zoo.zoo.placing import leftover_note, pickle_note, place
from ppkt_zoo.zoo.readout import attach_readout, decode_readout, encode_readout
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.registry import origin_of
from ppkt_zoo.zoo.tensors import (
    Held,
    StorageDtype,
    check_file,
    check_finite,
    decode_tensors,
    encode_tensors,
    file_entry,
    read_bytes,
    to_storage,
)

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.backbones.readout import Readout


@dataclass(frozen=True)
class WeightFolder:
    """An opened weight folder; every file is checked against config.json when it is read.

    Attributes:
        path, config: where it lies, and what it holds.
        held: files that were checked already and wait to be read, so that nothing is read and hashed twice.
        hub: the repository and commit that it was fetched from, where it was.
    """

    path: Path
    config: WeightConfig
    held: Held = field(default_factory=dict, repr=False, compare=False)
    hub: HubName | None = None

    def read(self, name: FileName) -> bytes:
        """The bytes of one of the folder's files.

        Raises:
            WeightError: config.json does not list it, or it is missing, cut short or changed.
        """
        if name not in self.config.files:
            raise WeightError(f"{self.config.name} has no {name}")
        checked, data = self.held.pop(name, (None, b""))
        entry = self.config.files[name]
        return data if checked == entry else read_bytes(self.path / name, entry)

    def check(self, hold: bool = False) -> None:
        """Hold every file that config.json lists against its recorded size and sha256.

        Args:
            hold: keep the bytes until each is read.

        Raises:
            WeightError: one is missing, cut short or changed; the message names it.
        """
        for name, entry in self.config.files.items():
            check_file(self.path / name, entry, self.held if hold else None)

    def backbone(self) -> "Backbone":
        """The network with its weights and read-outs, in float32 on the CPU, in eval mode."""
        network = build_network(self.config, self.read(MODEL), str(self.path / MODEL))
        attach_readout(network, self.readout(), str(self.path / CONFIG))
        network.loaded_from = replace(self, held={})
        return network

    def random_backbone(self) -> "Backbone":
        """The same network with random parameters."""
        return build_random(self.config, self.read(MODEL), str(self.path / MODEL))

    def golden(self) -> Golden:
        """The golden input and output."""
        where, config = str(self.path / GOLDEN), self.config
        return Golden.from_tensors(decode_tensors(self.read(GOLDEN), where)[0], config.levels, where, config.readout)

    def readout(self) -> "Readout | None":
        """The statistics of the features and the recommended read-outs; None for a weight without."""
        if self.config.readout is None:
            return None
        return decode_readout(self.read(READOUT), self.config.readout, self.config.levels, str(self.path / READOUT))

    def projection(self) -> dict[str, Tensor]:
        """The transfer's projections in float32: name → tensor.

        Raises:
            WeightError: this weight came without them.
        """
        where = str(self.path / PROJECTION)
        tensors, _ = decode_tensors(self.read(PROJECTION), where)
        for key, tensor in tensors.items():
            check_finite(key, tensor, where)
        return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}

    def head(self) -> TaskHead | None:
        """What a fine-tuned weight carries beside its backbone, by the code of its task; None where there is nothing.

        Raises:
            WeightError: its files do not fit.
        """
        return read_head(self)

    def record(self) -> WeightRecord:
        """How the weight came to be."""
        return parse_json(WeightRecord, self.read(RECORD), str(self.path / RECORD), WeightError)

    def card(self, repo: str | None = None, picture: str | None = None) -> str:
        """The card that belongs to it, see :func:`~ppkt_zoo.zoo.card.write_card`."""
        head = self.head()
        return write_card(self.config, self.record(), repo, picture, None if head is None else head.classes)


def open_weight_folder(path: StrPath, held: Held | None = None) -> WeightFolder:
    """Open a weight folder and check its config.json.

    Args:
        path: of the folder.
        held: files of it that were read and checked already.

    Raises:
        WeightError: no such folder, no weight folder, or a config that does not fit.
    """
    folder = usable_path(path, WeightError, "path of a weight folder")
    if not folder.is_dir():
        raise WeightError(
            f"{folder} is not a folder: name the folder that holds {CONFIG} and {MODEL}{leftover_note(folder)}"
        )
    if not os.path.lexists(folder / CONFIG):
        raise WeightError(f"{folder} is not a weight folder: {CONFIG} is missing{pickle_note(folder)}")
    where = str(folder / CONFIG)
    held = {} if held is None else held
    _, data = held.pop(CONFIG, None) or (None, read_bytes(folder / CONFIG))
    config = parse_json(WeightConfig, data, where, WeightError)
    config.check_preprocessing(where)
    return WeightFolder(folder, config, held)


def write_weight_folder(
    folder: StrPath,
    backbone: "Backbone",
    name: str,
    record: WeightRecord | Mapping[str, Any],
    golden_cloud: PointCloud,
    dtype: StorageDtype | torch.dtype = "float16",
    projection: Mapping[str, Tensor] | None = None,
    head: TaskHead | None = None,
    extra_files: Mapping[str, str | bytes] | None = None,
    overwrite: bool = False,
    readout: "Readout | None" = None,
    keep: bool = False,
) -> WeightFolder:
    """Write a backbone as a weight folder; it appears whole or not at all.

    Args:
        folder: where; its parent must exist.
        backbone: made by :func:`ppkt_zoo.create_backbone`.
        name: ``architecture.tag``.
        record: a :class:`WeightRecord` or its fields. ``parameters``, ``created`` (today) and ``recipe``
            (of ``recipe.yaml`` in ``extra_files``) are filled in where they are absent.
        golden_cloud: a cloud of the kind the weight is for; its features, computed on the CPU from the tensors
            as they were stored, become the golden output.
        dtype: float16 stores tensors of two or more axes in half precision, the others in float32.
        projection: tensors of UPL and point head, to be had again by ``load_projection``.
        head: of a fine-tuned weight; it is stored with what it gives for the golden cloud.
        extra_files: name → content of what goes along: ``recipe.yaml`` (hashed in config.json), a picture.
        overwrite: put the new folder in the place of an old one.
        readout: statistics and recommended read-outs, see :func:`ppkt_zoo.zoo.add_readout.add_readout`.
        keep: take along what lies in the old folder beside its weight.

    Raises:
        WeightError: NaN, a collapsed network, or the folder exists already.
        ManifestError: the name or the record breaks the rules.
    """
    architecture, arguments = origin_of(backbone)
    stored = str(dtype).removeprefix("torch.")
    fields = {
        "name": name,
        "architecture": architecture,
        "arguments": arguments,
        "input_spec": backbone.input_spec,
        "levels": dict(backbone.level_channels),
        "dtype": stored,
    }
    network = parse_mapping(NetworkConfig, fields, name, ManifestError)
    files = extra_bytes(extra_files or {})
    record = complete_record(record, backbone, files.get(RECIPE))
    files[MODEL] = encode_tensors(to_storage(backbone.state_dict(), network.dtype), network.header())
    # What is verified is the file, not the network in memory: half precision has been rounded.
    rounded = build_network(network, files[MODEL], MODEL)
    rounded.readout = readout
    golden = make_golden(rounded, golden_cloud.to("cpu"))
    files[GOLDEN] = encode_tensors(golden.to_tensors(), {"torch": str(torch.__version__), "device": "cpu"})
    if readout is not None:
        files[READOUT] = encode_readout(readout)
    if projection is not None:
        files[PROJECTION] = encode_tensors(to_storage(projection, network.dtype), None)
    if head is not None:
        files |= head.files(rounded, golden)
    spec = None if readout is None else readout.spec
    return _write(Path(folder), network, record, files, head, overwrite, keep, spec)


def update_record(folder: StrPath, record: WeightRecord | Mapping[str, Any]) -> WeightFolder:
    """Put another record into a weight folder (metrics are measured after it is written); all else in it stays.

    Raises:
        WeightError: the folder does not open, or a file in it is damaged.
        ManifestError: the record breaks the rules.
    """
    opened = open_weight_folder(folder)
    return rewrite(opened, parse_mapping(WeightRecord, record, RECORD, ManifestError), {}, opened.config.readout)


def rewrite(
    opened: WeightFolder, record: WeightRecord, changed: Mapping[str, bytes], spec: ReadoutSpec | None
) -> WeightFolder:
    """A weight folder with some of its files, its record and its read-outs changed; all else in it stays.

    Raises:
        WeightError: a file in it is damaged, or it cannot be written.
    """
    files: dict[str, bytes] = {name: opened.read(name) for name in opened.config.files} | dict(changed)
    network = NetworkConfig.model_validate(opened.config.model_dump(exclude={"files", "readout"}))
    return _write(opened.path, network, record, files, opened.head(), overwrite=True, keep=True, spec=spec)


def weight_spec(
    folder: WeightFolder, source: BundledSource | HubSource, files: Mapping[str, bytes] | None = None
) -> WeightSpec:
    """The manifest entry of a weight folder that can be had from ``source``, where ``files`` lie if they are others."""
    config = folder.config
    if files is None:
        files = {name: read_bytes(folder.path / name) for name in (CONFIG, CARD, *sorted(config.files))}
    return WeightSpec(
        name=config.name,
        architecture=config.architecture,
        arguments=config.arguments,
        input_spec=config.input_spec,
        source=source,
        files={name: file_entry(data) for name, data in files.items() if name != PICTURE},
        record=folder.record(),
    )


def _write(
    folder: Path,
    network: NetworkConfig,
    record: WeightRecord,
    files: dict[str, bytes],
    head: TaskHead | None,
    overwrite: bool,
    keep: bool = False,
    spec: ReadoutSpec | None = None,
) -> WeightFolder:
    """Record, config and card beside all other files, and the folder in its place."""
    files = files | {RECORD: to_json(record).encode()}
    entries = {name: file_entry(files[name]) for name in FILES if name in files}
    config = WeightConfig.model_validate({**network.model_dump(), "readout": spec, "files": entries})
    card = write_card(config, record, classes=None if head is None else head.classes)
    place(folder, files | {CONFIG: to_json(config).encode(), CARD: card.encode()}, overwrite, keep)
    return WeightFolder(folder, config)
