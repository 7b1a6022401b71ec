"""Loading by name: what was asked for, or an error that says how to ask."""

import fnmatch
import logging
import os
import re
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ppkt_zoo.errors import InputError, UnknownNameError, WeightError
from ppkt_zoo.sparse import get_engine
from ppkt_zoo.zoo.card import in_words_of_0_1, write_card
from ppkt_zoo.zoo.config import CARD, CONFIG, PICTURE, PROJECTION, RECIPE, RECORD
from ppkt_zoo.zoo.default import default_weight
from ppkt_zoo.zoo.folder import WeightFolder
from ppkt_zoo.zoo.golden import VerifyReport, golden_errors
from ppkt_zoo.zoo.hub import fetch_listed, fetch_named
from ppkt_zoo.zoo.manifest import load_manifest
from ppkt_zoo.zoo.names import REPOSITORY, HubName, ListedName, LocalName, StrPath, nearest, parse_name
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.registry import check_architecture, create_backbone
from ppkt_zoo.zoo.tensors import file_entry, plain_torch, read_bytes

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone
    from ppkt_zoo.points.input_spec import InputSpec

_log = logging.getLogger(__name__)
# Where a published card names its own repository.
_REPOSITORY = re.compile(rf"hf-hub:({REPOSITORY.pattern})@<40-hex commit>")


def load_backbone(
    name: "str | WeightFolder | None" = None,
    *,
    weights: str | None = "default",
    engine: str = "auto",
    device: torch.device | str | None = None,
    cache_dir: StrPath | None = None,
    input_spec: "InputSpec | None" = None,
    **arguments: Any,
) -> "Backbone":
    """A backbone with its pretrained weights, in eval mode, in float32.

    The same whatever torch's default device, dtype and modes are, and from several threads at once.

    Args:
        name: ``architecture.tag`` of :func:`list_weights`, ``hf-hub:owner/repo@<40-hex commit>``, or
            ``local-dir:path``. A bare ``architecture`` needs ``weights``. Or what :func:`open_weight` gave. None is
            the weight that :func:`default_weight` names, the one to begin with.
        weights: "default" loads what ``name`` says; a tag, for a bare architecture; None is the one way to a
            network with random parameters.
        engine: who does the sparse convolutions, see :func:`ppkt_zoo.sparse.get_engine`.
        device: where to; None is the CPU.
        cache_dir: of the Hugging Face Hub's client; None is its own choice.
        input_spec: with ``weights=None`` and a bare architecture only: a weight brings its own.
        arguments: of the builder, as ``input_spec``. A weight's first layer is never adapted to other channels.

    Raises:
        UnknownNameError: no such name; the message lists the nearest right ones.
        WeightError: the files are missing, damaged or do not fit; nothing was loaded.
        InputError: the arguments contradict each other.
    """
    target = _device(device)
    get_engine(engine, target)
    name = default_weight() if name is None else name
    parsed = name if isinstance(name, WeightFolder) else parse_name(name)
    shown = parsed.config.name if isinstance(parsed, WeightFolder) else str(parsed)
    if isinstance(parsed, ListedName) and parsed.tag is None:
        check_listed(parsed)
        if weights is None:
            return _finish(_draw(shown, input_spec, arguments), engine, target)
        parsed = parse_name(f"{shown}.{weights}" if weights != "default" else _ask_for_tag(shown))
    elif weights not in ("default", None):
        raise InputError(f"{shown} names its weight already: leave weights={weights!r} out")
    if input_spec is not None or arguments:
        given = ", ".join([*(["input_spec"] if input_spec is not None else []), *arguments])
        raise InputError(
            f"{shown} brings its own input_spec and arguments, so {given} cannot be given: leave it out, "
            "or build a random network with weights=None"
        )
    folder = parsed if isinstance(parsed, WeightFolder) else _open(parsed, cache_dir, hold=True)
    return _finish(folder.backbone() if weights is not None else folder.random_backbone(), engine, target)


def open_weight(name: StrPath, *, cache_dir: StrPath | None = None, hold: bool = False) -> WeightFolder:
    """The folder of a weight: its config, record, golden output, projections and head.

    Args:
        name: as for :func:`load_backbone`, with a tag; or the path of a weight folder as a ``Path``.
        hold: keep the bytes of its files, which are all checked, until they are read: for whoever reads them next.

    Raises:
        UnknownNameError, WeightError: as :func:`load_backbone` does.
    """
    return _open(parse_name(name) if isinstance(name, str) else LocalName(os.fspath(name)), cache_dir, hold)


def _open(name: ListedName | HubName | LocalName, cache_dir: StrPath | None, hold: bool) -> WeightFolder:
    if not isinstance(name, ListedName):
        return fetch_named(name, cache_dir, hold)
    check_listed(name)
    if name.tag is None:
        _ask_for_tag(str(name))
    return fetch_listed(load_manifest().find(name), cache_dir, hold)


def list_weights(filter: str = "*") -> list[str]:
    """Names of all weights that can be loaded by name and match a wildcard (``"sr_unet14*"``), sorted."""
    return fnmatch.filter(load_manifest().names(), filter)


def load_projection(name: str, *, cache_dir: StrPath | None = None) -> dict[str, Tensor]:
    """The projections (UPL, point head) that a weight was transferred with: name → float32 tensor.

    Raises:
        WeightError: this weight came without them, or as :func:`load_backbone` does.
    """
    return open_weight(name, cache_dir=cache_dir, hold=True).projection()


def verify(
    name_or_folder: StrPath | WeightFolder,
    *,
    engine: str = "auto",
    device: torch.device | str | None = None,
    tolerance: float = 1e-3,
    cache_dir: StrPath | None = None,
) -> VerifyReport:
    """Check every file of a weight, run its golden input and compare with its golden output.

    Args:
        name_or_folder: a name as for :func:`load_backbone`, or the path of a weight folder as a ``Path``.
        engine, device: to verify on.
        tolerance: largest error allowed, as a part of a level's largest feature value.

    Raises:
        WeightError: it does not hold here, or the files are damaged.
    """
    target = _device(device)
    chosen = get_engine(engine, target)
    if isinstance(name_or_folder, WeightFolder):
        # As it lies there now, whatever was read of it before.
        folder, carded = WeightFolder(name_or_folder.path, name_or_folder.config), False
        folder.check(hold=True)
    else:
        name = parse_name(name_or_folder) if isinstance(name_or_folder, str) else LocalName(os.fspath(name_or_folder))
        folder, carded = _open(name, cache_dir, hold=True), isinstance(name, LocalName)
    backbone = _finish(folder.backbone(), engine, target)
    record = _check_contents(folder, sum(parameter.numel() for parameter in backbone.parameters()))
    golden, head = folder.golden(), folder.head()
    if carded:
        _check_card(folder, record, None if head is None else head.classes)
    begin = time.perf_counter()
    errors = golden_errors(backbone, golden, head)
    seconds = time.perf_counter() - begin
    report = VerifyReport(folder.config.name, chosen.name, str(target), len(golden.cloud), errors, tolerance, seconds)
    if not report.ok:
        raise WeightError(
            f"{report}: this installation computes other features than the weight was made with; "
            "try engine='torch' and device='cpu', and report it"
        )
    return report


def _check_contents(folder: WeightFolder, parameters: int) -> WeightRecord:
    """Read record, recipe and projections, and hold what they say against each other and the network; the record."""
    record = folder.record()
    if record.parameters != parameters:
        raise WeightError(
            f"{folder.path / RECORD} says {record.parameters} parameters, the network has {parameters}: the record is "
            "of another weight"
        )
    if RECIPE in folder.config.files:
        found = file_entry(folder.read(RECIPE)).sha256
        if record.recipe is None or record.recipe.sha256 != found:
            raise WeightError(f"{folder.path / RECIPE} is not the recipe that {RECORD} names: get the weight again")
    if PROJECTION in folder.config.files:
        folder.projection()
    return record


def _check_card(folder: WeightFolder, record: WeightRecord, classes: tuple[str, ...] | None) -> None:
    """Hold README.md of a folder against what its config and record give, for no hash of it stands in config.json.

    This version or 0.1 wrote it; ``classes`` are those of the folder's head, where it has one.
    """
    path = folder.path / CARD
    text = read_bytes(path).decode("utf-8", "replace")
    named = _REPOSITORY.search(text)
    for repo in (None, named[1] if named else None):
        for picture in (None, PICTURE):
            if text == write_card(folder.config, record, repo, picture, classes):
                return
            # 0.1 named no classes, and no head but that of segmentation.
            for told in (None, ()):
                if text == in_words_of_0_1(write_card(folder.config, record, repo, picture, told)):
                    return
    raise WeightError(
        f"{path} is not the card that {CONFIG} and {RECORD} give: it was changed, or another version of ppkt-zoo wrote "
        "it; nothing is loaded from it. ppkt_zoo.zoo.folder.update_record(folder, record) writes it anew"
    )


def check_listed(name: ListedName) -> None:
    """Refuse the name of an architecture that nobody offers.

    Raises:
        UnknownNameError: with the nearest right spellings, of weights and of backbones.
    """
    try:
        check_architecture(name.architecture)
    except UnknownNameError as error:
        near = nearest(str(name), list_weights(), 1)
        if os.path.isdir(str(name)):
            raise UnknownNameError(f"{error}; for the folder of that name write 'local-dir:{name}'") from None
        if not near:
            raise
        raise UnknownNameError(f"{error.args[0].removesuffix('?')}, or the weight {near[0]!r}?") from None


def _ask_for_tag(architecture: str) -> str:
    tags = list_weights(f"{architecture}.*")
    known = f"its weights are {', '.join(tags)}" if tags else "no weight of it is listed yet"
    raise UnknownNameError(
        f"{architecture!r} names an architecture but no weight: {known}; weights=None gives a network with random "
        "parameters"
    )


def _device(device: torch.device | str | None) -> torch.device:
    try:
        target = torch.device("cpu" if device is None else device)
    except (RuntimeError, TypeError):
        raise InputError(f"device {device!r} is not a torch device: write 'cpu', 'cuda' or 'cuda:0'") from None
    if target.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {device!r} is asked for, but torch finds no CUDA GPU here: use 'cpu'")
    if target.type == "meta":
        raise InputError("device 'meta' holds no numbers, so no weight can be loaded onto it: use 'cpu'")
    if target.type != "cpu":
        try:
            torch.zeros(1, device=target)
        except (AssertionError, ImportError, RuntimeError):
            raise InputError(f"device {device!r} is asked for, but torch finds none here: use 'cpu'") from None
    return target


def _draw(name: str, input_spec: "InputSpec | None", arguments: dict[str, Any]) -> "Backbone":
    """A random network in single precision; it draws from torch's random state, as whoever seeds it expects."""
    with plain_torch():
        backbone = create_backbone(name, input_spec=input_spec, **arguments).float()
    if any(parameter.is_meta for parameter in backbone.parameters()):
        raise InputError(f"{name} was built without memory: build it outside of init_empty_weights() and the like")
    return backbone.eval()


def _finish(backbone: "Backbone", engine: str, device: torch.device) -> "Backbone":
    backbone.engine = engine
    _log.debug("network on %s, engine %s", device, get_engine(engine, device).name)
    with plain_torch():
        return backbone.to(device)
