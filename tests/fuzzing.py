"""Mutated inputs for everything that reads bytes of strangers; nothing but our own errors may come out.

`test_fuzz.py` runs some thousands in CI, `tools/fuzz.py` as many as it is asked for.
"""

import random
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from ppkt_zoo.convert.checkpoint import open_checkpoint
from ppkt_zoo.errors import ManifestError, PPKTZooError, WeightError
from ppkt_zoo.points.pcd import parse_pcd
from ppkt_zoo.points.ply import parse_ply, parse_vertices, ply_bytes
from ppkt_zoo.train.recipe import load_recipe
from ppkt_zoo.zoo.config import WeightConfig
from ppkt_zoo.zoo.manifest import Manifest
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.tensors import decode_tensors, encode_tensors
from ppkt_zoo.zoo.validation import parse_json

ROOT = Path(__file__).resolve().parents[1]
WEIGHT = ROOT / "ppkt_zoo" / "weights" / "pointnet2.ppkt_voc"
_LARGEST_SEED = 20_000


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        seeds: good inputs to begin with.
        read: gets bytes; may raise PPKTZooError and nothing else.
        words: bytes that mean something to it.
    """

    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[bytes], object]
    words: tuple[bytes, ...] = ()


def _manifest(data: bytes) -> object:
    return parse_json(Manifest, data, "manifest", ManifestError)


def _config(data: bytes) -> object:
    config = parse_json(WeightConfig, data, "config.json", WeightError)
    config.check_preprocessing("config.json")
    return config


def _record(data: bytes) -> object:
    return parse_json(WeightRecord, data, "record.json", WeightError)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """In memory where there is such a place; removed when the program ends."""
    place = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="ppkt-zoo-fuzz-", dir=place if place.is_dir() else None)


def _scratch() -> Path:
    return Path(_folder().name)


def _recipe(data: bytes) -> object:
    file = _scratch() / "recipe.yaml"
    file.write_bytes(data)
    return load_recipe(file)


def _checkpoint(data: bytes) -> object:
    file = _scratch() / "checkpoint.pth"
    file.write_bytes(data)
    return open_checkpoint(file)


def _json_seeds() -> list[bytes]:
    text = (ROOT / "weights_manifest.json").read_text(encoding="utf-8")
    whole = Manifest.model_validate_json(text)
    return [Manifest(weights=whole.weights[:1]).model_dump_json().encode(), b'{"format": 1, "weights": []}']


def _recipe_seeds() -> list[bytes]:
    names = ("sr_unet14_slim_ppkt_voc", "pointnet2_ppkt_voc", "scannet_point_contrast")
    return [(ROOT / "recipes" / f"{name}.yaml").read_bytes() for name in names]


def _tensor_seeds() -> list[bytes]:
    import torch

    small = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.zeros(2), "steps": torch.tensor(3)}
    return [encode_tensors(small, {"name": "a.b", "levels": {"fine": 3}}), encode_tensors({}, None)]


def _checkpoint_seeds() -> list[bytes]:
    import torch

    found = []
    for zipped in (True, False):
        file = _scratch() / "seed.pth"
        torch.save({"state_dict": {"a.weight": torch.ones(2, 2)}}, file, _use_new_zipfile_serialization=zipped)
        found.append(file.read_bytes())
    return found


def _ply_seeds() -> list[bytes]:
    rng = np.random.default_rng(0)
    columns = {name: rng.normal(size=5).astype(np.float32) for name in "xyz"}
    colors = {name: rng.integers(0, 256, 5).astype(np.uint8) for name in ("red", "green", "blue")}
    text = b"ply\nformat ascii 1.0\nelement vertex 2\nproperty float x\nproperty float y\nproperty double z\n"
    faces = b"element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 2 3\n3 0 1 1\n"
    return [ply_bytes(columns | colors), ply_bytes(columns), text + faces]


def _pcd_seeds() -> list[bytes]:
    head = b"VERSION .7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 3\nHEIGHT 1\n"
    head += b"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 3\n"
    values = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    rows, columns = values.tobytes(), values.T.tobytes()
    # LZF that copies: a byte less than 32 tells how many bytes, less one, follow as they are.
    lzf = b"".join(bytes([len(part) - 1]) + part for part in (columns[:32], columns[32:]))
    packed = len(lzf).to_bytes(4, "little") + len(columns).to_bytes(4, "little") + lzf
    text = b"0 1 2 255\n3 4 nan 0\n1 1 1 65280\n"
    return [head + b"DATA ascii\n" + text, head + b"DATA binary\n" + rows, head + b"DATA binary_compressed\n" + packed]


_JSON_WORDS = (b"null", b"-1", b"1e999", b'"../x"', b"[]", b"{}", b"true", b'"\\u0000"', b"NaN", b'"\xff"', b"1" * 400)
TARGETS: dict[str, Target] = {
    "manifest": Target(_json_seeds, _manifest, _JSON_WORDS),
    "config": Target(lambda: [(WEIGHT / "config.json").read_bytes()], _config, _JSON_WORDS),
    "record": Target(lambda: [(WEIGHT / "record.json").read_bytes()], _record, _JSON_WORDS),
    "recipe": Target(
        _recipe_seeds,
        _recipe,
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
    ),
    "safetensors": Target(
        _tensor_seeds,
        lambda data: decode_tensors(data, "model.safetensors"),
        (b"__metadata__", b"data_offsets", b'"F64"', b"[0,99999999]", b"\xff" * 8, b"[-1]", b"{" * 2000, b"PK\x03\x04"),
    ),
    "checkpoint": Target(
        _checkpoint_seeds, _checkpoint, (b"cposix\nsystem\n", b"\x80\x02", b"PK\x03\x04", b"R.", b"data.pkl")
    ),
    "ply": Target(
        _ply_seeds,
        lambda data: (parse_ply(data, "a.ply"), parse_vertices(data, "a.ply")),
        (b"element vertex ", b"999999999999", b"property list uchar int x\n", b"-1", b"end_header\n", b"nan", b"int8"),
    ),
    "pcd": Target(
        _pcd_seeds,
        lambda data: parse_pcd(data, "a.pcd"),
        (b"POINTS 999999999999\n", b"SIZE 8 8 8 8\n", b"COUNT 0 -1 1 1\n", b"FIELDS x x y z\n", b"DATA ", b"TYPE I"),
    ),
}
"""Readers by name."""


def mutated(target: Target, seeds: Sequence[bytes], choice: random.Random) -> bytes:
    """A good input with some bytes changed, left out, doubled, swapped, or replaced by words of the format."""
    data = bytearray(choice.choice(seeds)[:_LARGEST_SEED])
    for _ in range(choice.choice((1, 1, 2, 3, 8))):
        at, length = choice.randrange(len(data) + 1), choice.choice((1, 1, 2, 4, 16, 200))
        kind = choice.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << choice.randrange(8)
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        elif kind == 3:
            data[at:at] = choice.choice(target.words or (b"\0",))
        elif kind == 4:
            other = choice.choice(seeds)
            start = choice.randrange(len(other) + 1)
            data[at : at + length] = other[start : start + length]
        elif kind == 5:
            data[at : at + length] = choice.randbytes(length)
        else:
            word = choice.choice(target.words or (b"\0",))
            data[at : at + len(word)] = word
    return bytes(data)


def check(name: str, data: bytes) -> bool:
    """Let a target read; whether it took the input. Anything but our own errors goes through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            TARGETS[name].read(data)
        except PPKTZooError:
            return False
    return True
