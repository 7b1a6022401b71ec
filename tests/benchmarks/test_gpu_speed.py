"""The script that compares engines on a GPU: what it says without one, and its table and advice on made-up figures."""

from typing import Any

import pytest
import torch

from benchmarks.speed import gpu


def rows(**seconds: tuple[float, float]) -> list[dict[str, Any]]:
    return [
        {"precision": "fp16", "work": work, "engine": engine, "seconds": value}
        for engine, values in seconds.items()
        for work, value in zip(("network forward", "training step"), values, strict=False)
    ]


def test_without_a_gpu_it_stops_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu"])
    with pytest.raises(SystemExit) as stopped:
        gpu.main()
    assert stopped.value.code == "benchmarks.speed.gpu needs a CUDA GPU, and PyTorch finds none here"


def test_engines_stand_side_by_side_in_milliseconds() -> None:
    forward, training = gpu.side_by_side(rows(spconv=(0.02, 0.05), torch=(0.01,)))
    assert forward == {
        "precision": "fp16",
        "work": "network forward",
        "spconv ms": 20.0,
        "torch ms": 10.0,
        "fastest": "torch",
    }
    assert training["torch ms"] == "–"
    assert training["fastest"] == "spconv"


def test_auto_should_pick_the_engine_that_is_best_at_forward_and_training_together() -> None:
    # The fastest forward pass does not win where its training step is slow, nor what cannot train at all.
    found = rows(spconv=(0.010, 0.090), spconv_triton=(0.012, 0.050), torch=(0.001,))
    assert gpu.best(found) == {"fp16": "spconv_triton"}
    with pytest.raises(ValueError, match="no engine did a forward pass and a training step in fp16"):
        gpu.best(rows(torch=(0.001,)))


def test_tf32_is_switched_for_pytorch_and_put_back() -> None:
    before = torch.backends.cuda.matmul.allow_tf32
    with gpu.working_in("TF32"):
        assert torch.backends.cuda.matmul.allow_tf32
        assert not torch.is_autocast_enabled("cuda")
    assert torch.backends.cuda.matmul.allow_tf32 == before
