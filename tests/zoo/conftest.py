"""Fixtures of the zoo: a registered tiny backbone, a good weight folder, a manifest, a Hub on loopback."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import ppkt_zoo.zoo.hub
from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.manifest import BundledSource, Manifest, WeightSpec
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import REPO, REVISION, install_manifest, make_folder, tiny_net


@pytest.fixture(scope="session", autouse=True)
def _registered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry._BUILDERS, "tiny_net", tiny_net)
        yield


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """For clouds this small, threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def _pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("weights") / "tiny_net.test").path


@pytest.fixture
def folder(_pristine: Path, tmp_path: Path) -> Path:
    """A fresh copy of a good weight folder, to be damaged."""
    return Path(shutil.copytree(_pristine, tmp_path / "tiny_net.test"))


@pytest.fixture
def listed(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightSpec:
    """The weight ``tiny_net.test``, bundled and listed in the manifest of this installation."""
    monkeypatch.setattr(ppkt_zoo.zoo.hub, "BUNDLED", folder.parent)
    spec = weight_spec(open_weight_folder(folder), BundledSource(folder=folder.name))
    install_manifest(Manifest(weights=(spec,)), tmp_path, monkeypatch)
    return spec


@pytest.fixture
def hub(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A Hub on loopback that holds the tiny weight, and an empty cache."""
    with HubServer().running() as server:
        server.add(REPO, REVISION, {file.name: file.read_bytes() for file in folder.iterdir()})
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        for key in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
            monkeypatch.delenv(key, raising=False)
        yield server
