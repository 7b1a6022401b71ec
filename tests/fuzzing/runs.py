"""What a run reads back or is given: logs, checkpoints, teachers."""

from functools import cache

import torch
from safetensors.torch import save

from ppkt_zoo.engine.checkpoint import resume, save_checkpoint
from ppkt_zoo.engine.metrics_log import MetricsLog
from ppkt_zoo.teachers.checkpoints import read_teacher_file
from ppkt_zoo.teachers.tflite import read_layers
from tests.fuzzing.documents import ROOT
from tests.fuzzing.target import Target, as_file, scratch

_WORDS = (b"null", b"\0" * 50, b"[]", b'{"a": 1}\n', b'{"step": "x"}\n', b"NaN", b"1e999", b"\n", b"{" * 2000)
_TENSOR_WORDS = (b"__metadata__", b"data_offsets", b'"F64"', b"[0,99999999]", b"\xff" * 8, b"optimizer.", b"sha256")


@cache
def _parts() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return model, optimizer


def _checkpoints() -> list[bytes]:
    file = save_checkpoint(scratch("seeds/x").parent, 3, "print", *_parts(), notes={"frames": [1, 2]})
    return [file.read_bytes()]


def _resume(data: bytes) -> object:
    folder = scratch("checkpoints/step-00000003.safetensors")
    folder.write_bytes(data)
    return resume(folder.parent, "print", *_parts())


def _layers() -> list[bytes]:
    model = ROOT.parent / "shared" / "teachers" / "mobilenet_v2_1.0_224_quant.tflite"
    # Without its weights, which lie in the middle of the file, it is refused; the beginning and the end are mutated.
    return [model.read_bytes()] if model.is_file() else [b"\x20\0\0\0TFL3" + bytes(64)]


TARGETS: dict[str, Target] = {
    "metrics log": Target(
        lambda: [b'{"step": 1, "loss": 2.5}\n{"step": 2, "loss": 2.25}\n'],
        as_file("metrics.jsonl", lambda path: MetricsLog(path, 2)),
        _WORDS,
        lambda: [b"[" * 1_000_000 + b"\n", b"9" * 1_000_000 + b"\n"],
    ),
    "training checkpoint": Target(_checkpoints, _resume, _TENSOR_WORDS),
    "teacher": Target(
        lambda: [save({"features.0.weight": torch.ones(2, 2), "b": torch.zeros(3, dtype=torch.float16)})],
        as_file("teacher.safetensors", lambda path: read_teacher_file(path, None)),
        (*_TENSOR_WORDS, b"PK\x03\x04", b"\x80\x02"),
    ),
    "tflite": Target(_layers, as_file("teacher.tflite", read_layers), (b"TFL3", b"\xff" * 4, b"\0" * 4)),
}
"""Readers by name."""
