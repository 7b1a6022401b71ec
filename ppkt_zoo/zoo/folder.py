"""The weight folder: everything that is needed to do it again. Written whole or not at all, read strictly."""

import datetime
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
from torch import Tensor

from ppkt_zoo.errors import ManifestError, WeightError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.writing import write_whole
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.zoo.beside import carry_over, laid_aside, leftover_note, pickle_note
from ppkt_zoo.zoo.card import write_card
from ppkt_zoo.zoo.config import (
    CARD,
    CONFIG,
    GOLDEN,
    MODEL,
    PROJECTION,
    RECIPE,
    RECORD,
    FileName,
    NetworkConfig,
    WeightConfig,
)
from ppkt_zoo.zoo.golden import Golden, make_golden
from ppkt_zoo.zoo.head import HEAD, HEAD_CONFIG, Head, HeadFiles
from ppkt_zoo.zoo.manifest import BundledSource, HubSource, WeightSpec, to_json
from ppkt_zoo.zoo.network import build_network, build_random
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.registry import origin_of
from ppkt_zoo.zoo.tensors import (
    StorageDtype,
    check_finite,
    decode_tensors,
    encode_tensors,
    file_entry,
    read_bytes,
    to_storage,
)
from ppkt_zoo.zoo.validation import parse_json, parse_mapping

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone


@dataclass(frozen=True)
class WeightFolder:
    """An opened weight folder; every file is checked against config.json when it is read."""

    path: Path
    config: WeightConfig

    def read(self, name: FileName) -> bytes:
        """The bytes of one of the folder's files.

        Raises:
            WeightError: config.json does not list it, or it is missing, cut short or changed.
        """
        if name not in self.config.files:
            raise WeightError(f"{self.config.name} has no {name}")
        return read_bytes(self.path / name, self.config.files[name])

    def backbone(self) -> "Backbone":
        """The network with its weights, in float32 on the CPU, in eval mode."""
        return build_network(self.config, self.read(MODEL), str(self.path / MODEL))

    def random_backbone(self) -> "Backbone":
        """The same network with random parameters."""
        return build_random(self.config, self.read(MODEL), str(self.path / MODEL))

    def golden(self) -> Golden:
        """The golden input and output."""
        where = str(self.path / GOLDEN)
        return Golden.from_tensors(decode_tensors(self.read(GOLDEN), where)[0], self.config.levels, where)

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

    def head(self) -> Head:
        """The head of a fine-tuned weight.

        Raises:
            WeightError: this weight has none, or its files do not fit.
        """
        if HEAD not in self.config.files:
            raise WeightError(
                f"{self.config.name} is a backbone without a head: fine-tune one first, "
                "ppkt-zoo segmentation train RECIPE"
            )
        where = str(self.path / HEAD)
        return Head.from_files(self.read(HEAD_CONFIG), self.read(HEAD), self.config.levels, where)

    def record(self) -> WeightRecord:
        """How the weight came to be."""
        return parse_json(WeightRecord, self.read(RECORD), str(self.path / RECORD), WeightError)


def open_weight_folder(path: str | os.PathLike[str]) -> WeightFolder:
    """Open a weight folder and check its config.json.

    Raises:
        WeightError: no such folder, no weight folder, or a config that does not fit.
    """
    folder = usable_path(path, WeightError, "path of a weight folder")
    if not folder.is_dir():
        raise WeightError(
            f"{folder} is not a folder: name the folder that holds {CONFIG} and {MODEL}{leftover_note(folder)}"
        )
    if not os.path.lexists(folder / CONFIG):
        raise WeightError(f"{folder} is no weight folder: {CONFIG} is missing{pickle_note(folder)}")
    where = str(folder / CONFIG)
    config = parse_json(WeightConfig, read_bytes(folder / CONFIG), where, WeightError)
    config.check_preprocessing(where)
    return WeightFolder(folder, config)


def write_weight_folder(
    folder: str | os.PathLike[str],
    backbone: "Backbone",
    name: str,
    record: WeightRecord | Mapping[str, Any],
    golden_cloud: PointCloud,
    dtype: StorageDtype | torch.dtype = "float16",
    projection: Mapping[str, Tensor] | None = None,
    head: HeadFiles | None = None,
    extra_files: Mapping[str, str | bytes] | None = None,
    overwrite: bool = False,
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
        head: of a fine-tuned weight; it is stored in float32, with what it gives for the golden cloud.
        extra_files: name → content of what goes along: ``recipe.yaml`` (hashed in config.json), a picture.
        overwrite: put the new folder in the place of an old one.

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
    files = _extra_bytes(extra_files or {})
    record = _complete_record(record, backbone, files.get(RECIPE))
    files[MODEL] = encode_tensors(to_storage(backbone.state_dict(), network.dtype), network.header())
    # What is proven is the file, not the network in memory: half precision has been rounded.
    rounded = build_network(network, files[MODEL], MODEL)
    golden = make_golden(rounded, golden_cloud.to("cpu"))
    files[GOLDEN] = encode_tensors(golden.to_tensors(), {"torch": str(torch.__version__), "device": "cpu"})
    if projection is not None:
        files[PROJECTION] = encode_tensors(to_storage(projection, network.dtype), None)
    if head is not None:
        files |= head.files(rounded, golden)
    return _install(Path(folder), network, record, files, overwrite)


def update_record(folder: str | os.PathLike[str], record: WeightRecord | Mapping[str, Any]) -> WeightFolder:
    """Put another record into a weight folder (metrics are measured after it is written); all else in it stays.

    Raises:
        WeightError: the folder does not open, or a file in it is damaged.
        ManifestError: the record breaks the rules.
    """
    opened = open_weight_folder(folder)
    new = parse_mapping(WeightRecord, record, RECORD, ManifestError)
    files: dict[str, bytes] = {name: opened.read(name) for name in opened.config.files}
    network = NetworkConfig.model_validate(opened.config.model_dump(exclude={"files"}))
    return _install(opened.path, network, new, files, overwrite=True, keep=True)


def weight_spec(folder: WeightFolder, source: BundledSource | HubSource) -> WeightSpec:
    """The manifest entry of a weight folder that can be had from ``source``."""
    config = folder.config
    names = [CONFIG, CARD, *sorted(config.files)]
    return WeightSpec(
        name=config.name,
        architecture=config.architecture,
        arguments=config.arguments,
        input_spec=config.input_spec,
        source=source,
        files={name: file_entry(read_bytes(folder.path / name)) for name in names},
        record=folder.record(),
    )


def _extra_bytes(extra: Mapping[str, str | bytes]) -> dict[str, bytes]:
    own = {*get_args(FileName), CONFIG, CARD} - {RECIPE}
    for name in extra:
        if name in own or name.startswith(".") or any(mark in name for mark in "/\\:\0"):
            raise ManifestError(f"extra file {name!r}: give a plain file name that is none of {', '.join(sorted(own))}")
    return {name: data.encode() if isinstance(data, str) else bytes(data) for name, data in extra.items()}


def _complete_record(
    record: WeightRecord | Mapping[str, Any], backbone: "Backbone", recipe: bytes | None
) -> WeightRecord:
    count = sum(parameter.numel() for parameter in backbone.parameters())
    digest = None if recipe is None else hashlib.sha256(recipe).hexdigest()
    if isinstance(record, Mapping):
        defaults: dict[str, Any] = {"parameters": count, "created": datetime.date.today()}
        if digest is not None:
            defaults["recipe"] = {"file": RECIPE, "sha256": digest}
        record = {**defaults, **record}
    checked = parse_mapping(WeightRecord, record, RECORD, ManifestError)
    if checked.parameters != count:
        raise ManifestError(f"{RECORD}: field parameters says {checked.parameters}, the backbone has {count}")
    if digest is not None and (checked.recipe is None or checked.recipe.sha256 != digest):
        raise ManifestError(
            f"{RECORD}: field recipe.sha256 is not that of {RECIPE}: leave recipe out to have it filled"
        )
    return checked


def _install(
    folder: Path,
    network: NetworkConfig,
    record: WeightRecord,
    files: dict[str, bytes],
    overwrite: bool,
    keep: bool = False,
) -> WeightFolder:
    """Write all files beside the folder, with what else lies in it where ``keep`` says so, then rename."""
    if folder.exists() and not overwrite:
        raise WeightError(f"{folder} exists already: choose another one, or write with overwrite=True")
    if folder.exists() and not (folder / CONFIG).is_file():
        raise WeightError(f"{folder} exists and is no weight folder, so it is not overwritten: choose another one")
    files = files | {RECORD: to_json(record).encode()}
    entries = {name: file_entry(files[name]) for name in get_args(FileName) if name in files}
    config = WeightConfig.model_validate({**network.model_dump(), "files": entries})
    files = files | {CONFIG: to_json(config).encode(), CARD: write_card(config, record).encode()}
    # A kill between the two renames leaves the old folder under `aside`; open_weight_folder tells of it.
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    aside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.old")
    try:
        draft.mkdir()
        for name, data in files.items():
            write_whole(draft / name, data, WeightError)
        if keep:
            carry_over(folder, draft)
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
        raise WeightError(f"{folder} cannot be written; what stood there still stands ({error})") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    # The new one stands: what this writing, or an interrupted one, laid aside is of no more use.
    for old in laid_aside(folder):
        shutil.rmtree(old, ignore_errors=True)
    return WeightFolder(folder, config)
