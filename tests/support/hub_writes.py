"""What a Hub on loopback answers to uploads: create, preupload, LFS, commit, tag; as the real client asks for it."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

Answer = tuple[int, Any, dict[str, str]]


class Writable(Protocol):
    """The repositories of a Hub, and who may write."""

    repositories: dict[tuple[str, str], dict[str, bytes]]
    writers: dict[str, str]
    private: dict[str, str]
    tags: dict[tuple[str, str], str]
    stored: dict[str, bytes]

    @property
    def endpoint(self) -> str: ...


def answer_write(hub: Writable, method: str, path: str, body: bytes, token: str | None) -> Answer | None:
    """Status, JSON and headers of a request that writes or that an upload begins with; None where it is no such one.

    Args:
        hub: whose repositories.
        method, path: of the request, the path decoded.
        body: its bytes.
        token: of its Authorization header.
    """
    parts = path.strip("/").split("/")
    route = _route(method, parts)
    if route is None:
        return None
    # The place that a batch named is open to whom it was told, as a signed address is.
    if token not in hub.writers and route is not _store:
        return 401, {"error": "Invalid credentials"}, {}
    return route(hub, parts, body, token or "")


def _route(method: str, parts: list[str]) -> Callable[[Writable, list[str], bytes, str], Answer] | None:
    if parts[:2] == ["lfs", "objects"] and method == "PUT":
        return _store
    if method == "GET" and parts[:2] == ["api", "models"] and parts[4:] == ["refs"]:
        return _refs
    if method != "POST":
        return None
    if parts == ["api", "repos", "create"]:
        return _create
    if parts == ["api", "validate-yaml"]:
        return lambda *_: (200, {"errors": [], "warnings": []}, {})
    if parts[2:] == ["info", "lfs", "objects", "batch"]:
        return _batch
    if parts == ["lfs", "verify"]:
        return lambda *_: (200, {}, {})
    if parts[:2] == ["api", "models"] and len(parts) > 5:
        return {"preupload": _preupload, "commit": _commit, "tag": _tag}.get(parts[4])
    return None


def _owner_may(hub: Writable, repo: str, token: str) -> bool:
    return hub.writers[token] == repo.split("/")[0]


def _create(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    asked = json.loads(body)
    repo = f"{asked.get('organization') or hub.writers[token]}/{asked['name']}"
    if not _owner_may(hub, repo, token):
        return 403, {"error": f"You don't have the rights to create {repo}"}, {}
    if any(known == repo for known, _ in hub.repositories):
        return 409, {"error": "You already created this model repo", "url": f"{hub.endpoint}/{repo}"}, {}
    hub.repositories[repo, "0" * 40] = {}
    if asked.get("private") or asked.get("visibility") == "private":
        hub.private[repo] = token
    return 200, {"url": f"{hub.endpoint}/{repo}", "name": repo, "id": repo}, {}


def _refs(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    repo = "/".join(parts[2:4])
    if not any(known == repo for known, _ in hub.repositories):
        return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
    tags = [
        {"name": name, "ref": f"refs/tags/{name}", "targetCommit": revision}
        for (known, name), revision in hub.tags.items()
        if known == repo
    ]
    head = [revision for known, revision in hub.repositories if known == repo][-1]
    main = {"name": "main", "ref": "refs/heads/main", "targetCommit": head}
    return 200, {"branches": [main], "converts": [], "tags": tags}, {}


def _preupload(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    files = [
        {
            "path": one["path"],
            "uploadMode": "lfs" if one["path"].endswith((".safetensors", ".png")) else "regular",
            "shouldIgnore": False,
            "oid": None,
        }
        for one in json.loads(body)["files"]
    ]
    return 200, {"files": files}, {}


def _batch(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    objects = []
    for one in json.loads(body)["objects"]:
        upload = {"href": f"{hub.endpoint}/lfs/objects/{one['oid']}"}
        actions = {"upload": upload, "verify": {"href": f"{hub.endpoint}/lfs/verify"}}
        objects.append({**one, **({} if one["oid"] in hub.stored else {"actions": actions})})
    return 200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"}


def _store(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    if hashlib.sha256(body).hexdigest() != parts[2]:
        return 400, {"error": "these bytes have another hash"}, {}
    hub.stored[parts[2]] = body
    return 200, {}, {}


def _commit(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    repo = "/".join(parts[2:4])
    if not _owner_may(hub, repo, token):
        return 403, {"error": "no right to write"}, {}
    head = [revision for known, revision in hub.repositories if known == repo][-1]
    files = dict(hub.repositories[repo, head])
    for line in body.decode().splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            if value["oid"] not in hub.stored:
                return 400, {"error": f"{value['path']} was never uploaded"}, {}
            files[value["path"]] = hub.stored[value["oid"]]
    revision = hashlib.sha1(head.encode() + body).hexdigest()
    hub.repositories[repo, revision] = files
    url = f"{hub.endpoint}/{repo}/commit/{revision}"
    return 200, {"success": True, "commitOid": revision, "commitUrl": url, "hookOutput": ""}, {}


def _tag(hub: Writable, parts: list[str], body: bytes, token: str) -> Answer:
    repo, name = "/".join(parts[2:4]), json.loads(body)["tag"]
    if (repo, name) in hub.tags:
        return 409, {"error": "this tag exists"}, {}
    hub.tags[repo, name] = parts[5]
    return 200, {}, {}
