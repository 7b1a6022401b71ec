"""Where a weight folder comes from: the package, a local folder, a mirror or the Hub, pinned and hashed."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.files.reading import usable_path
from ppkt_zoo.files.talk import is_quiet
from ppkt_zoo.zoo.config import CONFIG, GOLDEN, MODEL
from ppkt_zoo.zoo.folder import WeightFolder, open_weight_folder
from ppkt_zoo.zoo.golden import check_levels
from ppkt_zoo.zoo.manifest import HubSource, WeightSpec
from ppkt_zoo.zoo.mirror import MIRROR, make_way, mirror_address, mirrored_file
from ppkt_zoo.zoo.names import REVISION, HubName, LocalName, StrPath
from ppkt_zoo.zoo.record import FileEntry
from ppkt_zoo.zoo.tensors import Held, check_bytes, check_file, claims_of_file, file_entry, read_bytes, read_claims

#: Bundled weights lie in folders under it.
BUNDLED = Path(__file__).resolve().parent.parent / "weights"

# A config.json is a kilobyte or two.
_LARGEST_CONFIG = 1 << 20
_TRUE = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True)
class Access:
    """How the Hub is asked.

    Attributes:
        cache_dir: of its client; None is the client's own choice.
        token: of its user, or False for none; None is that of HF_TOKEN or ``hf auth login``.
        cached_only: take what lies in the cache, or nothing.
        anew: fetch again what lies in the cache.
    """

    cache_dir: StrPath | None = None
    token: str | bool | None = None
    cached_only: bool = False
    anew: bool = False

    @property
    def offline(self) -> bool:
        """Whether nothing may be asked for, by this or by HF_HUB_OFFLINE."""
        return self.cached_only or _offline()


def fetch_listed(
    weight: WeightSpec, cache_dir: StrPath | None = None, hold: bool = False, access: Access | None = None
) -> WeightFolder:
    """The folder of a listed weight, every file of it checked against the manifest's sha256.

    Args:
        weight: of the manifest.
        cache_dir: of the Hub's client.
        hold: keep the checked bytes until they are read.
        access: how the Hub is asked; goes before ``cache_dir``.

    Raises:
        WeightError: it cannot be had, is damaged, or is not what the manifest says.
    """
    held: Held = {}
    access = Access(cache_dir) if access is None else access
    name = None
    if isinstance(weight.source, HubSource):
        name = HubName(weight.source.repo, weight.source.revision)
        for file, entry in weight.files.items():
            path = _fetch_checked(name, file, entry, access, held if hold or file == CONFIG else None)
            if file == CONFIG:
                root = path.parent
    else:
        root = BUNDLED / weight.source.folder
        for file, entry in weight.files.items():
            _check_bundled(root / file, entry, held if hold or file == CONFIG else None)
    folder = replace(open_weight_folder(root, held), hub=name)
    for field in ("name", "architecture", "arguments", "input_spec"):
        if getattr(folder.config, field) != getattr(weight, field):
            raise WeightError(f"{weight.name}: the manifest and {CONFIG} disagree on {field}; nothing was loaded")
    return folder


def fetch_named(
    name: HubName | LocalName, cache_dir: StrPath | None = None, hold: bool = False, access: Access | None = None
) -> WeightFolder:
    """The folder that ``local-dir:`` or ``hf-hub:`` names; its files are checked against its config.json.

    Args:
        name: of the weight.
        cache_dir, hold, access: as for :func:`fetch_listed`.

    Raises:
        WeightError: it cannot be had or is damaged.
    """
    if isinstance(name, LocalName):
        folder = open_weight_folder(name.path)
        folder.check(hold)
        return folder
    access = Access(cache_dir) if access is None else access
    config = _download(name, CONFIG, access, _LARGEST_CONFIG)
    before = None
    try:
        before = read_bytes(config)
        return _complete(name, config, before, access, hold)
    except WeightError as error:
        if access.offline:
            raise
        first = error
    # No hash of config.json is known: the copy in the cache may be damaged, or the page of a hotel's network.
    try:
        config = _download(name, CONFIG, access, _LARGEST_CONFIG, wrong=config)
    except WeightError as error:
        raise (error if before is None else first) from None
    now = read_bytes(config)
    if now == before:
        raise first
    return _complete(name, config, now, access, hold)


def newest(repo: str, revision: str, access: Access) -> HubName:
    """The commit that a branch or a tag of a repository names today; the last one known here, where nothing is asked.

    Args:
        repo: owner/name.
        revision: a branch or a tag; a commit is given back as it is.
        access: how the Hub is asked.

    Raises:
        WeightError: no such repository or revision, or not for this user; or the Hub cannot be reached.
        InputError: a mirror is set, which knows commits alone.
    """
    name = HubName(repo, revision)
    if REVISION.fullmatch(revision):
        return name
    if mirror_address() is not None:
        raise InputError(f"{name}: a mirror knows commits alone: give revision=, 40 hex digits, or unset {MIRROR}")
    # The client lays a commit's files into a folder of the commit's name, and notes which one a branch leads to.
    commit = _ask_client(name, CONFIG, access, False).parent.name
    if not REVISION.fullmatch(commit):
        raise WeightError(f"{name}: the Hub does not say which commit this is: give revision=, 40 hex digits")
    return HubName(repo, commit)


def _complete(name: HubName, config: Path, content: bytes, access: Access, hold: bool) -> WeightFolder:
    """The folder of a fetched config.json, with every file that it lists."""
    folder = replace(open_weight_folder(config.parent, {CONFIG: (file_entry(content), content)}), hub=name)
    for file, entry in folder.config.files.items():
        _fetch_checked(name, file, entry, access, folder.held if hold else None)
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


def _fetch_checked(name: HubName, file: str, entry: FileEntry, access: Access, held: Held | None) -> Path:
    path = _download(name, file, access, entry.size)
    try:
        check_file(path, entry, held)
    except WeightError:
        if access.offline:
            raise
        # The cache may hold a damaged copy: fetch once more, and believe what comes then.
        path = _download(name, file, access, entry.size, wrong=path)
        check_bytes(read_bytes(path), entry, f"{name}: {file}, fetched again,")
    return path


def _download(name: HubName, file: str, access: Access, most: int, wrong: Path | None = None) -> Path:
    """One file from the mirror, where one is set, else through the Hub's client and its cache.

    PPKT_ZOO_MIRROR, HF_ENDPOINT and HF_HUB_OFFLINE hold as they are now. ``wrong`` is the copy in the cache that is not
    to be believed.
    """
    mirror, anew = mirror_address(), wrong is not None or (access.anew and not access.offline)
    if mirror is not None:
        return mirrored_file(mirror, name, file, most, access.cache_dir, access.offline, anew)
    before = None if wrong is None else _state(wrong)
    path = _ask_client(name, file, access, anew)
    if wrong is not None and before is not None and _state(path) == before:
        # The client puts a blob in the place of a blob, but leaves a copy or a folder where its link belongs.
        make_way(path)
        path = _ask_client(name, file, access, True)
    return path


def _ask_client(name: HubName, file: str, access: Access, force: bool) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import disable_progress_bars

    if is_quiet():
        disable_progress_bars()
    cache = hub_cache(access.cache_dir)
    try:
        path = hf_hub_download(
            name.repo,
            file,
            revision=name.revision,
            cache_dir=cache,
            endpoint=hub_endpoint(),
            local_files_only=access.offline,
            force_download=force,
            token=access.token,
            library_name="ppkt-zoo",
        )
    except client_errors() as error:
        problem = _explain(error, name, access.offline)
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


def _explain(error: BaseException, name: HubName, offline: bool) -> str:
    """What happened and how to mend it; never the client's own text, which may hold addresses with secrets."""
    from huggingface_hub import errors

    cause = error.__cause__ or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return f"{name.repo} is gated: ask for access on its page, then log in with 'hf auth login' or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        known = "commit" if REVISION.fullmatch(name.revision) else "branch or tag"
        told = "check the hash" if known == "commit" else "check the spelling, or give a commit"
        return f"{name.repo} has no {known} {name.revision} (HTTP {status}): {told}"
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
    if offline or isinstance(cause, errors.OfflineModeIsEnabled):
        asked = "HF_HUB_OFFLINE is set" if _offline() else "only the cache is asked"
        return f"it is not in the cache and {asked}: load it once where there is a network"
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
