"""torch.hub finds every registered backbone in the checkout."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ppkt_zoo.errors import UnknownNameError
from ppkt_zoo.zoo.registry import list_backbones
from tests.zoo.own_backbones import OWN, small
from tests.zoo.tiny_weight import make_cloud

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cached_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The checkout, where torch.hub would have put a clone of it from GitHub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "someone_ppkt-zoo_main").symlink_to(ROOT, target_is_directory=True)
    return "someone/ppkt-zoo:main"


def test_list_and_help(cached_repository: str) -> None:
    options = {"skip_validation": True, "trust_repo": True, "verbose": False}
    names = torch.hub.list(cached_repository, **options)
    assert set(names) == set(list_backbones())
    text = torch.hub.help(cached_repository, "sr_unet14", skip_validation=True, trust_repo=True)
    assert "Backbone sr_unet14" in text
    assert "weights: None for random parameters" in text


@pytest.mark.parametrize("name", OWN)
def test_every_name_is_loaded(name: str) -> None:
    backbone = torch.hub.load(str(ROOT), name, source="local", **small(name))
    assert backbone.architecture == name
    assert not backbone.training
    if name == "sr_unet14_small":
        cloud = make_cloud(100)
        assert backbone.encode(cloud.xyz, cloud.rgb).shape == (100, backbone.out_channels)


def test_an_unknown_tag_is_told() -> None:
    with pytest.raises(UnknownNameError, match=r"no weight is called 'sr_unet14\.nothing'"):
        torch.hub.load(str(ROOT), "sr_unet14", source="local", weights="nothing")


def test_hubconf_needs_no_torch_and_names_what_is_missing() -> None:
    script = (
        "import sys; sys.modules['pydantic'] = None\n"
        "import hubconf\n"
        "assert 'torch' not in sys.modules\n"
        "try: hubconf.sr_unet14()\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "sr_unet14 needs the package 'pydantic': pip install" in done.stdout
