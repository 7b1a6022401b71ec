"""Checkpoints as MinkowskiEngine's projects save them become weight folders that give what was recorded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ppkt_zoo import InputSpec, create_backbone, load_backbone, load_projection, verify
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.convert.minkowski import DIALECTS, convert_res16unet, open_checkpoint
from ppkt_zoo.errors import WeightError
from ppkt_zoo.sparse import SparseTensor
from ppkt_zoo.zoo.folder import open_weight_folder
from tests.support.commands import run

PLAIN, HYBRID = "minkowski_res16unet_tiny.npz", "minkowski04_hybrid_res16unet_tiny.npz"
PLANES = (8, 12, 16, 20, 20, 16, 12, 12)


def recorded(shared: Path, name: str) -> tuple[dict[str, Tensor], dict[str, np.ndarray]]:
    """The tensors of a recorded network, and its recorded input and output."""
    with np.load(shared / "fixtures" / name) as file:
        tensors = {key[8:]: torch.from_numpy(np.asarray(file[key])) for key in file.files if key.startswith("weights/")}
        return tensors, {key: file[key] for key in file.files if not key.startswith("weights/")}


@torch.no_grad()
def largest_error(backbone: Backbone, final: dict[str, Tensor], seen: dict[str, np.ndarray]) -> float:
    voxels = SparseTensor.create(torch.from_numpy(seen["in_coords"]), torch.from_numpy(seen["in_feats"]))
    out = backbone.eval().forward_voxels(voxels)["stride1"]  # type: ignore[operator]
    order = np.lexsort(seen["out_coords"].T[::-1])
    assert np.array_equal(out.coords.numpy(), seen["out_coords"][order])
    found = F.linear(out.feats, final["weight"], final["bias"]).numpy()
    return float(np.abs(found - seen["out_feats"][order]).max())


def fake(tensors: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) + 0.1 for name, shape in tensors.items()}


def theirs(planes: tuple[int, ...] = PLANES, counts: tuple[int, ...] = (1,) * 8, edge: int = 3) -> dict[str, Tensor]:
    """A Res16UNet's tensors of these widths under MinkowskiEngine's names, with numbers of no meaning."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        shapes.update({f"{name}.bn.{leaf}": (width,) for leaf in ("weight", "bias", "running_mean", "running_var")})

    def stage(number: int, width: int) -> int:
        for place in range(counts[number - 1]):
            block, out = f"block{number}.{place}", planes[number - 1]
            shapes[f"{block}.conv1.kernel"], shapes[f"{block}.conv2.kernel"] = (27, width, out), (27, out, out)
            norm(f"{block}.norm1", out)
            norm(f"{block}.norm2", out)
            if width != out:
                shapes[f"{block}.downsample.0.kernel"] = (width, out)
                norm(f"{block}.downsample.1", out)
            width = out
        return width

    shapes["conv0p1s1.kernel"] = (edge**3, 3, 8)
    norm("bn0", 8)
    width, skips = 8, [8]
    for level in range(4):
        shapes[f"conv{level + 1}p{2**level}s2.kernel"] = (8, width, width)
        norm(f"bn{level + 1}", width)
        width = stage(level + 1, width)
        skips.append(width)
    skips.pop()
    for level in range(4):
        out = planes[level + 4]
        shapes[f"convtr{level + 4}p{16 >> level}s2.kernel"] = (8, width, out)
        norm(f"bntr{level + 4}", out)
        width = stage(level + 5, out + skips.pop())
    return fake(shapes)


@pytest.mark.parametrize(("name", "dialect"), [(PLAIN, "slidr"), (HYBRID, "pointcontrast"), (HYBRID, "csc")])
def test_recorded_networks_give_what_was_recorded(shared: Path, name: str, dialect: str) -> None:
    tensors, seen = recorded(shared, name)
    network = convert_res16unet(tensors, dialect)  # type: ignore[arg-type]
    shape = {"planes": network.planes, "blocks": network.blocks, "stem_channels": network.stem_channels}
    spec = InputSpec(voxel_size=0.02)
    backbone = create_backbone("sr_unet", input_spec=spec, stem_kernel=network.stem_kernel, **shape)
    backbone.load_state_dict(network.state, strict=True)
    assert largest_error(backbone, network.final, seen) < 1e-5
    assert (network.planes, network.in_channels, network.left_out) == (PLANES, 3, ())


def test_the_wrong_dialect_fits_every_shape_and_is_wrong(shared: Path) -> None:
    tensors, seen = recorded(shared, HYBRID)
    right, wrong = convert_res16unet(tensors, "csc"), convert_res16unet(tensors, "slidr")
    backbone = create_backbone("sr_unet", planes=PLANES, blocks=(1,) * 8, stem_channels=8, stem_kernel=3)
    backbone.load_state_dict(wrong.state, strict=True)
    assert largest_error(backbone, right.final, seen) > 0.1


def bare(tensors: dict[str, Tensor]) -> object:
    return tensors


def wrapped(tensors: dict[str, Tensor]) -> object:
    return {"epoch": 3, "state_dict": {f"module.{name}": one for name, one in tensors.items()}}


def among_others(tensors: dict[str, Tensor]) -> object:
    others = {"criterion.scale": torch.ones(1), "model_images.conv1.weight": torch.ones(2, 2)}
    points = {f"model_points.{name.replace('.bn.', '.')}": one for name, one in tensors.items()}
    return {"state_dict": points | others, "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}}}


def old_shapes(tensors: dict[str, Tensor]) -> object:
    """1×1 kernels with an axis before, half precision, no counters."""
    changed = {
        name: (one[None] if "downsample.0" in name else one).half()
        for name, one in tensors.items()
        if "num_batches" not in name
    }
    return {"model": changed}


@pytest.mark.parametrize("form", [bare, wrapped, among_others, old_shapes])
@pytest.mark.parametrize("zipped", [True, False])
def test_forms_of_checkpoints(form: Callable[[dict[str, Tensor]], object], zipped: bool, tmp_path: Path) -> None:
    tensors = theirs(counts=(2, 1, 1, 1, 1, 1, 1, 2), edge=5)
    file = tmp_path / "checkpoint.pth"
    torch.save(form(tensors), file, _use_new_zipfile_serialization=zipped)
    found = convert_res16unet(open_checkpoint(file), "slidr")
    assert found.blocks == (2, 1, 1, 1, 1, 1, 1, 2)
    assert found.stem_kernel == 5
    expected = tensors["block8.1.conv2.kernel"].reshape(3, 3, 3, 12, 12)
    tolerance = 1e-3 if form is old_shapes else 0
    ours = found.state["up.3.blocks.1.second.conv.weight"]
    torch.testing.assert_close(ours[4, 0, 1, 2, 7], expected[2, 1, 0, 7, 4], rtol=tolerance, atol=0)
    assert bool(found.left_out) == (form is among_others)
    backbone = create_backbone("sr_unet", planes=PLANES, blocks=found.blocks, stem_channels=8)
    backbone.load_state_dict(found.state, strict=True)


def drop(name: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.pop(name)


def put(name: str, *shape: int) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.update({name: torch.ones(shape)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (drop("conv0p1s1.kernel"), "has no conv0p1s1.kernel, so it holds no Res16UNet"),
        (drop("bntr6.bn.bias"), r"has no bntr6\.bn\.bias"),
        (drop("block3.0.conv2.kernel"), r"has no block3\.0\.conv2"),
        (put("block2.2.conv1.kernel", 27, 2, 2), r"block2 has the blocks \[0, 2\]"),
        (put("block1.0.conv3.kernel", 2, 2), "bottleneck block"),
        (put("other.conv0p1s1.kernel", 27, 3, 8), "holds 2 Res16UNets, under '', 'other.'"),
        (put("conv1p1s2.kernel", 27, 8, 8), r"conv1p1s2.kernel has the shape .* with K 8"),
        (put("conv0p1s1.kernel", 64, 3, 8), "with K an odd cube"),
        (put("block1.0.conv1.kernel", 26, 8, 8), r"block1\.0\.conv1.kernel has the shape"),
        (put("conv5p16s2.kernel", 8, 8, 8), "have no place in a Res16UNet"),
        (put("block1.0.se.weight", 8), "have no place in a Res16UNet"),
        (lambda tensors: tensors["bn0.bn.bias"].fill_(np.nan), r"bn0\.bn\.bias has NaN"),
    ],
)
def test_what_is_no_such_network_is_told(change: Callable[[dict[str, Tensor]], object], words: str) -> None:
    tensors = theirs()
    change(tensors)
    with pytest.raises(WeightError, match=words):
        convert_res16unet(tensors, "slidr")


def test_files_that_do_not_open_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightError, match="does not exist"):
        open_checkpoint(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(WeightError, match="neither a torch checkpoint nor a safetensors"):
        open_checkpoint(tmp_path / "text.pth")
    torch.save({"a": 1}, tmp_path / "empty.pth")
    with pytest.raises(WeightError, match="without tensors"):
        open_checkpoint(tmp_path / "empty.pth")
    torch.save({"state_dict": theirs(), "config": Path("x")}, tmp_path / "config.pth")
    with pytest.raises(WeightError, match=r"holds a pathlib.* could run code .* weights_only=False"):
        open_checkpoint(tmp_path / "config.pth")
    whole = tmp_path / "whole.pth"
    torch.save(theirs(), whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(WeightError, match="cut or damaged"):
        open_checkpoint(whole)
    with pytest.raises(WeightError, match="no dialect 'minkowski'"):
        convert_res16unet(theirs(), "minkowski")  # type: ignore[arg-type]
    assert DIALECTS == ("pointcontrast", "csc", "slidr")


def test_the_command_writes_a_weight_that_verifies(shared: Path, tmp_path: Path) -> None:
    tensors, seen = recorded(shared, HYBRID)
    file, out = tmp_path / "checkpoint.pth", tmp_path / "weight"
    torch.save({"state_dict": {f"module.{name}": one for name, one in tensors.items()}, "epoch": 1}, file)
    command = ["convert", "minkowski", file, "--voxel", 0.025, "--origin", "a test", "--licence", "MIT", "--out", out]
    known = [*command, "--dialect", "pointcontrast"]
    assert "--dialect" in run(*command, "--arch", "sr_unet", code=2).output
    assert "the file holds no sr_unet34: its widths are (8, 12" in run(*known, "--arch", "sr_unet34", code=2).output
    wrong = run(*known, "--arch", "sr_unet", "--channels", "ones", code=2).output
    assert "the stem takes 3 channels, ones are 1" in wrong
    assert "voxel_size: input should be greater than 0" in run(*known, "--arch", "sr_unet", "--voxel", 0, code=2).output
    for given in ("0,x", "0,1,2", "1,0", "nan,1"):
        assert "color" in run(*known, "--arch", "sr_unet", "--color-range", given, code=2).output
    about = tmp_path / "about.yaml"
    about.write_text("description: A tiny network.\n")
    told = run(*known, "--arch", "sr_unet", "--about", about).output
    assert "under 'state_dict.module.'" in told
    assert "a final layer of 7 channels" in told

    name = f"local-dir:{out}"
    assert verify(name).ok
    folder = open_weight_folder(out)
    record = folder.record()
    assert (folder.config.name, folder.config.dtype) == ("sr_unet.pointcontrast", "float32")
    assert record.description == "A tiny network."
    assert record.conversion is not None
    assert record.conversion.dialect == "pointcontrast"
    assert "not known" in (out / "README.md").read_text()
    final = {key.removeprefix("final."): one for key, one in load_projection(name).items()}
    assert largest_error(load_backbone(name), final, seen) < 1e-5
    assert "exists already" in run(*known, "--arch", "sr_unet", code=2).output
    run(*known, "--arch", "sr_unet", "--overwrite", "--color-range", "-1,1")
    assert open_weight_folder(out).config.input_spec.color_range == (-1.0, 1.0)


def test_safetensors_open_too(tmp_path: Path) -> None:
    tensors = {name: one.contiguous() for name, one in theirs().items()}
    save_file(tensors, tmp_path / "a.safetensors")
    assert set(open_checkpoint(tmp_path / "a.safetensors")) == set(tensors)
    assert load_file(tmp_path / "a.safetensors").keys() == tensors.keys()
