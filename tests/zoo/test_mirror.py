"""Weights by way of a mirror: a folder or an address; cut downloads go on, two at once fetch once, hashes hold."""

import contextlib
import multiprocessing
import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

from ppkt_zoo.errors import InputError, PPKTZooError, UnknownNameError, WeightError
from ppkt_zoo.zoo import mirror as room
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.load import load_backbone, open_weight, verify
from ppkt_zoo.zoo.local_cache import clear, fetch_weights, list_kept
from ppkt_zoo.zoo.manifest import HubSource, Manifest, load_manifest
from tests.support.commands import run
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import REPO, REVISION, install_manifest

NAME = f"hf-hub:{REPO}@{REVISION}"
LARGE = "model.safetensors"


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the package's own."""
    monkeypatch.setenv("PPKT_ZOO_CACHE", str(tmp_path / "own"))
    monkeypatch.setattr(room, "_TRIES", 2)
    monkeypatch.setattr(room, "_CHUNK", 100)
    return tmp_path / "own"


@pytest.fixture
def address(hub: HubServer, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """PPKT_ZOO_MIRROR is a plain file server."""
    monkeypatch.setenv("PPKT_ZOO_MIRROR", f"{hub.endpoint}/mirror/")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody may ask there
    return hub


@pytest.fixture
def listed_on_hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    spec = weight_spec(open_weight_folder(folder), HubSource(repo=REPO, revision=REVISION))
    install_manifest(Manifest(weights=(spec,)), tmp_path, monkeypatch)
    return spec.name


def problem(name: str = NAME) -> str:
    with pytest.raises(WeightError) as caught:
        load_backbone(name)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_an_address_serves_once(address: HubServer, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verify(NAME).ok
    assert all(path.startswith(f"/mirror/{REPO}/{REVISION}/") for _, path, _ in address.requests)
    count = len(address.requests)
    assert verify(NAME).ok
    assert len(address.requests) == count, "what is in the cache is not asked for again"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_backbone(NAME).level_channels
    shutil.rmtree(own_cache)
    assert "not in the cache and HF_HUB_OFFLINE is set" in problem()


def test_a_listed_weight_keeps_its_hashes(address: HubServer, listed_on_hub: str) -> None:
    address.fail("config.json", wrong_bytes=True)
    assert "config.json, fetched again, is not the recorded file" in problem(listed_on_hub)
    address.faults.clear()
    assert verify(listed_on_hub).ok


def test_a_cut_download_goes_on_where_it_stopped(address: HubServer) -> None:
    address.fail(LARGE, method="GET", times=2, cut_after=500)
    assert "no connection, or it was cut" in problem()
    assert verify(NAME).ok
    ranges = [headers.get("Range") for headers in address.gets(LARGE)]
    assert ranges == [None, "bytes=500-", "bytes=1000-"]


def test_what_lies_there_from_another_file_is_fetched_anew(address: HubServer, own_cache: Path) -> None:
    part = own_cache / "mirror" / REPO / REVISION / f"{LARGE}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 10**6)  # longer than the file
    assert verify(NAME).ok
    shutil.rmtree(own_cache)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 100)  # its hash will not hold
    assert verify(NAME).ok
    assert [headers.get("Range") for headers in address.gets(LARGE)][-2:] == ["bytes=100-", None]


def test_more_than_was_recorded_is_not_kept(address: HubServer, own_cache: Path) -> None:
    address.repositories[REPO, REVISION][LARGE] += b"more"
    assert "is larger than the" in problem()
    assert not list(own_cache.rglob(f"{LARGE}*.part"))


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (404, {}, "HTTP 404"),
        (403, {}, "HTTP 403"),
        (429, {"Retry-After": "0"}, "overloaded"),
        (302, {"Location": "http://example.invalid/x"}, "not https"),
        (302, {"Location": "https://[::1"}, "its address is not valid"),
        (302, {"Location": "file:///etc/passwd"}, "not https"),
        (302, {"Location": "config.json"}, "redirects in circles"),
        (200, {"Content-Encoding": "gzip"}, "comes compressed"),
    ],
)
def test_each_refusal_has_its_mend(address: HubServer, status: int, headers: dict[str, str], words: str) -> None:
    address.fail("config.json", status=status, headers=headers)
    assert words in problem()


def test_a_short_trouble_is_waited_out(address: HubServer) -> None:
    address.fail(LARGE, times=1, status=503, headers={"Retry-After": "0"})
    assert verify(NAME).ok


@pytest.mark.parametrize("page", [b"<html>please log in</html>", b"", b"{}", b"[" * 5000, b"\x1f\x8b\x08"])
def test_a_page_in_the_place_of_the_config_heals(address: HubServer, own_cache: Path, page: bytes) -> None:
    """A hotel's network answers everything with a page of its own."""
    files = address.repositories[REPO, REVISION]
    good = files["config.json"]
    files["config.json"] = page
    assert "config.json" in problem()
    files["config.json"] = good
    assert verify(NAME).ok
    count = len(address.requests)
    assert verify(NAME).ok
    assert len(address.requests) == count


def test_a_damaged_copy_of_any_file_heals(address: HubServer, own_cache: Path) -> None:
    assert verify(NAME).ok
    for file in (own_cache / "mirror" / REPO / REVISION).iterdir():
        if file.suffix in (".lock", ".part"):
            continue
        good = file.read_bytes()
        # In config.json, a changed digit of another file's hash is still a config.
        place = good.find(b'"sha256": "') + len(b'"sha256": "')
        wrong = good[:place] + (b"0" if good[place : place + 1] != b"0" else b"1") + good[place + 1 :]
        file.write_bytes(wrong)
        assert verify(NAME).ok, file.name
        assert file.read_bytes() == good


class Tiresome:
    """A server that sends its answer as no honest one does."""

    def __init__(self, kind: str) -> None:
        self.kind, self.gone = kind, threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/m"

    def _serve(self) -> None:
        while True:
            try:
                to, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(to,), daemon=True).start()

    def _answer(self, to: socket.socket) -> None:
        with contextlib.suppress(OSError), to:
            to.recv(4096)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            if self.kind == "slow head":
                self._drip(to, head * 1000)
            elif self.kind == "slow body":
                to.sendall(head + b"Content-Length: 1000\r\n\r\n")
                self._drip(to, b"x" * 1000)
            elif self.kind == "slow chunks":
                to.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
                self._drip(to, b"1\r\nx\r\n" * 1000, 6)
            elif self.kind == "endless":
                to.sendall(head + b"\r\n")
                while not self.gone.is_set():
                    to.sendall(bytes(1 << 20))
            elif self.kind == "silent":
                self.gone.wait(60)
            elif self.kind == "boastful":
                to.sendall(head + b"Content-Length: 99999999999999999\r\n\r\n" + bytes(100))

    def _drip(self, to: socket.socket, data: bytes, step: int = 1) -> None:
        for start in range(0, len(data), step):
            if self.gone.wait(0.05):
                return
            to.sendall(data[start : start + step])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("slow head", "too slow"),
        ("slow body", "too slow"),
        ("slow chunks", "too slow"),
        ("silent", "too slow"),
        ("endless", "larger than"),
        ("boastful", "larger than"),
    ],
)
def test_a_server_that_never_ends_is_given_up(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, kind: str, said: str
) -> None:
    for name, seconds in (("_SILENCE", 1.0), ("_ANSWER", 1.5), ("_PATIENCE", 1.0)):
        monkeypatch.setattr(room, name, seconds)
    server = Tiresome(kind)
    monkeypatch.setenv("PPKT_ZOO_MIRROR", server.address)
    began = time.monotonic()
    try:
        assert said in problem()
    finally:
        server.gone.set()
        server.socket.close()
    assert time.monotonic() - began < 15
    kept = [file.stat().st_size for file in own_cache.rglob("*") if file.is_file()]
    assert sum(kept) < 2 << 20


def test_waiting_for_a_slow_server_ends_within_half_a_minute() -> None:
    assert room._SILENCE <= 25
    assert room._ANSWER <= 30
    assert room._PATIENCE <= 25


@pytest.mark.parametrize("given", ["http://[::1", "https://", "https://[x]/", "://x", "~nosuchuser/m", "a" * 5000])
def test_an_address_that_is_none_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("PPKT_ZOO_MIRROR", given)
    with pytest.raises(PPKTZooError, match="PPKT_ZOO_MIRROR"):
        load_backbone(NAME)


def test_a_password_in_the_address_appears_nowhere(address: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with_secret = os.environ["PPKT_ZOO_MIRROR"].replace("http://", "http://user:secretword@")
    monkeypatch.setenv("PPKT_ZOO_MIRROR", with_secret)
    assert verify(NAME).ok
    address.fail("config.json", method="GET", cut_after=-1)
    with pytest.raises(WeightError) as caught:
        load_backbone(f"hf-hub:{REPO}@{'f' * 40}")
    assert "secretword" not in str(caught.value)


@pytest.mark.parametrize("given", ["http://example.org/weights", "ftp://example.org", "file:///tmp"])
def test_an_unsafe_address_is_refused(hub: HubServer, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("PPKT_ZOO_MIRROR", given)
    with pytest.raises(InputError, match="must be a folder or an https address"):
        load_backbone(NAME)


def _load(name: str) -> bool:
    from ppkt_zoo.zoo.load import open_weight

    return open_weight(name).path.is_dir()


def test_two_processes_at_once_fetch_once(address: HubServer) -> None:
    address.fail(LARGE, method="GET", slow=0.2)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_load, [NAME, NAME]) == [True, True]
    assert len(address.gets(LARGE)) == 1


def test_two_processes_at_once_fetch_once_from_the_hub(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    hub.fail(LARGE, method="GET", slow=0.2)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_load, [NAME, NAME]) == [True, True]
    assert len(hub.gets(LARGE)) == 1


def test_fetch_lays_out_a_mirror_for_machines_without_network(
    hub: HubServer, own_cache: Path, listed_on_hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf"))
    folder = tmp_path / "stick"
    assert listed_on_hub in run("fetch", "--all", "--to", folder).output
    monkeypatch.setenv("PPKT_ZOO_MIRROR", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.requests.clear()
    assert open_weight(listed_on_hub).path.is_relative_to(folder)
    assert verify(listed_on_hub).ok
    assert hub.requests == []
    (folder / REPO / REVISION / LARGE).unlink()
    assert f"the mirror {folder} has no {REPO}" in problem(listed_on_hub)

    assert "give names of weights, or --all" in run("fetch", code=2).output
    assert "no weight is called 'tiny_net.other'" in run("fetch", "tiny_net.other", code=2).output
    with pytest.raises(UnknownNameError):
        fetch_weights(load_manifest(), ["nothing"])


def test_the_place_of_a_fetched_weight_is_one_harmless_line(
    hub: HubServer, listed_on_hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    told = run("fetch", "--all", "--to", tmp_path / "a\x1b[31m\n\x9b[bold]b").output
    assert len(told.splitlines()) == 1
    assert "a\\x1b[31m \\x9b[bold]b" in told


def test_the_cache_is_shown_and_cleared_by_kind(address: HubServer, own_cache: Path) -> None:
    assert verify(NAME).ok
    (own_cache / "rooms").mkdir()
    (own_cache / "rooms" / "frame.npz").write_bytes(b"x" * 1000)
    (own_cache / "mine").mkdir()  # not ours
    assert {one.kind for one in list_kept() if one.path.is_relative_to(own_cache)} == {"mirror", "rooms"}
    told = run("cache", "--clear", "rooms", "--yes").output
    assert "removed 1" in told
    assert sorted(one.name for one in own_cache.iterdir()) == ["mine", "mirror"]
    assert [one.name for one in clear(["mirror"])] == ["mirror"]
    assert not [one for one in list_kept() if one.kind == "mirror"]
    assert "in total" in run("cache").output
    with pytest.raises(InputError, match="no kind 'all'"):
        clear(["all"])


def test_of_the_shared_cache_only_weights_are_touched(hub: HubServer, tmp_path: Path) -> None:
    from huggingface_hub import hf_hub_download

    cache = tmp_path / "hf"
    hub.add("someone/other", REVISION, {"config.json": b"{}"})
    hf_hub_download("someone/other", "config.json", revision=REVISION, endpoint=hub.endpoint, cache_dir=cache)
    assert verify(NAME, cache_dir=cache).ok
    assert [one.name for one in list_kept(cache) if one.kind == "hub"] == [REPO]
    assert [one.name for one in clear(["hub"], cache)] == [REPO]
    assert [one.name for one in cache.glob("models--*")] == ["models--someone--other"]
    assert verify(NAME, cache_dir=cache).ok, "what was cleared is fetched again"


def test_a_cache_that_is_no_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"the Hub's cache .* cannot be read .*HF_HOME"):
        list_kept(tmp_path / "file")
    monkeypatch.setenv("PPKT_ZOO_CACHE", "/tmp/" + "x" * 5000)
    with pytest.raises(InputError, match=r"PPKT_ZOO_CACHE.*File name too long"):
        list_kept(tmp_path / "none")


def test_a_cache_that_is_a_link_is_left_to_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large disk"
    large.mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "rooms").symlink_to(large)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PPKT_ZOO_CACHE", "~/home")
    with pytest.raises(InputError, match="rooms is a link and leads elsewhere"):
        clear(["rooms"], tmp_path / "none")
    assert large.is_dir()
