"""`upload_weight`: a weight folder's files as one commit of a repository on the Hugging Face Hub."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.zoo.hub import client_errors, hub_endpoint
from ppkt_zoo.zoo.names import REPOSITORY

__all__ = ["Uploaded", "check_target", "upload_weight"]

# What git takes as a tag everywhere, and a shell without quotes.
_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,98}(?<!\.)(?<!\.lock)")

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Uploaded:
    """Where the files lie now.

    Attributes:
        repo: owner/name.
        revision: the new commit, 40 hex digits.
        tag: its name on the Hub.
        url: of the repository's page.
    """

    repo: str
    revision: str
    tag: str
    url: str


def upload_weight(files: Mapping[str, bytes], repo: str, *, tag: str, message: str, private: bool = False) -> Uploaded:
    """Create the repository where it is missing, commit all files at once, and tag the commit.

    Who may do it, huggingface_hub knows: the token of ``hf auth login`` or HF_TOKEN; HF_ENDPOINT holds. What lies in
    the repository beside these files stays.

    Args:
        files: name → content.
        repo: owner/name.
        tag: of the commit; one that exists is never moved.
        message: of the commit.
        private: of a repository that is made; one that is there already must be private then.

    Raises:
        InputError: ``repo`` is no owner/name, the tag exists or cannot be one, or the repository is public where a
            private one is asked for.
        WeightError: the Hub refuses, or cannot be reached; the message never holds a token or an address.
    """
    check_target(repo, tag, message)
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=hub_endpoint(), library_name="ppkt-zoo")
    _ask(repo, "the repository cannot be made", lambda: api.create_repo(repo, private=private, exist_ok=True))
    if private and not _ask(repo, "it cannot be looked at", lambda: _is_private(api, repo)):
        raise InputError(
            f"{repo} is public already, and --private asks for a private one: nothing was sent; make it private on its "
            "page, or give another --repo"
        )
    refs = _ask(repo, "its tags cannot be read", lambda: api.list_repo_refs(repo))
    if tag in {one.name for one in refs.tags}:
        raise InputError(f"{repo} has the tag {tag!r} already, and tags are never moved: give another --tag")
    added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()]
    done: Any = _ask(
        repo, "the files cannot be uploaded", lambda: api.create_commit(repo, added, commit_message=message)
    )
    revision = str(done.oid)
    _ask(repo, _untagged(revision), lambda: _tag(api, repo, tag, revision))
    return Uploaded(repo, revision, tag, f"{api.endpoint}/{repo}")


def check_target(repo: str, tag: str, message: str | None = None) -> None:
    """Refuse what the Hub could only refuse after the upload.

    Raises:
        InputError: ``repo`` is no owner/name, ``tag`` cannot be a tag, or ``message`` is no text.
    """
    try:
        if message is not None and not message.encode("utf-8").strip():
            raise InputError("--message is empty: say in a few words what is published")
    except UnicodeEncodeError:
        raise InputError("--message holds bytes that are no UTF-8: write it anew") from None
    if not REPOSITORY.fullmatch(repo):
        raise InputError(f"--repo must be owner/name, got {repo!r}")
    if not _TAG.fullmatch(tag):
        raise InputError(f"--tag must be letters, digits, dots, dashes and underscores such as v1.0, got {tag!r}")


def _untagged(revision: str) -> str:
    return f"the files are there as commit {revision}, but it cannot be tagged (the same command again goes on there)"


def _is_private(api: Any, repo: str) -> bool:
    return bool(api.repo_info(repo).private)


def _tag(api: Any, repo: str, tag: str, revision: str) -> None:
    api.create_tag(repo, tag=tag, revision=revision)


def _ask(repo: str, trouble: str, call: Callable[[], _Answer]) -> _Answer:
    try:
        return call()
    except client_errors() as error:
        problem = _explain(error)
    # Outside of the handler, so that no address or header of the client's error hangs on ours.
    raise WeightError(f"{repo}: {trouble}: {problem}")


def _explain(error: BaseException) -> str:
    """What happened and how to mend it; never the client's own text, which may hold addresses with secrets."""
    from huggingface_hub import errors

    cause = error.__cause__ or error
    status = getattr(getattr(cause, "response", None), "status_code", None)
    if isinstance(error, errors.LocalTokenNotFoundError) or status in (401, 403, 404):
        told = "no token" if status is None else f"HTTP {status}"
        return (
            f"you may not write there ({told}): log in with 'hf auth login', or set HF_TOKEN to a token that may "
            "write, and check the owner's name"
        )
    if status == 429:
        return "too many requests (HTTP 429): wait some minutes"
    if status is not None:
        return f"the Hub answered HTTP {status}: try again later"
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set: unset it"
    return f"no connection, or it was cut ({type(cause).__name__}): check the network and try again"
