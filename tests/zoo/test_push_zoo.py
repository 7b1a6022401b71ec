"""`tools/push_zoo.py` with the real client against a Hub on loopback: rehearsed, pushed, interrupted, pushed on."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import ppkt_zoo.zoo.hub
from ppkt_zoo.zoo.folder import weight_spec
from ppkt_zoo.zoo.load import verify
from ppkt_zoo.zoo.manifest import BundledSource, HubSource, Manifest, load_manifest
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import install_manifest, make_folder

TOKEN, ORGANISATION = "hf_writers_secret", "zoo"
NAMES = ["tiny_net.one", "tiny_net.two"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    file = Path(__file__).resolve().parents[2] / "tools" / "push_zoo.py"
    spec = importlib.util.spec_from_file_location("push_zoo", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def writer(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """An empty Hub on which HF_TOKEN may write to zoo/…, and a zoo of two weights."""
    hub.repositories.clear()
    hub.writers[TOKEN] = ORGANISATION
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    bundled = tmp_path / "bundled"
    bundled.mkdir()
    folders = [make_folder(bundled / name, name=name) for name in NAMES]
    monkeypatch.setattr(ppkt_zoo.zoo.hub, "BUNDLED", bundled)
    specs = tuple(weight_spec(folder, BundledSource(folder=folder.path.name)) for folder in folders)
    install_manifest(Manifest(weights=specs), tmp_path, monkeypatch)
    return hub


def commits(hub: HubServer) -> list[str]:
    return [path for method, path, _ in hub.requests if method == "POST" and "/commit/" in path]


def test_a_dry_run_verifies_everything_and_asks_nobody(
    tool: ModuleType, writer: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main([ORGANISATION, "--no-picture"]) == 0
    told = capsys.readouterr()
    assert writer.requests == []
    assert [line.partition(", tag zoo-")[0] for line in told.out.splitlines()] == [
        f"{name} -> {ORGANISATION}/{name}" for name in NAMES
    ]
    assert told.err.count(" verified on cpu") == len(NAMES)
    assert "nothing was sent" in told.err


def test_an_interrupted_push_goes_on_and_each_weight_is_one_commit(
    tool: ModuleType, writer: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "manifest.json"
    push = [ORGANISATION, "--push", "--manifest", str(manifest), "--no-picture"]
    writer.fail("main", method="POST", times=1, status=418)  # the first weight's files
    assert tool.main(push) == 2
    told = capsys.readouterr()
    assert f"error: {NAMES[0]}: {ORGANISATION}/{NAMES[0]}: the files cannot be uploaded" in told.err
    assert "secret" not in told.out + told.err
    assert told.err.count("error: ") == 1, told.err
    assert load_manifest(manifest).names() == NAMES[1:]

    assert tool.main(push) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("  pushed")
    assert second.endswith("  there already")
    assert len(commits(writer)) == len(NAMES), "one for each"
    for line, spec in zip((first, second), load_manifest(manifest).weights, strict=True):
        assert isinstance(spec.source, HubSource)
        name = f"hf-hub:{spec.source.repo}@{spec.source.revision}"
        assert line.startswith(f"{name}  ")
        files = writer.repositories[spec.source.repo, spec.source.revision]
        assert f'load_backbone("hf-hub:{spec.source.repo}@' in files["README.md"].decode()
    assert verify(name, cache_dir=tmp_path / "cache").ok


def test_what_comes_back_changed_is_not_listed(tool: ModuleType, writer: HubServer, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    writer.fail("model.safetensors", method="GET", wrong_bytes=True)
    assert tool.main([ORGANISATION, "--push", "--manifest", str(manifest), NAMES[0]]) == 2
    assert not manifest.exists()
    (files,) = [files for (repo, _), files in writer.repositories.items() if files]
    assert files["features.png"].startswith(b"\x89PNG"), "the card shows a picture"


def test_a_wrong_organisation_or_name_is_told(
    tool: ModuleType, writer: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["no organisation", NAMES[0], "--no-picture"]) == 2
    assert tool.main(["other", "--push", NAMES[0], "--no-picture"]) == 2
    assert tool.main([ORGANISATION, "tiny_net.tow"]) == 2
    told = capsys.readouterr().err
    for words in ("must be owner/name", "HTTP 403", "did you mean"):
        assert words in told
    assert commits(writer) == []
