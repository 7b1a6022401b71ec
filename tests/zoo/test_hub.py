"""The real huggingface_hub client against a Hub on loopback: what it fetches, and how each trouble is told."""

import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from ppkt_zoo.errors import UnknownNameError, WeightError
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.load import load_backbone, open_weight, verify
from ppkt_zoo.zoo.manifest import HubSource, Manifest
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import REPO, REVISION, install_manifest

NAME = f"hf-hub:{REPO}@{REVISION}"
FILES = ("config.json", "model.safetensors", "golden.safetensors", "projection.safetensors", "record.json")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def listed_on_hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tiny weight, listed in the manifest as lying on the Hub."""
    spec = weight_spec(open_weight_folder(folder), HubSource(repo=REPO, revision=REVISION))
    install_manifest(Manifest(weights=(spec,)), tmp_path, monkeypatch)
    return spec.name


def problem(name: str, cache: Path) -> str:
    """The message of the WeightError that loading gives; nothing of the client hangs on it."""
    with pytest.raises(WeightError) as caught:
        load_backbone(name, cache_dir=cache)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fetched(hub: HubServer) -> list[str]:
    """Names of the repository's files that were downloaded so far, each as often as it was; all of the right commit."""
    begin = f"/{REPO}/resolve/{REVISION}/"
    return sorted(path.removeprefix(begin) for method, path, _ in hub.requests if method == "GET" and REPO in path)


def test_a_repository_is_fetched_once(hub: HubServer, cache: Path) -> None:
    assert verify(NAME, cache_dir=cache).ok
    assert fetched(hub) == sorted(FILES)
    assert load_backbone(NAME, cache_dir=cache).level_channels == {"coarse": 8, "fine": 6}
    assert fetched(hub) == sorted(FILES), "what is in the cache is not asked for again"


def test_a_listed_weight_is_fetched_with_every_listed_file(hub: HubServer, cache: Path, listed_on_hub: str) -> None:
    assert verify(listed_on_hub, cache_dir=cache).ok
    assert fetched(hub) == sorted([*FILES, "README.md"])


def test_offline_works_from_the_cache_and_says_so_without(
    hub: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "not in the cache and HF_HUB_OFFLINE is set" in problem(NAME, cache)
    assert hub.requests == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    load_backbone(NAME, cache_dir=cache)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    load_backbone(NAME, cache_dir=cache)
    assert fetched(hub) == sorted(FILES)


def test_wrong_bytes_are_never_loaded(hub: HubServer, cache: Path) -> None:
    hub.fail("model.safetensors", wrong_bytes=True)
    assert "model.safetensors, fetched again, is not the recorded file" in problem(NAME, cache)
    assert len(hub.gets("model.safetensors")) == 2


def test_wrong_bytes_of_a_listed_weight_are_never_loaded(hub: HubServer, cache: Path, listed_on_hub: str) -> None:
    hub.fail("config.json", wrong_bytes=True)
    assert "config.json, fetched again, is not the recorded file" in problem(listed_on_hub, cache)


def test_a_damaged_cache_heals(hub: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = (open_weight(NAME, cache_dir=cache).path / "model.safetensors").resolve()
    data = file.read_bytes()
    file.write_bytes(data[:100])
    load_backbone(NAME, cache_dir=cache)
    assert file.read_bytes() == data
    file.write_bytes(data[:100])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "model.safetensors has 100 bytes" in problem(NAME, cache)


def test_a_cut_download_is_tried_again(hub: HubServer, cache: Path) -> None:
    hub.fail("model.safetensors", method="GET", times=1, cut_after=700)
    assert verify(NAME, cache_dir=cache).ok
    assert len(hub.gets("model.safetensors")) == 2


def test_a_cut_download_goes_on_where_it_stopped(hub: HubServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 256)  # a tiny weight is less than a chunk
    hub.fail("model.safetensors", method="GET", times=2, cut_after=700)
    assert verify(NAME, cache_dir=cache).ok
    ranges = [headers.get("Range") for headers in hub.gets("model.safetensors")]
    assert ranges == [None, "bytes=512-", "bytes=1024-"]


def test_a_wrong_etag_cannot_change_what_is_loaded(hub: HubServer, cache: Path) -> None:
    hub.fail("model.safetensors", wrong_etag=True)
    assert verify(NAME, cache_dir=cache).ok, "the bytes are held against the recorded hash, not the answer's"
    hub.faults.clear()
    hub.fail("golden.safetensors", wrong_etag=True, wrong_bytes=True)
    assert "golden.safetensors, fetched again, is not the recorded file" in problem(NAME, cache / "other")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_connection_that_is_always_cut_is_told(hub: HubServer, cache: Path, file: str) -> None:
    hub.fail(file, method="HEAD", cut_after=-1)
    message = problem(NAME, cache)
    assert message.startswith(f"{NAME}: {file} cannot be fetched: no connection, or it was cut")


@pytest.mark.parametrize(
    ("status", "headers", "mend"),
    [
        (401, {}, "log in with 'hf auth login' or set HF_TOKEN"),
        (403, {"X-Error-Code": "GatedRepo"}, "ask for access on its page"),
        (403, {}, "or you may not see it (HTTP 403)"),
        (404, {"X-Error-Code": "RepoNotFound"}, "check the spelling"),
        (404, {"X-Error-Code": "EntryNotFound"}, "not a complete weight folder"),
        (404, {"X-Error-Code": "RevisionNotFound"}, f"has no commit {REVISION}"),
        (429, {"Retry-After": "0"}, "too many requests (HTTP 429)"),
        (418, {}, "the Hub answered HTTP 418"),
    ],
)
def test_each_refusal_has_its_mend(
    hub: HubServer, cache: Path, status: int, headers: dict[str, str], mend: str
) -> None:
    hub.fail("config.json", status=status, headers=headers)
    assert mend in problem(NAME, cache)


def test_a_short_trouble_is_waited_out(hub: HubServer, cache: Path) -> None:
    hub.fail("model.safetensors", times=2, status=500)
    assert verify(NAME, cache_dir=cache).ok


def test_what_is_not_there_is_told(hub: HubServer, cache: Path) -> None:
    assert "has no someone/other" in problem(f"hf-hub:someone/other@{REVISION}", cache)
    assert "has no commit ffff" in problem(f"hf-hub:{REPO}@{'f' * 40}", cache)
    del hub.repositories[REPO, REVISION]["golden.safetensors"]
    assert "golden.safetensors cannot be fetched: this commit has no such file" in problem(NAME, cache)


def test_a_floating_revision_is_refused_with_a_mend_that_works(hub: HubServer, cache: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_backbone(f"hf-hub:{REPO}@main", cache_dir=cache)
    assert hub.requests == []
    mend = str(caught.value).split("40 hex digits: ")[1].split(" prints it")[0]
    script = f"import huggingface_hub; print({mend})"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.strip() == REVISION


def test_a_token_opens_a_private_repository_and_appears_nowhere(
    hub: HubServer, cache: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    hub.add(REPO, REVISION, files, token="hf_right_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_secret")
    # An address may hold a secret too.
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint.replace("http://", "http://user:addresssecret@"))
    try:
        load_backbone(NAME, cache_dir=cache)
    except WeightError as error:
        told = "".join(traceback.format_exception(error)) + caplog.text
    assert "you may not see it (HTTP 401)" in told
    assert "secret" not in told
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("HF_TOKEN", "hf_right_secret")
    assert verify(NAME, cache_dir=cache).ok


def test_a_config_of_the_hub_cannot_name_a_file_outside(hub: HubServer, cache: Path) -> None:
    files = hub.repositories[REPO, REVISION]
    files["config.json"] = files["config.json"].replace(b'"record.json"', b'"../record.json"')
    assert "files" in problem(NAME, cache)


def test_a_cache_that_cannot_be_written_is_told(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "the cache cannot be written" in problem(NAME, tmp_path / "file" / "cache")


def test_an_endpoint_that_is_no_hub_is_told(hub: HubServer, cache: Path) -> None:
    hub.fail("config.json", status=200)
    assert "HF_ENDPOINT does not answer as a Hub does" in problem(NAME, cache)
