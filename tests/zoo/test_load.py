"""load_backbone, list_weights, verify: what was asked for, or an error that says how to ask."""

import json
from pathlib import Path

import pytest
import torch

from ppkt_zoo.errors import InputError, UnknownNameError, WeightError
from ppkt_zoo.points.input_spec import InputSpec
from ppkt_zoo.zoo.folder import open_weight_folder, weight_spec
from ppkt_zoo.zoo.load import list_weights, load_backbone, load_projection, open_weight, verify
from ppkt_zoo.zoo.manifest import BundledSource, Manifest, WeightSpec, load_manifest
from tests.zoo.own_backbones import OWN
from tests.zoo.tiny_weight import install_manifest, make_cloud, rewrite_tensors


def test_a_listed_weight_is_loaded_by_name(listed: WeightSpec) -> None:
    assert list_weights("tiny_*") == ["tiny_net.test"]
    assert list_weights("sr_*") == []
    cloud = make_cloud()
    backbone = load_backbone("tiny_net.test")
    assert not backbone.training
    assert backbone.engine == "auto"
    same = load_backbone("tiny_net", weights="test", engine="torch", device="cpu")
    assert same.engine == "torch"
    torch.testing.assert_close(backbone.encode(cloud.xyz, cloud.rgb), same.encode(cloud.xyz, cloud.rgb))
    assert set(load_projection("tiny_net.test")) == {"upl.weight", "upl.bias"}
    assert open_weight("tiny_net.test").record() == listed.record


def test_without_a_name_it_is_the_weight_to_begin_with(
    listed: WeightSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = make_cloud()
    wanted = load_backbone("tiny_net.test").encode(cloud.xyz, cloud.rgb)
    torch.testing.assert_close(load_backbone().encode(cloud.xyz, cloud.rgb), wanted)
    install_manifest(Manifest(format=1, weights=()), tmp_path, monkeypatch)
    with pytest.raises(WeightError, match="no weight is bundled"):
        load_backbone()


def test_random_parameters_only_on_request(listed: WeightSpec) -> None:
    with pytest.raises(UnknownNameError, match=r"its weights are tiny_net\.test; weights=None gives"):
        load_backbone("tiny_net")
    spec = InputSpec(voxel_size=0.3)
    random = load_backbone("tiny_net", weights=None, input_spec=spec, width=4)
    assert (random.input_spec, random.level_channels["coarse"]) == (spec, 4)
    control = load_backbone("tiny_net.test", weights=None)
    pretrained = load_backbone("tiny_net.test")
    assert control.input_spec == pretrained.input_spec
    assert not torch.equal(control.state_dict()["first.weight"], pretrained.state_dict()["first.weight"])


@pytest.mark.parametrize("name", OWN)
def test_every_backbone_loads_at_random_and_encodes(name: str) -> None:
    cloud = make_cloud(200)
    backbone = load_backbone(name, weights=None, input_spec=InputSpec(voxel_size=0.1))
    assert not backbone.training
    assert backbone.encode(cloud.xyz.numpy(), cloud.rgb.numpy()).shape == (200, backbone.out_channels)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tiny_net.tset", {}, r"tiny_net has tiny_net\.test"),
        ("tinny_net.test", {}, "did you mean 'tiny_net'"),
        ("sr_unet14", {}, "no weight of it is listed yet; weights=None|its weights are"),
        ("srunet", {}, "did you mean 'sr_unet"),
        ("some/folder", {}, "local-dir:some/folder"),
        ("tiny_net.test", {"engine": "minkowski"}, "engine"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(
    listed: WeightSpec, name: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UnknownNameError, match=message):
        load_backbone(name, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "test"}, "names its weight already"),
        ({"input_spec": InputSpec(voxel_size=1)}, "input_spec cannot be given"),
        ({"in_channels": 6}, "brings its own input_spec and arguments, so in_channels cannot be given"),
        ({"device": "gpu"}, "not a torch device"),
        pytest.param(
            {"device": "cuda"},
            "no CUDA GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU"),
        ),
    ],
)
def test_arguments_that_contradict_the_weight_are_refused(
    listed: WeightSpec, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_backbone("tiny_net.test", **options)  # type: ignore[arg-type]


def test_a_local_folder_is_loaded_by_its_prefix(folder: Path) -> None:
    name = f"local-dir:{folder}"
    assert load_backbone(name).level_channels == {"coarse": 8, "fine": 6}
    assert verify(name).ok
    assert verify(folder).ok
    with pytest.raises(WeightError, match="not a folder"):
        load_backbone(f"{name}/nowhere")


def test_a_bare_folder_name_is_answered_with_the_prefix(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.parent / "my_weight").mkdir()
    monkeypatch.chdir(folder.parent)
    with pytest.raises(UnknownNameError, match="write 'local-dir:my_weight'"):
        load_backbone("my_weight")


@pytest.mark.parametrize("file", ["model.safetensors", "README.md", "config.json", "record.json"])
def test_a_bundled_file_is_checked_against_the_manifest(listed: WeightSpec, folder: Path, file: str) -> None:
    data = (folder / file).read_bytes()
    (folder / file).write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    with pytest.raises(WeightError, match=rf"{file} is not the recorded file"):
        load_backbone("tiny_net.test")
    (folder / file).unlink()
    with pytest.raises(WeightError, match=rf"{file} is missing"):
        load_backbone("tiny_net.test")


def test_a_link_out_of_the_bundled_folder_is_refused(listed: WeightSpec, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.safetensors"
    (folder / "model.safetensors").rename(outside)
    (folder / "model.safetensors").symlink_to(outside)
    with pytest.raises(WeightError, match="leads out of"):
        load_backbone("tiny_net.test")


def test_manifest_and_config_must_agree(listed: WeightSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = listed.model_copy(update={"input_spec": InputSpec(voxel_size=0.07)})
    install_manifest(Manifest(weights=(wrong,)), tmp_path, monkeypatch)
    with pytest.raises(WeightError, match=r"manifest and config\.json disagree on input_spec"):
        load_backbone("tiny_net.test")


def test_verify_reports(folder: Path) -> None:
    report = verify(folder, engine="torch")
    assert report.ok
    assert set(report.errors) == {"coarse", "fine"}
    assert "tiny_net.test verified on cpu (engine torch)" in str(report)


@pytest.mark.parametrize("value", [1.01, float("nan")])
def test_verify_notices_other_features(folder: Path, value: float) -> None:
    rewrite_tensors(folder, "model.safetensors", lambda tensors: tensors["first.weight"].mul_(value))
    with pytest.raises(WeightError, match=r"NOT VERIFIED|NaN"):
        verify(folder)
    with pytest.raises(WeightError):
        verify(open_weight_folder(folder), tolerance=1e-9)


@pytest.mark.parametrize("name", load_manifest().names())
def test_every_weight_of_the_manifest_holds(name: str) -> None:
    weight = next(one for one in load_manifest().weights if one.name == name)
    if not isinstance(weight.source, BundledSource):
        pytest.skip(f"{name} lies on the Hub, not in the package")
    assert verify(name).ok
    folder = open_weight(name)
    assert folder.record() == weight.record
    assert weight_spec(folder, weight.source) == weight
    network = folder.backbone()
    assert weight.record.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert json.loads((folder.path / "config.json").read_text())["name"] == name
