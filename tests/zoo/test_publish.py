"""`ppkt-zoo publish` with the real client against a Hub on loopback: pushed, fetched back, proven, listed."""

import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ppkt_zoo.cli.main import app
from ppkt_zoo.cli.run.publish import publish_weight
from ppkt_zoo.cli.weights import Publishing
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.zoo.load import load_backbone, verify
from ppkt_zoo.zoo.manifest import HubSource, load_manifest
from tests.support.hub_server import HubServer

TOKEN, REPO = "hf_writers_secret", "writer/tiny"


@pytest.fixture
def writer(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HubServer:
    """A Hub on which HF_TOKEN may write to writer/…"""
    hub.writers[TOKEN] = "writer"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return hub


def run(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["publish", *(str(word) for word in words)])
    assert done.exit_code == code, done.output
    assert "secret" not in done.output
    return done


def test_a_weight_is_pushed_proven_and_listed(writer: HubServer, folder: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    told = run(folder, "--repo", REPO, "--manifest", manifest).output
    (spec,) = load_manifest(manifest).weights
    assert isinstance(spec.source, HubSource)
    files = writer.repositories[REPO, spec.source.revision]
    assert spec.source.revision in told
    assert {file.name for file in folder.iterdir()} < set(files)
    assert files["model.safetensors"] == (folder / "model.safetensors").read_bytes()
    assert files["features.png"].startswith(b"\x89PNG")
    card = files["README.md"].decode()
    assert f'load_backbone("hf-hub:{REPO}@<40-hex commit>")' in card
    assert "](features.png)" in card
    assert list(writer.tags) == [(REPO, f"{spec.name}-{spec.record.created.isoformat()}")]
    # What the manifest says can be loaded, by anyone.
    assert verify(f"hf-hub:{REPO}@{spec.source.revision}", cache_dir=tmp_path / "cache").ok

    assert "tags are never moved" in run(folder, "--repo", REPO, code=2).output
    run(folder, "--repo", REPO, "--tag", "second", "--manifest", manifest, "--no-picture")
    (again,) = load_manifest(manifest).weights
    assert again.source != spec.source
    assert [one for one, _ in writer.tags] == [REPO, REPO]


def test_a_dry_run_shows_all_and_asks_nobody(writer: HubServer, folder: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    told = run(folder, "--repo", REPO, "--manifest", manifest, "--dry-run").output
    for words in ("## Load", '"sha256"', "features.png", "nothing was uploaded", f'"repo": "{REPO}"'):
        assert words in told
    assert writer.requests == []
    assert not manifest.exists()


def test_a_private_repository_stays_private(
    writer: HubServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True, private=True))
    assert isinstance(done.entry.source, HubSource)
    name = f"hf-hub:{REPO}@{done.entry.source.revision}"
    assert load_backbone(name, cache_dir=tmp_path / "one").level_channels
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WeightError, match="HTTP 401"):
        load_backbone(name, cache_dir=tmp_path / "two")


@pytest.mark.parametrize("token", ["hf_wrong_secret", ""])
def test_who_may_not_write_is_told_without_the_token(
    writer: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HF_ENDPOINT", writer.endpoint.replace("http://", "http://user:addresssecret@"))
    with pytest.raises(WeightError, match="the repository cannot be made: you may not write there") as caught:
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True))
    assert "secret" not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_the_repository_of_another_is_refused(writer: HubServer, folder: Path) -> None:
    with pytest.raises(WeightError, match=r"HTTP 403.*check the owner's name"):
        publish_weight(Publishing(folder=folder, repo="other/tiny", no_picture=True))
    with pytest.raises(InputError, match="must be owner/name"):
        publish_weight(Publishing(folder=folder, repo="tiny", no_picture=True))


@pytest.mark.parametrize("tag", ["", "two words", "a..b", "v1.", ".v1", "a~1", "x" * 101, "v1.lock", "ä"])
def test_what_can_be_no_tag_is_refused_before_anything_is_sent(writer: HubServer, folder: Path, tag: str) -> None:
    with pytest.raises(InputError, match="--tag must be"):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True, tag=tag))
    assert writer.requests == []


def test_the_proof_comes_from_the_hub_alone(
    writer: HubServer, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PPKT_ZOO_MIRROR", str(tmp_path))
    with pytest.raises(InputError, match="PPKT_ZOO_MIRROR is set"):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True))
    assert writer.requests == []


def test_troubles_on_the_way_are_told(writer: HubServer, folder: Path) -> None:
    writer.fail("main", method="POST", times=1, status=418)
    with pytest.raises(WeightError, match="the files cannot be uploaded: the Hub answered HTTP 418"):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True))
    assert not writer.tags
    (folder / "record.json").write_text("{}")
    before = len(writer.requests)
    with pytest.raises(WeightError, match=r"record\.json"):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True))
    assert len(writer.requests) == before, "a damaged folder is not sent"


def test_bytes_that_come_back_changed_are_found(writer: HubServer, folder: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    writer.fail("model.safetensors", method="GET", wrong_bytes=True)
    with pytest.raises(WeightError, match="is not the recorded file"):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True, manifest=manifest))
    assert not manifest.exists(), "what cannot be fetched is not listed"
