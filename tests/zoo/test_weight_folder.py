"""Weight folder: what is written is read back, and no damage goes unnoticed."""

import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ppkt_zoo.errors import ManifestError, PPKTZooError, WeightError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.folder import open_weight_folder, update_record, write_weight_folder
from ppkt_zoo.zoo.load import verify
from ppkt_zoo.zoo.registry import create_backbone
from tests.zoo.own_backbones import OWN, small
from tests.zoo.tiny_weight import make_cloud, make_folder, make_record, tiny_net


def test_files_are_there_and_nothing_else(folder: Path) -> None:
    expected = {"README.md", "config.json", "golden.safetensors", "model.safetensors"}
    assert {file.name for file in folder.iterdir()} == expected | {"projection.safetensors", "record.json"}
    assert [file.name for file in folder.parent.iterdir()] == ["tiny_net.test"]


def test_the_network_comes_back(folder: Path) -> None:
    torch.manual_seed(3)
    original = create_backbone("tiny_net", input_spec=InputSpec(voxel_size=0.05), width=8).eval()
    state = torch.get_rng_state()
    loaded = open_weight_folder(folder).backbone()
    assert torch.equal(state, torch.get_rng_state()), "loading must not disturb the caller's random numbers"
    assert not loaded.training
    assert all(tensor.dtype != torch.float16 for tensor in loaded.state_dict().values())
    cloud = make_cloud()
    torch.testing.assert_close(
        loaded.encode(cloud.xyz, cloud.rgb), original.encode(cloud.xyz, cloud.rgb), atol=3e-3, rtol=3e-3
    )


@pytest.mark.parametrize("dtype", ["float16", torch.float32])
def test_dtype_rule(tmp_path: Path, dtype: Any) -> None:
    folder = make_folder(tmp_path / "w", dtype=dtype)
    stored = load_file(folder.path / "model.safetensors")
    matrix = torch.float16 if dtype == "float16" else torch.float32
    assert stored["first.weight"].dtype == matrix
    assert stored["first.bias"].dtype == stored["norm.running_var"].dtype == torch.float32
    assert folder.projection()["upl.weight"].dtype == torch.float32
    assert max(verify(folder).errors.values()) < 1e-6, "golden output is that of the stored tensors"


def test_the_same_weight_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = make_folder(tmp_path / "one"), make_folder(tmp_path / "two")
    assert one.config == two.config


@pytest.mark.parametrize("name", OWN)
def test_every_backbone_goes_into_a_folder_and_comes_back(tmp_path: Path, name: str) -> None:
    spec = InputSpec(voxel_size=0.05)
    backbone = create_backbone(name, input_spec=spec, **small(name))
    cloud = make_cloud(300)
    record = make_record(description=f"random {name}")
    folder = write_weight_folder(tmp_path / name, backbone, f"{name}.random", record, cloud)
    report = verify(open_weight_folder(folder.path))
    assert list(report.errors) == list(backbone.level_channels)
    assert max(report.errors.values()) < 1e-4
    assert folder.record().parameters == sum(parameter.numel() for parameter in backbone.parameters())


def test_record_is_completed(folder: Path, tmp_path: Path) -> None:
    record = open_weight_folder(folder).record()
    assert record.parameters == 4 * 8 + 8 + 2 * 8 + 8 * 6 + 6
    assert isinstance(record.created, datetime.date)
    fields = make_record()
    del fields["recipe"]
    made = make_folder(
        tmp_path / "w", record=fields, extra_files={"recipe.yaml": "steps: 10\n", "view.png": b"\x89PNG"}
    )
    assert made.record().recipe is not None
    assert made.read("recipe.yaml") == b"steps: 10\n"
    assert (made.path / "view.png").read_bytes() == b"\x89PNG"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": make_record(parameters=3)}, "parameters says 3"),
        ({"record": make_record(licence="x")}, "unknown field licence: did you mean 'licences'"),
        ({"extra_files": {"recipe.yaml": "x"}}, r"recipe\.sha256"),
        ({"extra_files": {"../x": "x"}}, "plain file name"),
        ({"extra_files": {"model.safetensors": "x"}}, "plain file name"),
        ({"dtype": torch.bfloat16}, "dtype"),
        ({"name": "other_net.test"}, "must be the architecture"),
        ({"name": "tiny_net"}, "architecture.tag"),
    ],
)
def test_a_wrong_argument_is_named_and_nothing_written(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    backbone = create_backbone("tiny_net")
    arguments = {"name": "tiny_net.test", "record": make_record(), "golden_cloud": make_cloud(), **options}
    with pytest.raises(ManifestError, match=message):
        write_weight_folder(tmp_path / "w", backbone, **arguments)
    assert list(tmp_path.iterdir()) == []


def spoil(backbone: Any, value: float) -> Any:
    backbone.first.weight.data[0, 0] = value
    return backbone


@pytest.mark.parametrize(("value", "message"), [(float("nan"), "NaN"), (float("inf"), "NaN or inf"), (1e6, "float32")])
def test_a_spoilt_network_is_not_written(tmp_path: Path, value: float, message: str) -> None:
    with pytest.raises(WeightError, match=message):
        write_weight_folder(
            tmp_path / "w", spoil(create_backbone("tiny_net"), value), "tiny_net.test", make_record(), make_cloud()
        )
    assert list(tmp_path.iterdir()) == []


def test_a_collapsed_network_is_not_written(tmp_path: Path) -> None:
    backbone = create_backbone("tiny_net")
    for parameter in backbone.parameters():
        parameter.data.zero_()
    with pytest.raises(WeightError, match="same feature for every point"):
        write_weight_folder(tmp_path / "w", backbone, "tiny_net.test", make_record(), make_cloud())


def test_one_golden_point_is_enough(tmp_path: Path) -> None:
    cloud = PointCloud.from_arrays(torch.zeros(1, 3), torch.zeros(1, 3, dtype=torch.uint8))
    assert verify(make_folder(tmp_path / "w", golden_cloud=cloud)).points == 1


def test_an_old_folder_is_not_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightError, match="overwrite=True"):
        make_folder(folder)
    make_folder(folder, overwrite=True, record=make_record(description="another"))
    assert open_weight_folder(folder).record().description == "another"
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("years of work")
    with pytest.raises(WeightError, match="not a weight folder"):
        make_folder(tmp_path / "thesis", overwrite=True)
    with pytest.raises(WeightError, match="cannot be written"):
        make_folder(tmp_path / "not" / "there")
    with pytest.raises(PPKTZooError, match="create_backbone"):
        write_weight_folder(
            tmp_path / "w", tiny_net(input_spec=InputSpec(voxel_size=1)), "tiny_net.x", make_record(), make_cloud()
        )


def test_metrics_are_added_later(folder: Path) -> None:
    (folder / "picture.png").write_bytes(b"png")
    before = open_weight_folder(folder)
    record = before.record().model_copy(update={"metrics": ()})
    after = update_record(folder, record)
    assert open_weight_folder(folder).record() == record
    assert after.config.files["model.safetensors"] == before.config.files["model.safetensors"]
    assert "Not evaluated yet" in (folder / "README.md").read_text()
    assert (folder / "picture.png").exists()
    verify(folder)


def test_another_record_leaves_all_else_in_the_folder_and_other_weights_alone(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")
    (folder / "data").symlink_to("/nowhere")
    # Of another weight, whose writing was interrupted: the only copy of what stood there.
    other = folder.with_name(f".{folder.name}.rooms.0123abcd.old")
    own = folder.with_name(f".{folder.name}.0123abcd.old")
    for one in (other, own):
        one.mkdir()
    update_record(folder, open_weight_folder(folder).record())
    assert (folder / ".git" / "HEAD").read_text() == "ref: refs/heads/main"
    assert (folder / "data").is_symlink()
    assert other.is_dir()
    assert not own.exists()
    verify(folder)


def test_card(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    for text in (
        'license: "other"\nlicense_name: "cc-by-4.0"',
        "voxels of 5 cm",
        "red, green, blue",
        "| fine | 6 |",
        "mobilenet_v2, features of features",
        "0.52 (0.5 to 0.54) | random network: 0.25 (0.24 to 0.26) | 3 | 400 |",
        "ppkt-zoo \\| rooms",
        "AdamW instead of SGD",
        "@article{ppkt",
        'load_backbone("local-dir:path/to/this/folder")',
    ):
        assert text in card
