"""`upload_weight`: a weight folder's files as one commit of a repository on the Hugging Face Hub."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.zoo.hub import client_errors, hub_endpoint
from ppkt_zoo.zoo.names import REPOSITORY
from ppkt_zoo.zoo.record import WeightRecord

# What git takes as a tag everywhere, and a shell without quotes.
_TAG = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,98}(?<!\.)(?<!\.lock)")

_Answer = TypeVar("_Answer")
# What it means to let others have something: as something that is done, and as a thing.
_DONE = (
    r"(?:(?:re)?publish(?:ed|able)?|(?:re)?distribut(?:ed?|able)|shar(?:ed?|able)|releas(?:ed?|able)|upload(?:ed)?|"
    r"circulated?|disclosed?|pass(?:ed)? (?:it )?(?:on|to)|hand(?:ed)? (?:on|out|over|to)|giv(?:e|en) (?:away|to)|"
    r"(?:made|make (?:it )?) ?(?:\w+ )?(?:available|public)|le(?:ave|aves|ft) (?:this|the|our)|public(?:ly)?)"
)
_THING = (
    r"(?:(?:re)?publication|(?:re)?publishing|(?:re)?distribut(?:ion(?! shift)|ing)|sharing|"
    r"(?:public )?releas(?:e|ing)|upload(?:ing)?|disclosure)"
)
# Words that may stand between "not" and what is not to be done.
_BETWEEN = (
    r"(?:to|be|been|being|for|or|nor|and|ever|any|the|it|this|of|in|a|copied|used|modified|shared|sold|distributed|"
    r"published|publicly|openly|freely|further|public|allowed|permitted|licensed|cleared|approved|authori[sz]ed|"
    r"intended|suitable|meant|permission|right|rights|derivatives?|part|may|made)"
)
_ORDER = r"(?:(?:do|must|may|can|could|shall|should) ?(?:not|never)|don'?t|mustn'?t|can'?t|shan'?t|not to)"
_FORBIDDEN_WORD = r"(?:(?:not|never) (?:be )?(?:permitted|allowed|granted)|prohibited|forbidden|disallowed)"
_ALONE = r"\b(?:local(?:ly)?|internal(?:ly)?|private(?:ly)?|personal|evaluation|test(?:ing|s)?)\b"

# What forbids wherever it stands in a record.
_FORBIDDEN = (
    rf"\b{_ORDER} (?:{_BETWEEN},? ){{0,6}}{_DONE}\b",
    rf"\b(?:not for|no) (?:{_BETWEEN} ){{0,4}}{_THING}\b",
    rf"\b{_THING}(?: \w+){{0,8}} {_FORBIDDEN_WORD}\b",
    rf"\b{_FORBIDDEN_WORD}(?: \w+){{0,3}} {_DONE}\b",
)
# And what forbids as a licence, or as its whole text.
_LICENCES = (
    rf"\b(?:not|never|no|without|cannot) (?:{_BETWEEN},? ){{0,6}}(?:{_DONE}|{_THING})\b",
    r"\b(?:non|un) ?(?:publish|(?:re)?distribut|shar|releas)\w*",
    rf"{_ALONE}[\w ,]*\b(?:only|alone)\b",
    rf"\b(?:only|alone)(?: for| to be used)? {_ALONE}",
    r"\bfor (?:local|internal|private|personal) (?:use|purposes|evaluation)\b",
    r"\b(?:keep|kept|stays?|remains?)\b[\w ]*\b(?:local|private|internal|secret|machine)\b",
    r"\ball rights reserved\b",
    r"\b(?:proprietary|confidential|secret|nda|non ?disclosure)\b",
    r"^\W*(?:strictly )?(?:internal|private|local|unlicen[sc]ed|no licen[sc]e|personal)(?: use)?\W*$",
)


@dataclass(frozen=True)
class Uploaded:
    """Where the files lie now.

    Attributes:
        repo: owner/name.
        revision: the new commit, 40 hex digits.
        tag: its name on the Hub, where it was given one.
        url: of the repository's page.
        commit_url: of the commit's page.
    """

    repo: str
    revision: str
    tag: str | None
    url: str
    commit_url: str


def upload_weight(
    files: Mapping[str, bytes],
    repo: str,
    *,
    tag: str | None,
    message: str,
    private: bool = False,
    token: str | None = None,
) -> Uploaded:
    """Create the repository where it is missing, commit all files at once, and tag the commit.

    Who may do it, huggingface_hub knows: the token of ``hf auth login`` or HF_TOKEN; HF_ENDPOINT holds. What lies in
    the repository beside these files stays.

    Args:
        files: name → content.
        repo: owner/name.
        tag: of the commit; one that exists is never moved. None leaves it without.
        message: of the commit.
        private: of a repository that is made; one that is there already must be private then.
        token: of who writes, in place of the one above.

    Raises:
        InputError: ``repo`` is no owner/name, the tag exists or cannot be one, or the repository is public where a
            private one is asked for.
        WeightError: the Hub refuses, or cannot be reached; the message never holds a token or an address.
    """
    check_target(repo, tag, message)
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(endpoint=hub_endpoint(), library_name="ppkt-zoo", token=token)
    _ask(repo, "the repository cannot be made", lambda: api.create_repo(repo, private=private, exist_ok=True))
    if private and not _ask(repo, "it cannot be looked at", lambda: api.repo_info(repo).private):
        raise InputError(
            f"{repo} is public already, and --private asks for a private one: nothing was sent; make it private on its "
            "page, or give another --repo"
        )
    if tag is not None and tag in tags_of(repo, token):
        raise InputError(f"{repo} has the tag {tag!r} already, and tags are never moved: give another --tag")
    added = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in files.items()]
    done: Any = _ask(
        repo, "the files cannot be uploaded", lambda: api.create_commit(repo, added, commit_message=message)
    )
    revision = str(done.oid)
    untagged = (
        f"the files are there as commit {revision}, but it cannot be tagged (the same command again goes on there)"
    )
    if tag is not None:
        _ask(repo, untagged, lambda: api.create_tag(repo, tag=tag, revision=revision))
    return Uploaded(repo, revision, tag, f"{api.endpoint}/{repo}", str(done.commit_url))


def tags_of(repo: str, token: str | None = None) -> dict[str, str]:
    """Tag → commit of a repository on the Hub; none where there is no such repository that one may see.

    Raises:
        WeightError: it cannot be looked at.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi(endpoint=hub_endpoint(), library_name="ppkt-zoo", token=token)

    def ask() -> dict[str, str]:
        try:
            return {one.name: one.target_commit for one in api.list_repo_refs(repo).tags}
        except RepositoryNotFoundError:
            return {}

    return _ask(repo, "its tags cannot be read", ask)


def check_target(repo: str, tag: str | None, message: str | None = None) -> None:
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
    if tag is not None and not _TAG.fullmatch(tag):
        raise InputError(f"--tag must be letters, digits, dots, dashes and underscores such as v1.0, got {tag!r}")


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


def what_forbids_publication(record: WeightRecord) -> str | None:
    """The field and the words of a record that forbid a public repository; None where none do.

    The licence of the weight, of its data and of its teachers are read, and everything else that a record says of them.
    Words such as "not to be published", "no redistribution", "redistribution is prohibited", "local only", "for
    evaluation alone" or "all rights reserved" forbid; terms that allow publication under conditions, such as CC BY-NC,
    do not. It is a guard against mistakes and no judge: words in other languages are not understood.
    """
    licences = {
        "licences.weights": record.licences.weights,
        "licences.data": record.licences.data,
        **{f"data[{number}].licence": one.licence for number, one in enumerate(record.data)},
    }
    others = {"description": record.description, "method": record.method, "citation": record.citation}
    others |= {f"data[{number}].name": one.name for number, one in enumerate(record.data)}
    others |= {f"data[{number}].attribution": one.attribution for number, one in enumerate(record.data)}
    for number, teacher in enumerate(record.teachers):
        where = "teacher" if number == 0 else f"further_teachers[{number - 1}]"
        licences[f"{where}.licence"] = teacher.licence
        others[f"{where}.origin"] = teacher.origin
    if record.conversion is not None:
        others["conversion.origin"] = record.conversion.origin
    others |= {f"limits[{number}]": text for number, text in enumerate(record.limits)}
    others |= {f"deviations[{number}]": text for number, text in enumerate(record.deviations)}
    for rules, texts in ((_FORBIDDEN + _LICENCES, licences), (_FORBIDDEN, others)):
        for field, text in texts.items():
            plain = _plain(text)
            if any(re.search(rule, plain) for rule in rules):
                return f"{field} says {text!r}"
    return None


def _plain(text: str) -> str:
    """Lower case, in one line, without marks that only the eye sees or does not see."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("can't", "cannot")
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return re.sub(r"[\s*_`~\-‐-―/]+", " ", text).strip()
