"""A damaged or tampered weight folder: no damage goes unnoticed, and each message names the file."""

import contextlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ppkt_zoo.errors import PPKTZooError, WeightError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo import registry
from ppkt_zoo.zoo.folder import open_weight_folder
from ppkt_zoo.zoo.golden import Golden
from ppkt_zoo.zoo.tensors import decode_tensors, file_entry
from tests.zoo.tiny_weight import TENSOR_FILES, edit_config, make_folder, rewrite_tensors, tiny_net, use_all


@pytest.mark.parametrize("name", [*TENSOR_FILES, "record.json"])
def test_one_changed_byte_is_found(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(WeightError, match=rf"{name} is not the recorded file: sha256 .* get it again"):
        use_all(folder)


@pytest.mark.parametrize("name", [*TENSOR_FILES, "record.json"])
def test_a_file_cut_short_is_found(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightError, match=rf"{name} has {len(data) // 2} bytes, {len(data)} were recorded"):
        use_all(folder)


@pytest.mark.parametrize("name", TENSOR_FILES)
@pytest.mark.parametrize("data", [b"", b"\x08\0\0\0\0\0\0\0{}", b"\xff" * 64, b"\x80\x04N.", b"PK\x03\x04rest"])
def test_what_is_not_safetensors_is_refused(folder: Path, name: str, data: bytes) -> None:
    (folder / name).write_bytes(data)
    config = json.loads((folder / "config.json").read_text())
    edit_config(folder, files={**config["files"], name: file_entry(data).model_dump()})
    with pytest.raises(WeightError, match=name):
        use_all(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "golden.safetensors", "record.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightError, match=rf"{name}.* is missing"):
        use_all(folder)


def test_every_byte_of_the_config_counts(folder: Path) -> None:
    """No single changed byte of config.json passes, white space aside."""
    file = folder / "config.json"
    data = file.read_bytes()
    meaning = json.loads(data)
    for place in range(0, len(data), 5):
        for mask in (1, 4):
            wrong = data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]
            file.write_bytes(wrong)
            try:
                use_all(folder)
            except PPKTZooError:
                continue
            assert json.loads(wrong) == meaning


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "sr_unet14"}, "name 'tiny_net.test' must be"),
        ({"arguments": {"width": 9}}, "disagree on arguments"),
        ({"name": "tiny_net.other"}, "disagree on name"),
        ({"dtype": "float32"}, "asks for torch.float32"),
        ({"levels": {"fine": 6, "coarse": 8}}, "promises levels"),
        ({"levels": {"coarse": 8}}, "promises levels"),
        ({"format": 2}, "format"),
        ({"tags": []}, "unknown field tags"),
        ({"files": {}}, "lists no model.safetensors"),
        ({"files": {"../model.safetensors": {"size": 1, "sha256": "a" * 64}}}, "files"),
    ],
)
def test_a_changed_config_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    edit_config(folder, **changes)
    with pytest.raises(WeightError, match=message):
        use_all(folder)


def test_config_and_header_must_agree_on_the_input(folder: Path) -> None:
    spec = json.loads((folder / "config.json").read_text())["input_spec"]
    edit_config(folder, input_spec={**spec, "color_range": [0.0, 1.0]})
    with pytest.raises(WeightError, match=r"model\.safetensors and config\.json disagree on input_spec"):
        open_weight_folder(folder).backbone()
    edit_config(folder, input_spec={**spec, "preprocessing": 2})
    with pytest.raises(WeightError, match=r"preprocessing version 2.*install a newer"):
        open_weight_folder(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("first.bias"), r"lacks first\.bias"),
        (lambda tensors: tensors.update(extra=torch.zeros(2)), "has unknown extra"),
        (lambda tensors: tensors.update({"first.bias": torch.zeros(9)}), r"first\.bias has shape \(9,\)"),
        (lambda tensors: tensors.update({"first.weight": torch.zeros(8, 4)}), "asks for torch.float16"),
        (lambda tensors: tensors["norm.running_var"].fill_(float("nan")), r"norm\.running_var holds NaN"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(folder: Path, change: Any, message: str) -> None:
    rewrite_tensors(folder, "model.safetensors", change)
    with pytest.raises(WeightError, match=message):
        open_weight_folder(folder).backbone()


@pytest.mark.parametrize("header", [None, {}, [], "x", {"format": 1}])
def test_tensors_without_our_header_are_refused(folder: Path, header: Any) -> None:
    rewrite_tensors(folder, "model.safetensors", lambda tensors: None, header)
    with pytest.raises(WeightError, match=r"header|disagree"):
        open_weight_folder(folder).backbone()


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("rows"),
        lambda tensors: tensors.update(rows=tensors["rows"] + 1000),
        lambda tensors: tensors.update(rows=tensors["rows"][:0]),
        lambda tensors: tensors.update(rgb=tensors["rgb"].float()),
        lambda tensors: tensors.update(xyz=tensors["xyz"][:, :2]),
        lambda tensors: tensors.pop("features.fine"),
        lambda tensors: tensors.update({"features.more": tensors["features.fine"]}),
        lambda tensors: tensors.update({"features.fine": tensors["features.fine"][:, :2]}),
        lambda tensors: tensors["features.fine"].fill_(float("nan")),
        lambda tensors: tensors["xyz"].fill_(float("nan")),
    ],
)
def test_a_golden_file_that_does_not_fit_is_refused(folder: Path, change: Any) -> None:
    rewrite_tensors(folder, "golden.safetensors", change)
    with pytest.raises(WeightError, match=r"golden\.safetensors"):
        open_weight_folder(folder).golden()


def test_a_builder_that_changed_is_noticed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*, input_spec: InputSpec, size: int = 8) -> Any:
        return tiny_net(input_spec=input_spec, width=size)

    monkeypatch.setitem(registry._BUILDERS, "tiny_net", other)
    with pytest.raises(WeightError, match="cannot be built from its arguments"):
        open_weight_folder(folder).backbone()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_but_our_error_comes_out_of_tensors(folder: Path, data: st.DataObject) -> None:
    good = (folder / "golden.safetensors").read_bytes()
    begin = data.draw(st.integers(0, min(len(good), 1200)))
    end = data.draw(st.integers(begin, begin + 8))
    wrong = good[:begin] + data.draw(st.binary(max_size=8)) + good[end:]
    with contextlib.suppress(WeightError):
        tensors, _ = decode_tensors(wrong, "golden.safetensors")
        Golden.from_tensors(tensors, {"coarse": 8, "fine": 6}, "golden.safetensors")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "model.pth").write_bytes(pickle.dumps({"weight": 1}))
    with pytest.raises(WeightError, match=r"config\.json is missing; model\.pth is a pickle"):
        open_weight_folder(old)
    with pytest.raises(WeightError, match="not a folder"):
        open_weight_folder(tmp_path / "nowhere")


def test_a_weight_without_projections_says_so(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "w", projection=None)
    with pytest.raises(WeightError, match=r"tiny_net\.test has no projection\.safetensors"):
        folder.projection()
