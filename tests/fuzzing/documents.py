"""Manifests, configs, records, recipes and tensors: what a weight or a recipe from a stranger is made of."""

import struct
import zlib
from itertools import pairwise
from pathlib import Path

from ppkt_zoo.convert.minkowski import open_checkpoint
from ppkt_zoo.errors import ManifestError, WeightError
from ppkt_zoo.files.validation import parse_json
from ppkt_zoo.pretraining.recipe import load_recipe
from ppkt_zoo.zoo.config import WeightConfig
from ppkt_zoo.zoo.manifest import Manifest
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.tensors import decode_tensors, encode_tensors
from tests.fuzzing.target import Target, as_file, scratch

ROOT = Path(__file__).resolve().parents[2]
WEIGHT = ROOT / "ppkt_zoo" / "weights" / "pointnet2.ppkt_voc"
JSON_WORDS = (b"null", b"-1", b"1e999", b'"../x"', b"[]", b"{}", b"true", b'"\\u0000"', b"NaN", b'"\xff"', b"1" * 400)
"""What means something to every reader of JSON."""


def _manifest(data: bytes) -> object:
    return parse_json(Manifest, data, "manifest", ManifestError)


def _config(data: bytes) -> object:
    config = parse_json(WeightConfig, data, "config.json", WeightError)
    config.check_preprocessing("config.json")
    return config


def _record(data: bytes) -> object:
    return parse_json(WeightRecord, data, "record.json", WeightError)


def _json_seeds() -> list[bytes]:
    text = (ROOT / "weights_manifest.json").read_text(encoding="utf-8")
    whole = Manifest.model_validate_json(text)
    return [Manifest(weights=whole.weights[:1]).model_dump_json().encode(), b'{"format": 1, "weights": []}']


def _recipe_seeds() -> list[bytes]:
    names = ("sr_unet14_slim_ppkt_voc", "pointnet2_ppkt_voc", "scannet_point_contrast")
    return [(ROOT / "recipes" / "pretraining" / f"{name}.yaml").read_bytes() for name in names]


def _tensor_seeds() -> list[bytes]:
    import torch

    small = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2), "steps": torch.tensor(3)}
    return [encode_tensors(small, {"name": "a.b", "levels": {"fine": 3}}), encode_tensors({}, None)]


def _checkpoint_seeds() -> list[bytes]:
    import torch

    found = []
    for zipped in (True, False):
        file = scratch("seed.pth")
        torch.save({"state_dict": {"a.weight": torch.ones(2, 2)}}, file, _use_new_zipfile_serialization=zipped)
        found.append(file.read_bytes())
    return found


def json_bombs() -> list[bytes]:
    """Texts that no reader of JSON may follow to their end."""
    return [b"[" * 1_000_000, b'{"a":' * 100_000, b"9" * 1_000_000, b'{"a": ' + b"1" + b"0" * 400 + b"}", b"1e400"]


def _yaml_bombs() -> list[bytes]:
    names = "abcdefghijklmnop"
    rows = [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in pairwise(names)]
    return ["\n".join(["a: &a [x]", *rows]).encode(), b"[" * 100_000, b"seed: " + b"9" * 100_000]


def _tensor_bombs() -> list[bytes]:
    import json

    found = []
    for shape, end in (([2**40], 2**42), ([2**32, 2**32], 8), ([-1], 8), ([10**30], 8), ([0, 2**62], 0)):
        head = json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}).encode()
        found.append(len(head).to_bytes(8, "little") + head + bytes(8))
    return [*found, (2**60).to_bytes(8, "little") + b"{}", (10**6).to_bytes(8, "little") + b"[" * 10**6]


def zip_bomb(name: str, beginning: bytes = b"") -> bytes:
    """A zip archive of some megabytes whose one member unpacks to six gigabytes of zeros behind ``beginning``."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = packer.compress(beginning) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush each megabyte packs to the same bytes, so one serves for all.
    megabyte = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = first + megabyte * 6000 + packer.flush()
    size, file = len(beginning) + 6000 * 2**20, name.encode()
    large = struct.pack("<HHQQ", 1, 16, size, len(body))
    sizes = (0, 0xFFFFFFFF, 0xFFFFFFFF, len(file), len(large))
    local = struct.pack("<4s5HIIIHH", b"PK\3\4", 45, 0, 8, 0, 33, *sizes) + file + large + body
    entry = struct.pack("<4s6HIIIHH3HII", b"PK\1\2", 45, 45, 0, 8, 0, 33, *sizes, 0, 0, 0, 0, 0) + file + large
    return local + entry + struct.pack("<4s4HIIH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)


TARGETS: dict[str, Target] = {
    "manifest": Target(_json_seeds, _manifest, JSON_WORDS, json_bombs),
    "config": Target(lambda: [(WEIGHT / "config.json").read_bytes()], _config, JSON_WORDS, json_bombs),
    "record": Target(lambda: [(WEIGHT / "record.json").read_bytes()], _record, JSON_WORDS, json_bombs),
    "recipe": Target(
        _recipe_seeds,
        as_file("recipe.yaml", load_recipe),
        (
            b": ",
            b"- ",
            b"&a ",
            b"*a",
            b"!!python/object:os.system ",
            b"{}",
            b"[",
            b"2020-99-99",
            b"0x",
            b"<<: *a",
            b"\t",
        ),
        _yaml_bombs,
    ),
    "safetensors": Target(
        _tensor_seeds,
        lambda data: decode_tensors(data, "model.safetensors"),
        (b"__metadata__", b"data_offsets", b'"F64"', b"[0,99999999]", b"\xff" * 8, b"[-1]", b"{" * 2000, b"PK\x03\x04"),
        _tensor_bombs,
    ),
    "checkpoint": Target(
        _checkpoint_seeds,
        as_file("checkpoint.pth", open_checkpoint),
        (b"cposix\nsystem\n", b"\x80\x02", b"PK\x03\x04", b"R.", b"data.pkl"),
        lambda: [zip_bomb("archive/data.pkl")],
    ),
}
"""Readers by name."""
