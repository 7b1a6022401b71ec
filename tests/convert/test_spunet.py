"""Our weights under SpUNet's names, in a plain spconv network, give the same features."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from typer.testing import CliRunner

from ppkt_zoo import create_backbone, load_backbone
from ppkt_zoo.cli.main import app
from ppkt_zoo.convert.spunet import to_spunet
from ppkt_zoo.errors import WeightError
from ppkt_zoo.sparse import SparseTensor

WEIGHT = "sr_unet14_slim.ppkt_voc"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "spunet_in_spconv.py"


def example() -> ModuleType:
    pytest.importorskip("spconv.pytorch", reason="spconv is not installed: pip install spconv-cu120")
    spec = importlib.util.spec_from_file_location("spunet_in_spconv", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_plain_spconv_network_gives_our_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = example()
    file = tmp_path / "spunet.safetensors"
    done = CliRunner().invoke(app, ["convert", "spunet", WEIGHT, "--out", str(file)])
    assert done.exit_code == 0, done.output
    theirs = network.main(str(file))
    assert "voxels →" in capsys.readouterr().out

    grid = torch.unique(torch.randint(0, 40, (3000, 3), generator=torch.Generator().manual_seed(0)), dim=0)
    coords = torch.cat([torch.zeros(len(grid), 1), grid], dim=1).int()
    colors = torch.rand(len(grid), 3, generator=torch.Generator().manual_seed(1)) - 0.5
    with torch.no_grad():
        ours = load_backbone(WEIGHT).forward_voxels(SparseTensor.create(coords, colors))["stride1"]  # type: ignore[operator]
    torch.testing.assert_close(theirs, ours.feats, rtol=1e-4, atol=1e-4)


def test_names_and_layout_are_spunets() -> None:
    state = create_backbone("sr_unet34").state_dict()
    renamed = to_spunet(state)
    assert len(renamed) == len(state)
    assert renamed["conv_input.0.weight"].shape == (32, 5, 5, 5, 3)
    assert renamed["enc.3.block5.conv2.weight"].shape == (256, 3, 3, 3, 256)
    assert renamed["up.3.0.weight"].shape == (256, 2, 2, 2, 256), "stages of the decoder are numbered from the finest"
    assert renamed["dec.0.block1.bn2.running_var"].shape == (96,)
    matrix = renamed["enc.1.block0.proj.0.weight"]
    assert torch.equal(matrix.view(32, 64), state["down.1.blocks.0.shortcut.0.weight"].T)


def test_other_families_and_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match="only that family has SpUNet's names"):
        to_spunet({"abstraction.0.weight": torch.ones(1)})
    failed = CliRunner().invoke(app, ["convert", "spunet", WEIGHT, "--out", str(tmp_path / "a.pth")])
    assert failed.exit_code == 2
    assert "ends so, not 'a.pth'" in failed.output
