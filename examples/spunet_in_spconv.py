"""A weight of the zoo in a sparse U-Net of your own: plain spconv, under the names of Pointcept's SpUNet.

ppkt-zoo convert spunet sr_unet14_slim.ppkt_voc --out spunet.safetensors
python examples/spunet_in_spconv.py spunet.safetensors

Unlike SpUNet, a step down keeps its width and the first block behind it widens. Needs spconv.
"""

import sys
from collections import OrderedDict

import spconv.pytorch as spconv
import torch
from safetensors.torch import load_file
from spconv.core import ConvAlgo
from torch import nn

# spconv's faster algorithms ask for a GPU.
ON = {"bias": False} | ({} if torch.cuda.is_available() else {"algo": ConvAlgo.Native})


class Block(spconv.SparseModule):
    """Two 3×3×3 convolutions around which the input is added, through a 1×1×1 one where the width changes."""

    def __init__(self, ins: int, outs: int, key: str) -> None:
        super().__init__()
        self.proj = None
        if ins != outs:
            one = spconv.SubMConv3d(ins, outs, 1, **ON)
            self.proj = spconv.SparseSequential(one, nn.BatchNorm1d(outs))
        self.conv1 = spconv.SubMConv3d(ins, outs, 3, padding=1, indice_key=key, **ON)
        self.bn1 = nn.BatchNorm1d(outs)
        self.conv2 = spconv.SubMConv3d(outs, outs, 3, padding=1, indice_key=key, **ON)
        self.bn2 = nn.BatchNorm1d(outs)

    def forward(self, x: spconv.SparseConvTensor) -> spconv.SparseConvTensor:
        """(M, ins) → (M, outs)."""
        out = self.conv1(x)
        out = self.conv2(out.replace_feature(self.bn1(out.features).relu()))
        around = x if self.proj is None else self.proj(x)
        return out.replace_feature((self.bn2(out.features) + around.features).relu())


class SpUNet(nn.Module):
    """Four levels down, four up; widths and blocks are read from the tensors."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__()

        def stage(name: str, key: str) -> spconv.SparseSequential:
            count = len({key.split(".")[2] for key in tensors if key.startswith(f"{name}.block")})
            shapes = [tensors[f"{name}.block{number}.conv1.weight"].shape for number in range(count)]
            blocks = {f"block{number}": Block(one[-1], one[0], key) for number, one in enumerate(shapes)}
            return spconv.SparseSequential(OrderedDict(blocks))

        def step(layer: type, name: str, *shape: int, **more: object) -> spconv.SparseSequential:
            outs, ins = tensors[f"{name}.0.weight"].shape[0], tensors[f"{name}.0.weight"].shape[-1]
            return spconv.SparseSequential(layer(ins, outs, *shape, **more, **ON), nn.BatchNorm1d(outs), nn.ReLU())

        edge = tensors["conv_input.0.weight"].shape[1]
        self.conv_input = step(spconv.SubMConv3d, "conv_input", edge, padding=edge // 2, indice_key="stem")
        self.down = nn.ModuleList(step(spconv.SparseConv3d, f"down.{s}", 2, 2, indice_key=f"to{s}") for s in range(4))
        self.enc = nn.ModuleList(stage(f"enc.{s}", f"level{s + 1}") for s in range(4))
        self.up = nn.ModuleList(step(spconv.SparseInverseConv3d, f"up.{s}", 2, indice_key=f"to{s}") for s in range(4))
        self.dec = nn.ModuleList(stage(f"dec.{s}", f"level{s}") for s in range(4))
        self.load_state_dict(tensors, strict=True)

    def forward(self, x: spconv.SparseConvTensor) -> torch.Tensor:
        """(M, channels) → (M, C), the finest level."""
        skips = [self.conv_input(x)]
        for down, enc in zip(self.down, self.enc, strict=True):
            skips.append(enc(down(skips[-1])))
        x = skips.pop()
        for s in reversed(range(4)):
            up, skip = self.up[s](x), skips.pop()
            x = self.dec[s](up.replace_feature(torch.cat([up.features, skip.features], dim=1)))
        return x.features


@torch.no_grad()
def main(file: str) -> torch.Tensor:
    """Features of some voxels, float32 (M, C)."""
    network = SpUNet(load_file(file)).eval()
    grid = torch.unique(torch.randint(0, 40, (3000, 3), generator=torch.Generator().manual_seed(0)), dim=0)
    coords = torch.cat([torch.zeros(len(grid), 1), grid], dim=1).int()  # cloud, x, y, z
    colors = torch.rand(len(grid), 3, generator=torch.Generator().manual_seed(1)) - 0.5
    features = network(spconv.SparseConvTensor(colors, coords, [64, 64, 64], 1))
    print(f"{len(grid)} voxels → {tuple(features.shape)}")
    return features


if __name__ == "__main__":
    main(sys.argv[1])
