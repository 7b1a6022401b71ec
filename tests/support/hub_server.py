"""A small Hugging Face Hub on loopback, as far as the real client needs one, with faults to order."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.support.hub_writes import answer_write


@dataclass
class Fault:
    """What goes wrong with the requests that match, for the next ``times`` of them.

    Attributes:
        status: answer with this HTTP status, or
        cut_after: send so many bytes of the body and close (-1: close before the status line), or
        wrong_bytes: send other bytes of the same number, or
        wrong_etag: call the file by another hash, or
        slow: seconds to wait before each kilobyte.
    """

    method: str
    file: str
    times: int
    status: int | None = None
    cut_after: int | None = None
    wrong_bytes: bool = False
    wrong_etag: bool = False
    slow: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


class HubServer:
    """Repositories in memory: (repo, 40-hex revision) → file name → bytes."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], dict[str, bytes]] = {}
        self.private: dict[str, str] = {}
        self.writers: dict[str, str] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.stored: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT must be."""
        return f"http://127.0.0.1:{self._http.server_port}"

    def add(self, repo: str, revision: str, files: dict[str, bytes], token: str | None = None) -> None:
        """Publish a commit; with ``token``, only for those who send it."""
        self.repositories[repo, revision] = files
        if token is not None:
            self.private[repo] = token

    def fail(self, file: str, method: str = "*", times: int = 10**6, **fault: object) -> None:
        """Order a :class:`Fault` for the requests of a file."""
        self.faults.append(Fault(method, file, times, **fault))  # type: ignore[arg-type]

    def gets(self, file: str) -> list[dict[str, str]]:
        """Headers of every GET of a file so far."""
        return [headers for method, path, headers in self.requests if method == "GET" and path.endswith(f"/{file}")]

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method in ("*", method) and path.endswith(f"/{fault.file}"):
                    fault.times -= 1
                    return fault
        return None

    @contextmanager
    def running(self) -> Iterator["HubServer"]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()
            thread.join()


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, dict(self.headers)))
            # Whatever is answered, or the next request of this connection would begin with what is left of it.
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = hub.take_fault(self.command, path)
            if fault is not None and fault.status is not None:
                return self._refuse(fault.status, fault.headers)
            if fault is not None and fault.cut_after == -1:
                self.close_connection = True
                return None
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
            written = answer_write(hub, self.command, path, body, token)
            if written is not None:
                status, content, headers = written
                return self._send(
                    json.dumps(content).encode(), {"Content-Type": "application/json"} | headers, None, status
                )
            parts = path.strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                return self._model_info("/".join(parts[2:4]))
            if parts[0] == "mirror" and len(parts) > 4:  # a plain file server
                return self._resolve("/".join(parts[1:3]), parts[3], "/".join(parts[4:]), fault)
            if len(parts) < 5 or parts[2] != "resolve":
                return self._refuse(404, {})
            return self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), fault)

        def _resolve(self, repo: str, revision: str, file: str, fault: Fault | None) -> None:
            known = [one for one in hub.repositories if one[0] == repo]
            token = hub.private.get(repo)
            if not known or (token is not None and self.headers.get("Authorization") != f"Bearer {token}"):
                return self._refuse(401, {"X-Error-Code": "RepoNotFound"})
            if revision == "main":
                revision = known[-1][1]
            revision = hub.tags.get((repo, revision), revision)
            if (repo, revision) not in hub.repositories:
                return self._refuse(404, {"X-Error-Code": "RevisionNotFound"})
            commit = {"X-Repo-Commit": revision}
            files = hub.repositories[repo, revision]
            if file not in files:
                return self._refuse(404, {"X-Error-Code": "EntryNotFound", **commit})
            data = files[file]
            etag = hashlib.sha256(data + (b"other" if fault is not None and fault.wrong_etag else b"")).hexdigest()
            headers = {"ETag": f'"{etag}"', "X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(data)), **commit}
            if fault is not None and fault.wrong_bytes:
                data = bytes([data[0] ^ 1]) + data[1:]
            return self._send(data, headers, fault)

        def _send(self, data: bytes, headers: dict[str, str], fault: Fault | None = None, status: int = 200) -> None:
            begin = 0
            wanted = self.headers.get("Range")
            if wanted is not None and self.command == "GET":
                begin = int(wanted.removeprefix("bytes=").split("-")[0])
                if begin >= len(data):
                    return self._refuse(416, {"Content-Range": f"bytes */{len(data)}"})
                headers["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            body = data[begin:]
            self.send_response(206 if begin else status)
            for key, value in (headers | {"Accept-Ranges": "bytes", "Content-Length": str(len(body))}).items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault is not None and fault.cut_after is not None:
                body = body[: fault.cut_after]
                self.close_connection = True
            if fault is None or not fault.slow:
                self.wfile.write(body)
                return
            for start in range(0, len(body), 1024):
                time.sleep(fault.slow)
                self.wfile.write(body[start : start + 1024])

        def _model_info(self, repo: str) -> None:
            commits = [revision for known, revision in hub.repositories if known == repo]
            if not commits:
                return self._refuse(401, {"X-Error-Code": "RepoNotFound"})
            files = hub.repositories[repo, commits[-1]]
            info = {
                "id": repo,
                "sha": commits[-1],
                "private": repo in hub.private,
                "siblings": [{"rfilename": name} for name in files],
            }
            return self._send(json.dumps(info).encode(), {"Content-Type": "application/json"})

        def _refuse(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(key, value)
            self.end_headers()

    return Handler
