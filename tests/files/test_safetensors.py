"""One writer of safetensors files: whole or not there, the same bytes each time."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from ppkt_zoo.errors import TrainingError
from ppkt_zoo.files.safetensors import HEADER, write_tensors


def test_tensors_and_header_come_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.safetensors"
    shared = torch.arange(6.0).reshape(2, 3)
    write_tensors(file, {"a": shared, "b": shared.T, "absent": None}, {"step": 3, "names": ["x"]})
    back = load_file(file)
    assert sorted(back) == ["a", "b"]
    assert torch.equal(back["b"], shared.T)
    with safe_open(file, "pt") as opened:
        assert json.loads(opened.metadata()[HEADER]) == {"step": 3, "names": ["x"]}
    assert [one.name for one in file.parent.iterdir()] == ["a.safetensors"]


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_tensors(tmp_path / "a.safetensors", {"a": torch.zeros(1)})
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o644


def test_what_stood_there_stays_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.safetensors"
    write_tensors(file, {"a": torch.zeros(1)})

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainingError, match=r"a\.safetensors: this file cannot be written \(No space"):
        write_tensors(file, {"a": torch.ones(1)})
    assert torch.equal(load_file(file)["a"], torch.zeros(1))
    assert [one.name for one in tmp_path.iterdir()] == ["a.safetensors"]
