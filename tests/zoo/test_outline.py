"""What a config asks for is bounded, and held against its file, before anything is allocated."""

import json
import os
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch

from ppkt_zoo.errors import PPKTZooError, WeightError
from ppkt_zoo.zoo.config import NetworkConfig
from ppkt_zoo.zoo.folder import open_weight_folder, write_weight_folder
from ppkt_zoo.zoo.network import outline_of
from ppkt_zoo.zoo.registry import create_backbone
from ppkt_zoo.zoo.tensors import encode_tensors, file_entry, read_claims
from tests.zoo.tiny_weight import edit_config, make_cloud, make_record, use_all


def config_of(arguments: dict[str, Any], **more: Any) -> NetworkConfig:
    spec = {"voxel_size": 0.05}
    levels = {"stride16": 80, "stride8": 80, "stride4": 56, "stride2": 56, "stride1": 48}
    fields = {"name": "sr_unet.x", "architecture": "sr_unet", "input_spec": spec, "levels": levels, "dtype": "float16"}
    return NetworkConfig.model_validate({**fields, "arguments": arguments, **more})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"planes": [10**9] * 8}, "beyond 65536"),
        ({"blocks": [-(10**300)]}, "beyond 65536"),
        ({"planes": [1] * 65}, "too long"),
        ({"x": [[1] * 60] * 60}, "more than 1000 values"),
        ({"x": [[[[[1]]]]]}, "nested deeper"),
        ({"x": "a" * 1001}, "at most 1000 letters"),
        ({"x\x1b": 1}, "printable"),
        ({"x": float("inf")}, "arguments"),
    ],
)
def test_arguments_are_bounded(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        config_of(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"planes": [65535] * 8, "blocks": [65535] * 8},
        {"blocks": [65535] * 8},
        {"planes": [65535] * 8},
        {"stem_kernel": 65535},
        {"stem_kernel": 0},
        {"stem_channels": -5},
        {"planes": "abcdefgh"},
        {"planes": {"a": 1}},
        {"blocks": [1.5] * 8},
        {"planes": [[1]] * 8},
        {"planes": None},
        {"unknown": 1},
        {"checkpointing": {"a": []}, "planes": []},
    ],
)
def test_what_the_arguments_would_build_takes_no_memory_and_no_time(arguments: dict[str, Any]) -> None:
    config = config_of(arguments)
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises(WeightError):
            outline_of(config, 200, "here")
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "arguments",
    [
        {"neighbours": [65_536, 32, 16, 16]},
        {"neighbours": [1.5] * 4},
        {"centers": [True] * 4},
        {"radii": ["0.1"] * 4},
        {"radii": [[0.1]] * 4},
        {"centers": 5},
    ],
)
def test_arguments_that_would_eat_the_memory_when_encoding_are_refused(arguments: dict[str, Any]) -> None:
    levels = {"sa4": 256, "fp1": 256, "fp2": 256, "points": 256}
    with pytest.raises(WeightError, match="cannot be built from its arguments"):
        outline_of(config_of(arguments, name="pointnet2.x", architecture="pointnet2", levels=levels), 96, "here")


@pytest.mark.parametrize(
    "arguments", [{"centers": [65536] * 4}, {"radii": "abcd"}, {"neighbours": [0] * 4}, {"centers": [1, 2, 3, 4]}]
)
def test_arguments_of_pointnet2_are_refused_or_fit_in_no_time(arguments: dict[str, Any]) -> None:
    levels = {"sa4": 256, "fp1": 256, "fp2": 256, "points": 256}
    config = config_of(arguments, name="pointnet2.x", architecture="pointnet2", levels=levels)
    try:
        outline = outline_of(config, 96, "here")
    except PPKTZooError:
        return
    assert outline is not None
    assert all(one.is_meta for one in outline.parameters())


def test_a_large_network_of_a_small_file_is_refused_before_it_is_made(folder: Path) -> None:
    """The header of the tensors repeats the arguments, so it is changed with them; the hashes fit."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"arguments": {"width": 60_000}, "levels": {"coarse": 60_000, "fine": 6}}
    header = {key: config[key] for key in ("format", "name", "architecture", "arguments", "input_spec")}
    data = encode_tensors({"first.weight": torch.zeros(2, 2)}, header)
    (folder / "model.safetensors").write_bytes(data)
    config["files"]["model.safetensors"] = file_entry(data).model_dump()
    edit_config(folder, **config)
    for use in ("backbone", "random_backbone"):
        with pytest.raises(WeightError, match=r"model\.safetensors lacks first\.bias"):
            getattr(open_weight_folder(folder), use)()


def claim(header: bytes, body: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + body


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 7,
        (2**63).to_bytes(8, "little") + b"{}",
        claim(b"[" * 100_000),
        claim(b'{"a": 1}'),
        claim(b'{"a": {"dtype": "F32", "shape": [1e400], "data_offsets": [0, 0]}}'),
        claim(b'{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}'),
        claim(b'{"a": {"dtype": "F32", "shape": [true], "data_offsets": [0, 4]}}', bytes(4)),
        claim(b'{"a": {"dtype": "F32", "shape": [%s], "data_offsets": [0, 0]}}' % (b"9" * 5000)),
        claim(b'{"__metadata__": {"ppkt_zoo": "' + b"[" * 50_000 + b'"}}'),
        claim(b'{"__metadata__": []}'),
        claim(b" " * (9 * 2**20) + b"{}"),
    ],
)
def test_a_header_that_no_honest_file_has_is_refused(data: bytes) -> None:
    with pytest.raises(WeightError, match=r"^here"):
        read_claims(data, "here")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "record.json", "golden.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "endless", "sparse", "folder"])
def test_what_is_no_file_or_too_large_is_refused_at_once(folder: Path, file: str, kind: str) -> None:
    path = folder / file
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with open(path, "wb") as made:
            made.truncate(50 << 30)
    with pytest.raises(WeightError, match=file):
        use_all(folder)


def test_arguments_that_no_weight_may_have_are_refused_when_it_is_written(tmp_path: Path) -> None:
    backbone = create_backbone("tiny_net")
    vars(backbone)["arguments"] = {"width": 10**7}
    with pytest.raises(PPKTZooError, match="beyond 65536"):
        write_weight_folder(tmp_path / "w", backbone, "tiny_net.test", make_record(), make_cloud())
