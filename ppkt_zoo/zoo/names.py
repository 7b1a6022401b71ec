"""What a weight may be called, and nothing else: the three kinds of names and their rules."""

import difflib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ppkt_zoo.errors import UnknownNameError
from ppkt_zoo.files.text import one_line

StrPath = str | os.PathLike[str]
HUB_PREFIX = "hf-hub:"
LOCAL_PREFIX = "local-dir:"

ARCHITECTURE = re.compile(r"[a-z][a-z0-9_]*")
WEIGHT_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9][a-z0-9_]*")
REVISION = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
# Hugging Face's own rule: at most 96 characters of [A-Za-z0-9._-] a part, no "--" or "..", no edge dot or dash.
_REPO_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_]|[.-](?![.-])){0,94}(?<![.-])"
REPOSITORY = re.compile(rf"{_REPO_PART}/{_REPO_PART}")

# Letters of a name that a message shows.
_LONGEST = 200
_PICKLES = (".pth", ".pt", ".ckpt", ".bin", ".pkl", ".pickle", ".tar")


@dataclass(frozen=True)
class ListedName:
    """``architecture`` or ``architecture.tag``, looked up in the registry and the manifest."""

    architecture: str
    tag: str | None

    def __str__(self) -> str:
        return self.architecture if self.tag is None else f"{self.architecture}.{self.tag}"


@dataclass(frozen=True)
class HubName:
    """``hf-hub:owner/repo@revision``; the revision is a commit, 40 hex digits."""

    repo: str
    revision: str

    def __str__(self) -> str:
        return f"{HUB_PREFIX}{self.repo}@{self.revision}"


@dataclass(frozen=True)
class LocalName:
    """``local-dir:path`` of a weight folder."""

    path: str

    def __str__(self) -> str:
        return f"{LOCAL_PREFIX}{self.path}"


def parse_name(name: str) -> ListedName | HubName | LocalName:
    """Read a name as the user wrote it.

    Raises:
        UnknownNameError: it is none of the three kinds: a bare path, a floating revision, a pickle, a typo.
    """
    if not isinstance(name, str):
        raise UnknownNameError(
            f"a weight's name must be a str, got {type(name).__name__}: write 'architecture.tag', "
            f"'{HUB_PREFIX}owner/repo@<40-hex commit>' or '{LOCAL_PREFIX}path'"
        )
    if name.startswith(LOCAL_PREFIX):
        return _parse_local(name)
    shown = one_line(name, _LONGEST)
    if name.startswith(HUB_PREFIX):
        return _parse_hub(name, shown)
    if name.lower().endswith(_PICKLES):
        raise UnknownNameError(_refuse_pickle(shown))
    short = len(name) <= _LONGEST
    if short and WEIGHT_NAME.fullmatch(name):
        architecture, tag = name.split(".")
        return ListedName(architecture, tag)
    if short and ARCHITECTURE.fullmatch(name):
        return ListedName(name, None)
    if any(mark in name for mark in ("/", "\\", "~")) or name in ("", ".", ".."):
        raise UnknownNameError(
            f"{shown!r} looks like a path: write '{LOCAL_PREFIX}{shown}' for a weight folder on disk, "
            f"'{HUB_PREFIX}owner/repo@<40-hex commit>' for one on the Hugging Face Hub"
        )
    mended = re.sub(r"[^a-z0-9_.]+", "_", name.strip().lower())
    fits = WEIGHT_NAME.fullmatch(mended) or ARCHITECTURE.fullmatch(mended)
    raise UnknownNameError(
        f"{shown!r} is not a name: 'architecture' or 'architecture.tag' in lower case, digits and underscores"
        f"{f', such as {mended!r}' if fits and len(mended) < _LONGEST else ''}; "
        "list_weights() and list_backbones() show them all"
    )


def _parse_hub(name: str, shown: str) -> HubName:
    repo, at, revision = name.removeprefix(HUB_PREFIX).partition("@")
    if not REPOSITORY.fullmatch(repo):
        raise UnknownNameError(f"{shown!r} does not name a repository: write '{HUB_PREFIX}owner/repo@<40-hex commit>'")
    if not at or not REVISION.fullmatch(revision):
        revision = one_line(revision, _LONGEST)
        found = f"revision {revision!r} can move" if at else "the revision is missing"
        raise UnknownNameError(
            f"{shown!r}: {found}, and the weight under it would change silently. Pin a commit, 40 hex digits: "
            f"huggingface_hub.HfApi().model_info({repo!r}{f', revision={revision!r}' if revision else ''}).sha "
            f"prints it; then write '{HUB_PREFIX}{repo}@<that hash>'"
        )
    return HubName(repo, revision)


def _parse_local(name: str) -> LocalName:
    path = name.removeprefix(LOCAL_PREFIX)
    if not path or "\0" in path:
        raise UnknownNameError(
            f"{one_line(name, _LONGEST)!r} names no folder: write '{LOCAL_PREFIX}path/to/weight_folder'"
        )
    if path.lower().endswith(_PICKLES) and not os.path.isdir(path):
        raise UnknownNameError(_refuse_pickle(one_line(name, _LONGEST)))
    return LocalName(path)


def _refuse_pickle(name: str) -> str:
    return (
        f"{name!r} looks like a pickle, and pickles are never opened by the loader (they can run code): "
        f"make a weight folder of safetensors from it and load that by '{LOCAL_PREFIX}path'"
    )


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The spellings nearest to ``name``, best first; empty where none is near."""
    return difflib.get_close_matches(name, sorted(names), n=count, cutoff=0.5)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """``did you mean 'a' or 'b'?``, or all the names where none is near and they are few."""
    known = sorted(names)
    near = nearest(name, known)
    if near:
        return f"did you mean {' or '.join(repr(one) for one in near)}?"
    if not known:
        return "there is none yet"
    shown = ", ".join(repr(one) for one in known[:8])
    return f"there are {shown}{', …' if len(known) > 8 else ''}"
