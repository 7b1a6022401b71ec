"""Read-outs of a weight folder: written, verified, found out when changed, and absent from old folders."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import ppkt_zoo
from ppkt_zoo.backbones.readout import Readout
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.readout_spec import Purpose, ReadOut
from ppkt_zoo.zoo.add_readout import add_readout, change_recommended
from ppkt_zoo.zoo.folder import open_weight_folder, update_record
from ppkt_zoo.zoo.load import load_backbone, verify
from ppkt_zoo.zoo.tensors import read_bytes
from tests.zoo.tiny_weight import edit_config, make_cloud, make_folder, make_record, rewrite_tensors

OLD = Path(__file__).parents[1] / "fixtures" / "weight_of_0_1_0"
WIDE, ALL = ReadOut(levels="concat", extras=("color", "height")), ReadOut(levels="concat")
RECOMMENDED: dict[Purpose, ReadOut] = {"many_classes": WIDE, "few_labels": WIDE, "similarity": ALL}


@pytest.fixture
def with_readout(folder: Path) -> Path:
    add_readout(folder, [make_cloud(), make_cloud(300)], "a floor and a wall", RECOMMENDED)
    return folder


def test_a_folder_gets_read_outs_and_all_else_stays(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    golden = open_weight_folder(folder).golden()
    opened = add_readout(folder, [make_cloud()], "a floor and a wall", RECOMMENDED)
    changed = {file.name for file in folder.iterdir() if before.get(file.name) != file.read_bytes()}
    assert changed == {"config.json", "README.md", "golden.safetensors", "readout.safetensors"}
    for level, feature in golden.features.items():
        assert torch.equal(opened.golden().features[level], feature)
    # Two purposes have one read-out, which is stored once.
    assert {name: tuple(one.shape) for name, one in opened.golden().readouts.items()} == {
        "many_classes": (64, 18),
        "similarity": (64, 14),
    }


def test_verify_compares_what_the_read_outs_give(with_readout: Path) -> None:
    report = verify(with_readout)
    assert set(report.errors) == {"coarse", "fine", "read-out many_classes", "read-out similarity"}
    assert report.errors["read-out many_classes"] < 1e-5
    backbone, cloud = load_backbone(f"local-dir:{with_readout}"), make_cloud()
    found = backbone.encode(cloud.xyz, cloud.rgb, readout="few_labels")
    assert torch.equal(found, backbone.encode(cloud.xyz, cloud.rgb, levels="concat", extras=("color", "height")))
    assert found.shape == (400, 18)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors["mean.coarse"].__setitem__(3, tensors["mean.coarse"][3] + 0.1),
        lambda tensors: tensors["spread.fine"].mul_(1.01),
    ],
)
def test_a_changed_statistic_is_found_out(change: Any, with_readout: Path) -> None:
    rewrite_tensors(with_readout, "readout.safetensors", change)
    with pytest.raises(WeightError, match=r"NOT VERIFIED.* read-out many_classes"):
        verify(with_readout)


def test_a_changed_recommendation_is_found_out(with_readout: Path) -> None:
    config = json.loads((with_readout / "config.json").read_text())
    config["readout"]["recommended"]["similarity"]["views"] = 2
    edit_config(with_readout, readout=config["readout"])
    with pytest.raises(WeightError, match="recommends for similarity what its network does not know"):
        verify(with_readout)
    config["readout"]["recommended"]["similarity"] |= {"views": 1, "extras": ["height"]}
    edit_config(with_readout, readout=config["readout"])
    # As publishing verifies it: without the card, which is of no use either.
    with pytest.raises(WeightError, match="NOT VERIFIED"):
        verify(open_weight_folder(with_readout))


def _drop(name: str) -> Any:
    return lambda tensors: tensors.pop(name)


def _put(name: str, value: Tensor) -> Any:
    return lambda tensors: tensors.__setitem__(name, value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_drop("mean.fine"), "must hold mean.coarse, mean.fine"),
        (_put("mean.other", torch.zeros(3)), "it holds mean.coarse, mean.fine, mean.other"),
        (_put("spread.fine", torch.ones(5)), r"spread.fine must be float32 \(6,\)"),
        (_put("spread.fine", torch.ones(6, dtype=torch.float64)), "spread.fine must be float32"),
        (_put("spread.fine", torch.zeros(6)), "spread.fine must be positive"),
        (_put("mean.fine", torch.full((6,), torch.nan)), "mean.fine holds NaN"),
    ],
)
def test_damaged_statistics_are_refused(change: Any, told: str, with_readout: Path) -> None:
    rewrite_tensors(with_readout, "readout.safetensors", change)
    with pytest.raises(WeightError, match=told):
        load_backbone(f"local-dir:{with_readout}")


def test_damaged_bytes_are_refused(with_readout: Path) -> None:
    file = with_readout / "readout.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    with pytest.raises(WeightError, match=r"readout.safetensors is not the recorded file"):
        load_backbone(f"local-dir:{with_readout}")


@pytest.mark.parametrize("tensor", ["readout.many_classes", "readout.similarity"])
def test_a_damaged_reference_output_is_refused(tensor: str, with_readout: Path) -> None:
    rewrite_tensors(with_readout, "golden.safetensors", _put(tensor, torch.zeros(3, 18)))
    with pytest.raises(WeightError, match=f"{tensor} must be float32 with 64 rows"):
        verify(with_readout)
    rewrite_tensors(with_readout, "golden.safetensors", _drop(tensor))
    with pytest.raises(WeightError, match="must hold"):
        verify(with_readout)


def test_config_and_files_belong_together(with_readout: Path) -> None:
    config = json.loads((with_readout / "config.json").read_text())
    without = {name: entry for name, entry in config["files"].items() if name != "readout.safetensors"}
    edit_config(with_readout, files=without)
    with pytest.raises(WeightError, match=r"only one of readout and the file readout.safetensors"):
        open_weight_folder(with_readout)
    edit_config(with_readout, files=config["files"], readout=None)
    with pytest.raises(WeightError, match=r"only one of readout and the file readout.safetensors"):
        open_weight_folder(with_readout)


def test_read_outs_of_a_newer_version_are_refused(with_readout: Path) -> None:
    config = json.loads((with_readout / "config.json").read_text())
    edit_config(with_readout, readout=config["readout"] | {"version": 2})
    with pytest.raises(WeightError, match="read-outs of version 2, this ppkt-zoo has version 1: install a newer"):
        open_weight_folder(with_readout)


def test_an_old_folder_opens_as_before_and_has_no_read_outs(folder: Path) -> None:
    old = open_weight_folder(OLD)
    assert old.config.readout is None
    assert old.readout() is None
    assert "readout" not in (OLD / "config.json").read_text()
    # What is written without a read-out can be read by 0.1, which knows no such field.
    again = update_record(folder, make_record(description="Changed.", parameters=118, created="2026-11-29"))
    assert "readout" not in (again.path / "config.json").read_text()
    assert "read-out" not in (again.path / "README.md").read_text()
    backbone, cloud = load_backbone(f"local-dir:{folder}"), make_cloud()
    with pytest.raises(InputError, match="comes without"):
        backbone.encode(cloud.xyz, cloud.rgb, levels="concat")
    with pytest.raises(InputError, match="records no read-out for 'similarity'"):
        backbone.encode(cloud.xyz, cloud.rgb, readout="similarity")
    with pytest.raises(WeightError, match="no statistics for read-outs"):
        change_recommended(folder, RECOMMENDED)


def test_a_changed_record_keeps_the_read_outs(with_readout: Path) -> None:
    before = read_bytes(with_readout / "readout.safetensors")
    record = open_weight_folder(with_readout).record().model_dump(mode="json") | {"description": "Changed."}
    opened = update_record(with_readout, record)
    assert opened.config.readout is not None
    assert read_bytes(with_readout / "readout.safetensors") == before
    assert verify(with_readout).ok


def test_the_card_says_which_read_out(with_readout: Path) -> None:
    card = (with_readout / "README.md").read_text(encoding="utf-8")
    assert "## Which read-out" in card
    assert 'encode(xyz, rgb, readout="few_labels")' in card
    assert "all levels, nearest, color and height" in card
    assert "computed on a floor and a wall" in card


def test_recommended_read_outs_can_be_changed(with_readout: Path) -> None:
    before = read_bytes(with_readout / "readout.safetensors")
    opened = change_recommended(with_readout, {"similarity": ReadOut(extras=("height",))})
    assert read_bytes(with_readout / "readout.safetensors") == before
    assert list(opened.golden().readouts) == ["similarity"]
    assert verify(with_readout).ok
    with pytest.raises(InputError, match="records no read-out for 'few_labels'"):
        load_backbone(f"local-dir:{with_readout}").encode(make_cloud().xyz, readout="few_labels")


def test_a_read_out_that_the_network_knows_not_is_refused(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(InputError, match="TinyNet has no voxels to interpolate between"):
        add_readout(folder, [make_cloud()], "a floor", {"similarity": ReadOut(sampling="trilinear")})
    assert before == {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_backbone_is_written_with_its_read_outs(tmp_path: Path) -> None:
    torch.manual_seed(3)
    backbone = ppkt_zoo.create_backbone("tiny_net", input_spec=ppkt_zoo.InputSpec(voxel_size=0.05), width=8)
    readout = Readout.of(backbone, [make_cloud()], "a floor and a wall", RECOMMENDED)
    made = make_folder(tmp_path / "tiny", readout=readout)
    assert verify(made.path).ok
    found = made.readout()
    assert found is not None
    assert torch.equal(found.statistics["fine"][1], readout.statistics["fine"][1])


def test_random_parameters_have_no_statistics(with_readout: Path) -> None:
    assert load_backbone(f"local-dir:{with_readout}", weights=None).readout is None
