"""What stands behind `Backbone.from_pretrained`, `save_pretrained` and `push_to_hub`: weight folders and the Hub."""

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import torch

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.backbones.pretrained import Words
from ppkt_zoo.errors import InputError, InputWarning, UnknownNameError, WeightError
from ppkt_zoo.files.text import one_line
from ppkt_zoo.zoo.config import CARD, CONFIG, MODEL, PICTURE, PROJECTION, RECIPE, RECORD
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder, write_weight_folder
from ppkt_zoo.zoo.golden_cloud import golden_cloud_of
from ppkt_zoo.zoo.hub import Access, fetch_listed, fetch_named, newest
from ppkt_zoo.zoo.load import check_listed, load_backbone, verify
from ppkt_zoo.zoo.manifest import load_manifest
from ppkt_zoo.zoo.names import REPOSITORY, HubName, ListedName, LocalName, StrPath, parse_name
from ppkt_zoo.zoo.own_record import Told, derived_record, untold_record
from ppkt_zoo.zoo.placing import place, ready_folder
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.registry import origin_of
from ppkt_zoo.zoo.tensors import decode_tensors, read_bytes, to_storage
from ppkt_zoo.zoo.upload import check_target, upload_weight, what_forbids_publication

_Backbone = TypeVar("_Backbone", bound=Backbone)
_MAIN = "main"
# Words that speak of how a network was trained.
_OF_TRAINING = ("description", "data", "data_licence", "licence")


def load(
    kind: type[_Backbone],
    name: StrPath,
    *,
    revision: str | None = None,
    engine: str = "auto",
    device: torch.device | str | None = None,
    token: str | bool | None = None,
    cache_dir: StrPath | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> _Backbone:
    """A backbone by any name, see :meth:`~ppkt_zoo.backbones.pretrained.PretrainedMethods.from_pretrained`."""
    folder = _open(name, revision, Access(cache_dir, token, local_files_only, force_download))
    backbone = load_backbone(folder, engine=engine, device=device)
    if not isinstance(backbone, kind):
        raise InputError(
            f"{folder.config.name} is a {type(backbone).__name__}, no {kind.__name__}: call from_pretrained on "
            f"{type(backbone).__name__}, or on ppkt_zoo.Backbone, which takes every kind"
        )
    return backbone


def _open(name: StrPath, revision: str | None, access: Access) -> WeightFolder:
    found = _find(name, revision, access)
    if isinstance(found, ListedName):
        return fetch_listed(load_manifest().find(found), hold=True, access=access)
    return fetch_named(found, hold=True, access=access)


def _find(name: StrPath, revision: str | None, access: Access) -> ListedName | HubName | LocalName:
    """What a name means: a listed weight, then a folder that is there, then a repository on the Hub."""
    text = os.fspath(name)
    # With a revision a repository is meant, whatever folder lies here.
    if isinstance(name, str) and REPOSITORY.fullmatch(text) and (revision is not None or not os.path.isdir(text)):
        return _commit(text, revision, access)
    if revision is not None:
        raise InputError(
            f"revision={revision!r} is of a repository on the Hugging Face Hub, owner/name, and {one_line(text)!r} "
            "names none: leave revision out"
        )
    if not isinstance(name, str):
        return LocalName(text)
    try:
        parsed = parse_name(text)
    except UnknownNameError:
        if os.path.isdir(text):
            return LocalName(text)
        if any(mark in text for mark in ("/", "\\")) and not text.startswith("hf-hub:"):
            raise UnknownNameError(
                f"{one_line(text)!r} is no folder here and no repository on the Hugging Face Hub (owner/name): check "
                "the path"
            ) from None
        raise
    if isinstance(parsed, ListedName):
        if str(parsed) not in load_manifest().names() and os.path.isdir(text):
            return LocalName(text)
        check_listed(parsed)
    return parsed


def _commit(repo: str, revision: str | None, access: Access) -> HubName:
    found = newest(repo, _MAIN if revision is None else revision, access)
    if found.revision != revision:
        moving = f"revision={revision!r}" if revision is not None else f"{repo!r} without a revision"
        warnings.warn(
            InputWarning(
                f"{moving} can come to mean another weight; it is commit {found.revision} today: give "
                f"revision='{found.revision}' to load the same weight always"
            ),
            stacklevel=6,
        )
    return found


def save(backbone: Backbone, folder: StrPath, words: Words) -> WeightFolder:
    """Write a weight folder, see :meth:`~ppkt_zoo.backbones.pretrained.PretrainedMethods.save_pretrained`."""
    if unknown := sorted(set(words) - Words.__optional_keys__):
        raise InputError(f"{', '.join(unknown)} is not known: say {', '.join(sorted(Words.__optional_keys__))}")
    path = ready_folder(folder)
    source: WeightFolder | None = backbone.loaded_from
    if source is None:
        return _write(path, backbone, words, _record(words, _untold(backbone, words)))
    try:
        same = _is_unchanged(backbone, source)
        base, cloud = source.record(), source.golden().cloud
    except WeightError as error:
        raise WeightError(
            f"{error}; the record and the reference cloud of {source.config.name}, which this network was loaded from, "
            "are needed to save it: get that weight again, or set backbone.loaded_from = None and tell what you know"
        ) from None
    words = cast(Words, {"golden_cloud": cloud, "dtype": source.config.dtype, **words})
    if not same:
        return _write(path, backbone, words, _record(words, derived_record(_told(words), source, base)))
    if told := [word for word in _OF_TRAINING if word in words]:
        raise InputError(
            f"this network is {source.config.name} as it was loaded, and keeps its record: leave {', '.join(told)} out"
        )
    if len(words) == 2 and words["golden_cloud"] is cloud and words["dtype"] == source.config.dtype:
        return _copy(source, path)
    return _write_same(path, backbone, words, source, _record(words, base.model_dump(mode="json")))


def _told(words: Words) -> Told:
    return Told(**{word: cast(Mapping[str, Any], words)[word] for word in _OF_TRAINING if word in words})


def _untold(backbone: Backbone, words: Words) -> dict[str, Any]:
    limits = ("Its training and its accuracy are not specified.",)
    return untold_record(_told(words), "A backbone without a description.", origin_of(backbone)[0], limits)


def _record(words: Words, fields: Mapping[str, Any]) -> WeightRecord | dict[str, Any]:
    given = words.get("record")
    return given if isinstance(given, WeightRecord) else {**fields, **(given or {})}


def _is_unchanged(backbone: Backbone, source: WeightFolder) -> bool:
    """Whether a network would be stored as the weight that it was loaded from, parameters and read-outs."""
    if backbone.input_spec != source.config.input_spec or not _has_readout_of(backbone, source):
        return False
    stored, _ = decode_tensors(source.read(MODEL), str(source.path / MODEL))
    mine = to_storage(backbone.state_dict(), source.config.dtype)
    return mine.keys() == stored.keys() and all(torch.equal(mine[key].cpu(), stored[key]) for key in stored)


def _has_readout_of(backbone: Backbone, source: WeightFolder) -> bool:
    mine, stored = backbone.readout, source.readout()
    if mine is None or stored is None:
        return mine is stored
    return mine.spec == stored.spec and all(
        torch.equal(one, other)
        for level in stored.statistics
        for one, other in zip(mine.statistics[level], stored.statistics[level], strict=True)
    )


def _write(
    path: Path, backbone: Backbone, words: Words, record: WeightRecord | Mapping[str, Any], **more: Any
) -> WeightFolder:
    """A network with its record; what a weight recommended says nothing of a network that was trained on."""
    source = backbone.loaded_from
    own = source is None or not _has_readout_of(backbone, source)
    tag = f"{origin_of(backbone)[0]}.own"
    kept: dict[str, Any] = {"readout": backbone.readout if own else None, **more}
    cloud = golden_cloud_of(words.get("golden_cloud"), backbone.input_spec.voxel_size)
    dtype: Any = words.get("dtype", "float16")
    name = words.get("name", tag)
    return write_weight_folder(path, backbone, name, record, cloud, dtype, overwrite=True, keep=path.exists(), **kept)


def _write_same(
    path: Path, backbone: Backbone, words: Words, source: WeightFolder, record: WeightRecord | Mapping[str, Any]
) -> WeightFolder:
    """The weight that a network was loaded from, by another name, in another precision, with another record."""
    files = source.config.files
    return _write(
        path,
        backbone,
        cast(Words, {"name": source.config.name, **words}),
        record,
        readout=backbone.readout,
        projection=source.projection() if PROJECTION in files else None,
        extra_files={RECIPE: source.read(RECIPE)} if RECIPE in files else None,
        head=source.head(),
    )


def _copy(source: WeightFolder, path: Path) -> WeightFolder:
    """The weight itself, byte for byte, with its card as it lies in a folder of one's own."""
    files = {CONFIG: read_bytes(source.path / CONFIG)} | {name: source.read(name) for name in source.config.files}
    picture = source.path / PICTURE
    if picture.is_file():
        files[PICTURE] = read_bytes(picture)
    repo = None if source.hub is None else source.hub.repo
    files[CARD] = source.card(repo, PICTURE if PICTURE in files else None).encode()
    place(path, files, overwrite=True, keep=path.exists())
    return open_weight_folder(path)


def push(backbone: Backbone, repo: str, message: str | None, words: Words, **where: Any) -> str:
    """Write, verify and push, see :meth:`~ppkt_zoo.backbones.pretrained.PretrainedMethods.push_to_hub`."""
    check_target(repo, where["tag"], message)
    from ppkt_zoo.zoo.hub_mixin import HubBackbone

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "weight"
        HubBackbone(backbone, words).save_pretrained(path)
        folder = open_weight_folder(path)
        record = folder.record()
        forbidden = what_forbids_publication(record)
        if forbidden is not None and not where["private"]:
            raise InputError(
                f"{folder.config.name} must not go into a public repository: its {RECORD} forbids it ({forbidden}); "
                "give licence= where you may choose one, or private=True"
            )
        verify(folder)
        files = {CONFIG: read_bytes(path / CONFIG)} | {name: folder.read(name) for name in folder.config.files}
        files[CARD] = folder.card(repo).encode()
    told = f"{folder.config.name}: {one_line(record.description)}" if message is None else message
    return upload_weight(files, repo, message=told, **where).commit_url
