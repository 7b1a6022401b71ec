"""A whole Res16UNet against what MinkowskiEngine 0.5.4 computed with the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor, nn

from ppkt_zoo.backbones import SRUNet
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.sparse import SparseTensor

PLANES = (8, 12, 16, 20, 20, 16, 12, 12)


def canonical(kernel: Tensor) -> Tensor:
    """MinkowskiEngine's [K, C_in, C_out], x fastest, as (C_out, kx, ky, kz, C_in)."""
    edge = round(kernel.shape[0] ** (1 / 3))
    return kernel.view(edge, edge, edge, *kernel.shape[1:]).permute(4, 2, 1, 0, 3).contiguous()


def stages() -> dict[str, str]:
    """MinkowskiEngine's module names → ours, for one block a level."""
    names = {"conv0p1s1": "stem.conv", "bn0": "stem.norm"}
    for i in range(4):
        names |= {
            f"conv{i + 1}p{2**i}s2": f"down.{i}.down.conv",
            f"bn{i + 1}": f"down.{i}.down.norm",
            f"convtr{i + 4}p{16 >> i}s2": f"up.{i}.up.conv",
            f"bntr{i + 4}": f"up.{i}.up.norm",
        }
    for i in range(8):
        ours = f"down.{i}.blocks.0" if i < 4 else f"up.{i - 4}.blocks.0"
        block = f"block{i + 1}.0"
        names |= {
            f"{block}.conv1": f"{ours}.first.conv",
            f"{block}.norm1": f"{ours}.first.norm",
            f"{block}.conv2": f"{ours}.second.conv",
            f"{block}.norm2": f"{ours}.second.norm",
            f"{block}.downsample.0": f"{ours}.shortcut.0",
            f"{block}.downsample.1": f"{ours}.shortcut.1",
        }
    return names


def our_state(fixture: NpzFile) -> tuple[dict[str, Tensor], nn.Linear]:
    """The backbone's state dict and the final 1×1 layer, which is no part of a backbone."""
    names, state = stages(), {}
    weights = {key.removeprefix("weights/"): fixture[key] for key in fixture.files if key.startswith("weights/")}
    final = nn.Linear(PLANES[7], 7)
    final.weight.data = torch.from_numpy(weights.pop("final.kernel").T.copy())
    final.bias.data = torch.from_numpy(weights.pop("final.bias")[0])
    for key, value in weights.items():
        module, _, leaf = key.rpartition(".")
        module = module.removesuffix(".bn")
        tensor = torch.from_numpy(np.asarray(value))
        if leaf == "kernel":
            leaf, tensor = "weight", canonical(tensor) if tensor.ndim == 3 else tensor.t().contiguous()
        state[f"{names[module]}.{leaf}"] = tensor
    return state, final


@pytest.mark.parametrize("mode", ["plain", "fused"])
def test_tiny_res16unet_equals_minkowski_engine(shared: Path, mode: str) -> None:
    fixture = np.load(shared / "fixtures" / "minkowski_res16unet_tiny.npz")
    spec = InputSpec(voxel_size=0.02)
    network = SRUNet(input_spec=spec, planes=PLANES, blocks=(1,) * 8, stem_channels=8, stem_kernel=3)
    state, final = our_state(fixture)
    network.load_state_dict(state, strict=True)
    network.eval()
    with torch.set_grad_enabled(mode == "plain"):
        x = SparseTensor.create(torch.from_numpy(fixture["in_coords"]), torch.from_numpy(fixture["in_feats"]))
        out = network.forward_voxels(x)["stride1"]
        feats = final(out.feats).detach().numpy()
    order = np.lexsort(fixture["out_coords"].T[::-1])
    assert np.array_equal(out.coords.numpy(), fixture["out_coords"][order])
    np.testing.assert_allclose(feats, fixture["out_feats"][order], rtol=0, atol=2e-5)
