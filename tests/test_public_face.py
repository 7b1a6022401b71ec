"""The public face: its names, guarded, and what importing it costs."""

import subprocess
import sys
from pathlib import Path

import pytest

import ppkt_zoo

ROOT = Path(__file__).resolve().parents[1]

PUBLIC = [
    "Backbone",
    "CloudBatch",
    "InputSpec",
    "PPKTZooError",
    "PointCloud",
    "__version__",
    "create_backbone",
    "default_weight",
    "detect",
    "encode_files",
    "list_backbones",
    "list_weights",
    "load_backbone",
    "load_cloud",
    "load_detector",
    "load_projection",
    "load_segmentation",
    "register_backbone",
    "save_detector",
    "save_segmentation",
    "verify",
    "view",
]


def test_public_names_are_these() -> None:
    assert ppkt_zoo.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(ppkt_zoo))


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(ppkt_zoo, name)
    assert value.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_backbones'"):
        _ = ppkt_zoo.load_backbones  # type: ignore[attr-defined]


def test_version_is_that_of_the_project() -> None:
    assert f'version = "{ppkt_zoo.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_importing_is_light() -> None:
    # What is imported is counted, not timed: that is the same on a busy machine.
    script = (
        "import sys, ppkt_zoo\n"
        "ppkt_zoo.list_backbones('sr_*')\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'huggingface_hub', 'safetensors'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "print(sum(name.startswith('ppkt_zoo') for name in sys.modules))\n"
    )
    told = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout) <= 12
