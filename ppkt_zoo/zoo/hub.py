"""Where a weight folder comes from: the package, a local folder, a mirror or the Hub, pinned and hashed."""

import os
from pathlib import Path

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.zoo.config import CONFIG, GOLDEN, MODEL
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder
from ppkt_zoo.zoo.golden import check_levels
from ppkt_zoo.zoo.manifest import HubSource, WeightSpec
from ppkt_zoo.zoo.mirror import make_way, mirror_address, mirrored_file
from ppkt_zoo.zoo.names import HubName, LocalName, StrPath
from ppkt_zoo.zoo.record import FileEntry
from ppkt_zoo.zoo.tensors import Held, check_bytes, check_file, claims_of_file, file_entry, read_bytes, read_claims

#: Bundled weights lie in folders under it.
BUNDLED = Path(__file__).resolve().parent.parent / "weights"

# A config.json is a kilobyte or two.
_LARGEST_CONFIG = 1 << 20
_TRUE = ("1", "ON", "YES", "TRUE")


def fetch_listed(weight: WeightSpec, cache_dir: StrPath | None = None, hold: bool = False) -> WeightFolder:
    """The folder of a listed weight, every file of it checked against the manifest's sha256.

    Args:
        weight: of the manifest.
        cache_dir: of the Hub's client.
        hold: keep the checked bytes until they are read.

    Raises:
        WeightError: it cannot be had, is damaged, or is not what the manifest says.
    """
    held: Held = {}
    if isinstance(weight.source, HubSource):
        name = HubName(weight.source.repo, weight.source.revision)
        for file, entry in weight.files.items():
            path = _fetch_checked(name, file, entry, cache_dir, held if hold or file == CONFIG else None)
            if file == CONFIG:
                root = path.parent
    else:
        root = BUNDLED / weight.source.folder
        for file, entry in weight.files.items():
            _check_bundled(root / file, entry, held if hold or file == CONFIG else None)
    folder = open_weight_folder(root, held)
    for field in ("name", "architecture", "arguments", "input_spec"):
        if getattr(folder.config, field) != getattr(weight, field):
            raise WeightError(f"{weight.name}: the manifest and {CONFIG} disagree on {field}; nothing was loaded")
    return folder


def fetch_named(name: HubName | LocalName, cache_dir: StrPath | None = None, hold: bool = False) -> WeightFolder:
    """The folder that ``local-dir:`` or ``hf-hub:`` names; its files are checked against its config.json.

    Args:
        name: of the weight.
        cache_dir, hold: as for :func:`fetch_listed`.

    Raises:
        WeightError: it cannot be had or is damaged.
    """
    if isinstance(name, LocalName):
        folder = open_weight_folder(name.path)
        folder.check(hold)
        return folder
    config = _download(name, CONFIG, cache_dir, _LARGEST_CONFIG)
    before = None
    try:
        before = read_bytes(config)
        return _complete(name, config, before, cache_dir, hold)
    except WeightError as error:
        if _offline():
            raise
        first = error
    # No hash of config.json is known: the copy in the cache may be damaged, or the page of a hotel's network.
    try:
        config = _download(name, CONFIG, cache_dir, _LARGEST_CONFIG, wrong=config)
    except WeightError as error:
        raise (error if before is None else first) from None
    now = read_bytes(config)
    if now == before:
        raise first
    return _complete(name, config, now, cache_dir, hold)


def _complete(name: HubName, config: Path, content: bytes, cache_dir: StrPath | None, hold: bool) -> WeightFolder:
    """The folder of a fetched config.json, with every file that it lists."""
    folder = open_weight_folder(config.parent, {CONFIG: (file_entry(content), content)})
    for file, entry in folder.config.files.items():
        _fetch_checked(name, file, entry, cache_dir, folder.held if hold else None)
    _check_claims(folder)
    return folder


def _check_claims(folder: WeightFolder) -> None:
    """Hold config.json, whose own hash nobody may know, against what the tensors' headers say; no tensor is read."""
    claims = {}
    for name in (MODEL, GOLDEN):
        path, held = folder.path / name, folder.held.get(name)
        claims[name] = claims_of_file(path) if held is None else read_claims(held[1], str(path))
    folder.config.check_header(claims[MODEL][1], str(folder.path / MODEL))
    check_levels(claims[GOLDEN][0], folder.config.levels, str(folder.path / GOLDEN))


def _check_bundled(path: Path, entry: FileEntry, held: Held | None) -> None:
    if not path.resolve().is_relative_to(BUNDLED.resolve()):
        raise WeightError(f"{path} leads out of {BUNDLED}: install ppkt-zoo again")
    check_file(path, entry, held)


def _fetch_checked(name: HubName, file: str, entry: FileEntry, cache_dir: StrPath | None, held: Held | None) -> Path:
    path = _download(name, file, cache_dir, entry.size)
    try:
        check_file(path, entry, held)
    except WeightError:
        if _offline():
            raise
        # The cache may hold a damaged copy: fetch once more, and believe what comes then.
        path = _download(name, file, cache_dir, entry.size, wrong=path)
        check_bytes(read_bytes(path), entry, f"{name}: {file}, fetched again,")
    return path


def _download(name: HubName, file: str, cache_dir: StrPath | None, most: int, wrong: Path | None = None) -> Path:
    """One file from the mirror, where one is set, else through the Hub's client and its cache.

    PPKT_ZOO_MIRROR, HF_ENDPOINT and HF_HUB_OFFLINE hold as they are now. ``wrong`` is the copy in the cache that is not
    to be believed.
    """
    mirror = mirror_address()
    if mirror is not None:
        return mirrored_file(mirror, name, file, most, cache_dir, _offline(), wrong is not None)
    before = None if wrong is None else _state(wrong)
    path = _ask_client(name, file, cache_dir, wrong is not None)
    if wrong is not None and before is not None and _state(path) == before:
        # The client puts a blob in the place of a blob, but leaves a copy or a folder where its link belongs.
        make_way(path)
        path = _ask_client(name, file, cache_dir, True)
    return path


def _ask_client(name: HubName, file: str, cache_dir: StrPath | None, force: bool) -> Path:
    from huggingface_hub import hf_hub_download

    cache = hub_cache(cache_dir)
    try:
        path = hf_hub_download(
            name.repo,
            file,
            revision=name.revision,
            cache_dir=cache,
            endpoint=hub_endpoint(),
            local_files_only=_offline(),
            force_download=force,
            library_name="ppkt-zoo",
        )
    except client_errors() as error:
        problem = _explain(error, name)
    else:
        return Path(path)
    # Outside of the handler, so that no address or header of the client's error hangs on ours.
    raise WeightError(f"{name}: {file} cannot be fetched: {problem}")


def _state(path: Path) -> tuple[int, int, int] | None:
    """What changes when other bytes come to lie at a path; None where nothing is there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_mtime_ns


def hub_cache(given: StrPath | None = None) -> Path:
    """The folder of the Hub's cache; its client's own choice (HF_HOME, HF_HUB_CACHE) where none is given.

    Raises:
        InputError: it is a path that the system cannot take, such as a link that leads to itself.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    return usable_path(HF_HUB_CACHE if given is None else given, InputError, "folder of the Hub's cache (HF_HOME)")


def client_errors() -> tuple[type[BaseException], ...]:
    """What calls of the Hub's client raise.

    It lets errors of its HTTP library through (requests, httpx or httpx2, by version), and of hf_xet.
    """
    from huggingface_hub.errors import HfHubHTTPError

    return (OSError, ValueError, RuntimeError, *HfHubHTTPError.__bases__)


def hub_endpoint() -> str | None:
    """What HF_ENDPOINT says now; the client itself asks once, at import."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def _explain(error: BaseException, name: HubName) -> str:
    """What happened and how to mend it; never the client's own text, which may hold addresses with secrets."""
    from huggingface_hub import errors

    cause = error.__cause__ or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"{name.repo} is gated: ask for access on its page, then log in with 'hf auth login' or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name.repo} has no commit {name.revision} (HTTP {status}): check the hash"
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"this commit has no such file (HTTP {status}): it is not a complete weight folder"
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 403, 404):
        return (
            f"the Hub has no {name.repo}, or you may not see it (HTTP {status}): check the spelling; "
            "for a private one log in with 'hf auth login' or set HF_TOKEN"
        )
    if status == 429:
        return "too many requests (HTTP 429): wait some minutes, or log in with a token"
    if status is not None:
        return f"the Hub answered HTTP {status}: try again later"
    if _offline() or isinstance(cause, errors.OfflineModeIsEnabled):
        return "it is not in the cache and HF_HUB_OFFLINE is set: load it once where there is a network"
    if isinstance(cause, errors.FileMetadataError):
        return "HF_ENDPOINT does not answer as a Hub does: check its address"
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        at = "" if error.filename is None else f"{error.filename}: "
        return (
            f"the cache cannot be written ({at}{error.strerror}): remove what is in the way, free some space, or set "
            "HF_HOME to another folder"
        )
    return f"no connection, or it was cut ({type(cause).__name__}): check the network and try again"


def _offline() -> bool:
    return any(os.environ.get(key, "").upper() in _TRUE for key in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
