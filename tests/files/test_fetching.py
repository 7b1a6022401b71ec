"""Bytes from afar and from programs: bounded, never waited for without end, and no password is told."""

import contextlib
import gzip
import http.server
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from ppkt_zoo.errors import FrameError
from ppkt_zoo.files import fetching
from ppkt_zoo.files.fetching import LeastRate, fetch, output_of

BODY = bytes(range(256)) * 40


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as the path asks."""

    protocol_version = "HTTP/1.0"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        kind = self.path.split("?")[0].rsplit("/", 1)[-1]
        with contextlib.suppress(OSError):
            getattr(self, f"_{kind}")()

    def _head(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _good(self) -> None:
        self._head(Content_Length=str(len(BODY)))
        self.wfile.write(BODY)

    def _no_length(self) -> None:
        self._head()
        self.wfile.write(BODY)

    def _cut(self) -> None:
        self._head(Content_Length=str(len(BODY) + 1))
        self.wfile.write(BODY)

    def _endless(self) -> None:
        self._head()
        while True:
            self.wfile.write(bytes(1 << 20))

    def _drops(self) -> None:
        self._head(Content_Length=str(len(BODY)))
        for place in range(len(BODY)):
            self.wfile.write(BODY[place : place + 1])
            self.wfile.flush()
            time.sleep(0.05)

    def _slow_head(self) -> None:
        for letter in b"HTTP/1.0 200 OK\r\nX-Long: " + b"x" * 10_000:
            self.wfile.write(bytes([letter]))
            self.wfile.flush()
            time.sleep(0.05)

    def _packed(self) -> None:
        packed = gzip.compress(bytes(10_000_000))
        self._head(Content_Encoding="gzip", Content_Length=str(len(packed)))
        self.wfile.write(packed)

    def _to_file(self) -> None:
        self._head(302, Location="file:///etc/passwd")

    def _circle(self) -> None:
        self._head(302, Location=self.path)

    def _moved(self) -> None:
        self._head(302, Location="good")

    def _missing(self) -> None:
        self._head(404)

    def _partial(self) -> None:
        self._head(206)
        self.wfile.write(BODY)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as running:
        running.daemon_threads = True
        running.block_on_close = False
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize("kind", ["good", "no_length", "moved"])
def test_a_whole_body_comes(server: str, kind: str) -> None:
    assert fetch(f"http://{server}/{kind}", FrameError, most=len(BODY)) == BODY


def test_of_a_longer_body_one_byte_more_is_taken(server: str) -> None:
    assert fetch(f"http://{server}/good", FrameError, most=100) == BODY[:101]
    assert len(fetch(f"http://{server}/endless", FrameError, most=3_000_000)) == 3_000_001


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "HTTP 404"),
        ("partial", "HTTP 206"),
        ("cut", "it was cut"),
        ("packed", "it comes packed"),
        ("to_file", "neither http nor https"),
        ("circle", "in circles"),
    ],
)
def test_trouble_is_named_without_the_password(server: str, kind: str, message: str) -> None:
    with pytest.raises(FrameError, match=message) as caught:
        fetch(f"http://me:s3cret@{server}/{kind}?signature=s3cret", FrameError, most=10**6)
    assert "s3cret" not in str(caught.value)
    assert kind in str(caught.value)


@pytest.mark.parametrize(
    "address", ["http://me:s3cret@127.0.0.1:9/x", "http://me:s3cret@[::1", "http://me:s3cret@:99999/"]
)
def test_no_connection_is_named_without_the_password(address: str) -> None:
    with pytest.raises(FrameError, match="cannot be fetched") as caught:
        fetch(address, FrameError, most=10)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_sends_single_bytes_is_given_up(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.monotonic()
    with pytest.raises(FrameError, match="too slow"):
        fetch(f"http://{server}/drops", FrameError, most=10**6, slowest=lambda: LeastRate(patience=0.5))
    monkeypatch.setattr(fetching, "_ANSWER", 0.5)
    with pytest.raises(FrameError, match="no answer in 0 s"):
        fetch(f"http://{server}/slow_head", FrameError, most=10**6)
    assert time.monotonic() - began < 20


def _python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_the_output_of_a_program_is_bounded() -> None:
    assert output_of(_python("print('x' * 5, end='')"), FrameError, 5, "here") == b"x" * 5
    endless = "import os\nwhile True: os.write(1, bytes(100000))"
    assert output_of(_python(endless), FrameError, 1_000_000, "here") == bytes(1_000_001)


def test_a_program_that_fails_says_why_without_the_password() -> None:
    code = "import sys; sys.stderr.write('no way to https://me:s3cret@host/x'); sys.exit(3)"
    with pytest.raises(FrameError, match=r"^here: .*ended with 3: no way to https://host/x") as caught:
        output_of(_python(code), FrameError, 5, "here")
    assert "s3cret" not in str(caught.value)


def test_a_program_that_is_silent_is_ended_with_what_it_started() -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    began = time.monotonic()
    with pytest.raises(FrameError, match="silent or slow"):
        output_of(_python(code), FrameError, 5, "here", silence=1.0)
    assert time.monotonic() - began < 20


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(FrameError, match=r"here: the program 'no-such-program' cannot be started \(No such file"):
        output_of(["no-such-program"], FrameError, 5, "here")
