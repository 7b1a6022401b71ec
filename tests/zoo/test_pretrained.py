"""`from_pretrained`, `save_pretrained`, `push_to_hub`: the Hub's habits on our weight folder, and no false record."""

import json
import shutil
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelHubMixin

from ppkt_zoo import Backbone, InputSpec, create_backbone
from ppkt_zoo.backbones.readout import Readout
from ppkt_zoo.errors import InputError, InputWarning, ManifestError, UnknownNameError, WeightError
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.zoo.add_readout import add_readout
from ppkt_zoo.zoo.folder import open_weight_folder
from ppkt_zoo.zoo.hub_mixin import HubBackbone
from ppkt_zoo.zoo.load import load_backbone, verify
from ppkt_zoo.zoo.manifest import WeightSpec
from ppkt_zoo.zoo.record import OWN_LOOP
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import REPO, REVISION, TinyNet, make_cloud

TOKEN, MINE = "hf_writers_secret", "writer/mine"
CLOUD = make_cloud()
WEIGHT = "pointnet2.ppkt_voc"


@pytest.fixture
def writer(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """A Hub on which HF_TOKEN may write to writer/…"""
    hub.writers[TOKEN] = "writer"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


@pytest.fixture
def trained(folder: Path) -> Backbone:
    """A backbone that was loaded and changed since."""
    backbone = load_backbone(f"local-dir:{folder}")
    with torch.no_grad():
        backbone.second.weight.mul_(1.5)  # type: ignore[operator,union-attr]
    return backbone


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def same_features(one: Backbone, other: Backbone) -> bool:
    return torch.allclose(one.encode(CLOUD.xyz, CLOUD.rgb), other.encode(CLOUD.xyz, CLOUD.rgb), atol=2e-3)


def test_every_name_of_load_backbone_a_path_and_a_repository_give_the_same_network(
    hub: HubServer, folder: Path, listed: WeightSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_backbone(f"local-dir:{folder}")
    pinned = {"revision": REVISION, "cache_dir": tmp_path / "cache"}
    monkeypatch.chdir(folder.parent)
    (tmp_path / "tiny_net.other").symlink_to(folder)
    for name in (folder, str(folder), f"local-dir:{folder}", f"./{folder.name}", listed.name, "tiny_net.other"):
        assert same_features(Backbone.from_pretrained(name), expected)
    for found in (Backbone.from_pretrained(REPO, **pinned), TinyNet.from_pretrained(f"hf-hub:{REPO}@{REVISION}")):
        assert same_features(found, expected)
        assert not found.training
    monkeypatch.chdir(tmp_path)
    (tmp_path / REPO).mkdir(parents=True)
    assert same_features(Backbone.from_pretrained(REPO, **pinned), expected), "a revision is of a repository"
    with pytest.raises(WeightError, match="is not a weight folder"):
        Backbone.from_pretrained(REPO)


def test_a_branch_is_looked_up_and_the_commit_is_told(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    hub.tags[REPO, "v1"] = REVISION
    for revision in (None, "main", "v1"):
        with pytest.warns(InputWarning, match=f"commit {REVISION} today: give revision='{REVISION}'") as told:
            Backbone.from_pretrained(REPO, revision=revision, cache_dir=tmp_path / "cache")
        assert told[0].filename == __file__, "the line that asked"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        backbone = Backbone.from_pretrained(REPO, revision=REVISION, cache_dir=tmp_path / "cache")
    assert str(backbone.loaded_from.hub) == f"hf-hub:{REPO}@{REVISION}"
    before = len(hub.requests)
    with pytest.warns(InputWarning, match="today"):
        Backbone.from_pretrained(REPO, cache_dir=tmp_path / "cache", local_files_only=True)
    assert len(hub.requests) == before, "what is cached is not asked for"


def test_the_cache_alone_and_a_forced_download(hub: HubServer, tmp_path: Path) -> None:
    where = {"revision": REVISION, "cache_dir": tmp_path / "cache"}
    with pytest.raises(WeightError, match="not in the cache and only the cache is asked"):
        Backbone.from_pretrained(REPO, local_files_only=True, **where)
    Backbone.from_pretrained(REPO, **where)
    Backbone.from_pretrained(REPO, **where)
    assert len(hub.gets("model.safetensors")) == 1
    Backbone.from_pretrained(REPO, force_download=True, **where)
    assert len(hub.gets("model.safetensors")) == 2


def test_a_private_repository_needs_its_token(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    hub.add("someone/closed", REVISION, bytes_of(folder), token="hf_right_secret")
    for number, token in enumerate((None, False, "hf_wrong_secret")):
        with pytest.raises(WeightError, match=r"no someone/closed, or you may not see it \(HTTP 401\)") as caught:
            Backbone.from_pretrained(
                "someone/closed", revision=REVISION, token=token, cache_dir=tmp_path / f"cache{number}"
            )
        assert "secret" not in "".join(traceback.format_exception(caught.value))
    where = {"revision": REVISION, "token": "hf_right_secret", "cache_dir": tmp_path / "cache"}
    assert Backbone.from_pretrained("someone/closed", **where).level_channels


def test_what_is_no_weight_is_told_in_one_line(hub: HubServer, folder: Path, tmp_path: Path) -> None:
    cache = {"cache_dir": tmp_path / "cache"}
    other, empty = tmp_path / "other", tmp_path / "empty"
    for one in (other, empty):
        one.mkdir()
    (other / "config.json").write_text(json.dumps({"architectures": ["BertModel"], "hidden_size": 768}))
    hub.add("someone/bert", REVISION, bytes_of(other))
    hub.add("someone/nothing", REVISION, {"README.md": b"hello"})
    wrong = [
        (other, {}, WeightError, "field"),
        (empty, {}, WeightError, r"is not a weight folder: config\.json is missing"),
        (tmp_path / "absent", {}, WeightError, "is not a folder"),
        ("./absent/here", {}, UnknownNameError, "no folder here and no repository"),
        ("someone/absent", cache, WeightError, "the Hub has no someone/absent"),
        ("someone/bert", cache | {"revision": REVISION}, WeightError, "field"),
        ("someone/nothing", cache | {"revision": REVISION}, WeightError, "not a complete weight folder"),
        (REPO, cache | {"revision": "v9"}, WeightError, "has no branch or tag v9"),
        (REPO, cache | {"revision": "f" * 40}, WeightError, "has no commit f{40}"),
        (folder, {"revision": REVISION}, InputError, "leave revision out"),
        ("tiny_net.tset", {}, UnknownNameError, "tiny_net"),
        ("no_net.at_all", {}, UnknownNameError, "no backbone is called"),
    ]
    for name, how, kind, told in wrong:
        with pytest.raises(kind, match=told) as caught:
            Backbone.from_pretrained(name, **how)
        assert "\n" not in str(caught.value)


def test_another_kind_of_network_is_refused(folder: Path) -> None:
    from ppkt_zoo.backbones.pointnet2 import PointNet2

    with pytest.raises(InputError, match=r"tiny_net\.test is a TinyNet, no PointNet2"):
        PointNet2.from_pretrained(folder)


def test_a_mirror_knows_commits_alone(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PPKT_ZOO_MIRROR", str(tmp_path))
    with pytest.raises(InputError, match="a mirror knows commits alone"):
        Backbone.from_pretrained(REPO)


def test_a_network_as_it_was_loaded_is_saved_as_that_weight(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "copy"
    assert load_backbone(f"local-dir:{folder}").train().save_pretrained(target) is None
    assert bytes_of(target) == bytes_of(folder)
    assert verify(target).ok
    backbone = Backbone.from_pretrained(target)
    with pytest.raises(InputError, match=r"is tiny_net\.test as it was loaded.*leave licence out"):
        backbone.save_pretrained(tmp_path / "other", licence="MIT")
    backbone.save_pretrained(tmp_path / "single", dtype="float32", name="tiny_net.single")
    single = open_weight_folder(tmp_path / "single")
    assert (single.config.name, single.config.dtype) == ("tiny_net.single", "float32")
    assert single.record() == open_weight_folder(folder).record()
    assert single.projection().keys() == open_weight_folder(folder).projection().keys()


def test_a_changed_network_names_its_beginning_and_claims_none_of_its_scores(
    trained: Backbone, folder: Path, tmp_path: Path
) -> None:
    base = open_weight_folder(folder)
    trained.save_pretrained(tmp_path / "mine")
    saved, record = open_weight_folder(tmp_path / "mine"), open_weight_folder(tmp_path / "mine").record()
    assert record.base is not None
    assert (record.base.weight, record.base.sha256) == ("tiny_net.test", base.config.files["model.safetensors"].sha256)
    assert saved.config.name == "tiny_net.own"
    assert record.method == f"ppkt, then {OWN_LOOP}"
    assert (record.metrics, record.recipe, record.seed, record.trained) == ((), None, None, None)
    assert record.teacher == base.record().teacher
    assert [one.name for one in record.data] == ["rooms", "not specified"]
    assert "Of tiny_net.test: never saw the outdoors" in record.limits
    assert record.licences.weights.startswith("not specified, so not to be published; it began with tiny_net.test")
    assert set(saved.config.files) == {"model.safetensors", "golden.safetensors", "record.json"}
    assert torch.equal(saved.golden().cloud.xyz, base.golden().cloud.xyz)
    assert not torch.equal(saved.golden().features["fine"], base.golden().features["fine"])
    assert verify(tmp_path / "mine").ok
    assert same_features(load_backbone(f"local-dir:{tmp_path / 'mine'}"), trained)
    assert "- began with: `tiny_net.test`" in (tmp_path / "mine" / "README.md").read_text()


def test_what_its_owner_tells_stands_in_the_record(trained: Backbone, tmp_path: Path) -> None:
    told = {"description": "Finds pipes.", "data": "our plant", "data_licence": "MIT", "licence": "CC BY 4.0"}
    trained.save_pretrained(tmp_path / "mine", name="tiny_net.pipes", record={"citation": "none"}, **told)
    record = open_weight_folder(tmp_path / "mine").record()
    assert (record.description, record.citation) == ("Finds pipes.", "none")
    assert (record.data[-1].name, record.licences.data) == ("our plant", "CC0-1.0; MIT")
    assert record.licences.weights == "CC BY 4.0", "the base's own licence is not said twice"
    with pytest.raises(InputError, match=r"author is not known: say data, "):
        trained.save_pretrained(tmp_path / "mine", author="me")  # type: ignore[call-arg]
    with pytest.raises(ManifestError, match="licence"):
        trained.save_pretrained(tmp_path / "mine", record={"licences": "free"})


def test_read_outs_of_the_weight_are_not_those_of_a_changed_network(folder: Path, tmp_path: Path) -> None:
    add_readout(folder, [CLOUD], "a patch of floor", {"similarity": ReadOut(levels="concat")})
    backbone = load_backbone(f"local-dir:{folder}")
    backbone.save_pretrained(tmp_path / "same")
    assert bytes_of(tmp_path / "same") == bytes_of(folder)
    with torch.no_grad():
        backbone.second.weight.mul_(1.5)  # type: ignore[operator,union-attr]
    backbone.save_pretrained(tmp_path / "mine")
    assert open_weight_folder(tmp_path / "mine").readout() is None
    backbone.readout = Readout.of(backbone, [CLOUD])
    backbone.save_pretrained(tmp_path / "mine")
    assert open_weight_folder(tmp_path / "mine").readout() is not None


def test_a_network_of_its_own_says_what_it_was_told_and_no_more(tmp_path: Path) -> None:
    torch.manual_seed(0)
    backbone = create_backbone("tiny_net", input_spec=InputSpec(voxel_size=0.05))
    backbone.save_pretrained(tmp_path / "mine", data="our plant")
    record = open_weight_folder(tmp_path / "mine").record()
    assert record.base is None
    assert (record.data[0].name, record.citation) == ("our plant", "not specified")
    assert verify(tmp_path / "mine").ok
    with pytest.raises(InputError, match="was not made by create_backbone"):
        TinyNet(InputSpec(voxel_size=0.05), 8).save_pretrained(tmp_path / "other")


def test_a_folder_is_replaced_whole_and_what_lies_beside_stays(trained: Backbone, folder: Path, tmp_path: Path) -> None:
    target = Path(shutil.copytree(folder, tmp_path / "repo"))
    (target / ".git").mkdir()
    (target / ".git" / "HEAD").write_text("ref")
    trained.save_pretrained(target)
    assert (target / ".git" / "HEAD").read_text() == "ref"
    assert not (target / "projection.safetensors").exists(), "it belongs to the weight that lay there"
    assert verify(target).ok
    with torch.no_grad():
        trained.second.weight.fill_(torch.nan)  # type: ignore[operator,union-attr]
    with pytest.raises(WeightError, match="NaN"):
        trained.save_pretrained(target)
    assert verify(target).ok, "what cannot be written leaves the old folder as it was"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    with pytest.raises(WeightError, match="is not a weight folder, so it is not overwritten"):
        load_backbone(f"local-dir:{folder}").save_pretrained(tmp_path / "photos")
    (tmp_path / "empty").mkdir()
    load_backbone(f"local-dir:{folder}").save_pretrained(tmp_path / "empty")
    assert verify(tmp_path / "empty").ok
    load_backbone(f"local-dir:{folder}").save_pretrained(folder)
    assert verify(folder).ok, "onto itself"


def test_without_the_weight_that_it_was_loaded_from_nothing_is_made_up(
    trained: Backbone, folder: Path, tmp_path: Path
) -> None:
    shutil.rmtree(folder)
    with pytest.raises(WeightError, match="are needed to save it: get that weight again"):
        trained.save_pretrained(tmp_path / "mine")
    trained.loaded_from = None
    trained.save_pretrained(tmp_path / "mine", golden_cloud=CLOUD)
    assert open_weight_folder(tmp_path / "mine").record().base is None


def test_a_network_is_pushed_and_comes_back(writer: HubServer, trained: Backbone, tmp_path: Path) -> None:
    address = trained.push_to_hub(MINE, licence="CC BY 4.0", tag="v1")
    commit = address.rpartition("/")[2]
    assert writer.tags[MINE, "v1"] == commit
    found = Backbone.from_pretrained(MINE, revision=commit, cache_dir=tmp_path / "cache")
    assert same_features(found, trained)
    assert verify(f"hf-hub:{MINE}@{commit}", cache_dir=tmp_path / "cache").ok
    assert f'load_backbone("hf-hub:{MINE}@<40-hex commit>")' in (
        writer.repositories[MINE, commit]["README.md"].decode()
    )
    # What was loaded from the Hub and pushed again says from where.
    with torch.no_grad():
        found.second.weight.mul_(1.5)  # type: ignore[operator,union-attr]
    again = found.save_pretrained(tmp_path / "again", repo_id="writer/again", push_to_hub=True, licence="CC BY 4.0")
    assert again is not None
    base = open_weight_folder(tmp_path / "again").record().base
    assert base is not None
    assert (base.repo, base.revision) == (MINE, commit)
    card = writer.repositories["writer/again", again.rpartition("/")[2]]["README.md"].decode()
    assert f'\nbase_model: "{MINE}"\n' in card


def test_a_network_whose_licence_nobody_named_is_not_made_public(
    writer: HubServer, trained: Backbone, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"must not go into a public repository.*give licence="):
        trained.push_to_hub(MINE)
    assert writer.requests == []
    trained.push_to_hub(MINE, private=True)
    assert writer.private == {MINE: TOKEN}


@pytest.mark.parametrize(("token", "told"), [("hf_wrong_secret", "HTTP 401"), ("", "no token|HTTP 401")])
def test_who_may_not_write_is_told(
    writer: HubServer, trained: Backbone, monkeypatch: pytest.MonkeyPatch, token: str, told: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "")
    with pytest.raises(WeightError, match=f"you may not write there .*({told})") as caught:
        trained.push_to_hub(MINE, licence="MIT")
    assert "secret" not in "".join(traceback.format_exception(caught.value))
    assert trained.push_to_hub(MINE, licence="MIT", token=TOKEN)


def test_a_wrong_target_is_told_before_anything_is_written(writer: HubServer, trained: Backbone) -> None:
    for repo, how, told in (("mine", {}, "owner/name"), (MINE, {"tag": "two words"}, "--tag must be")):
        with pytest.raises(InputError, match=told):
            trained.push_to_hub(repo, licence="MIT", **how)
    with pytest.raises(WeightError, match="HTTP 403"):
        trained.push_to_hub("other/mine", licence="MIT")
    assert not [path for method, path, _ in writer.requests if "/commit/" in path]


def test_the_hubs_mixin_saves_and_loads_our_folder(trained: Backbone, tmp_path: Path) -> None:
    wrapped = HubBackbone(trained)
    assert isinstance(wrapped, ModelHubMixin)
    wrapped.save_pretrained(tmp_path / "mine")
    assert verify(tmp_path / "mine").ok
    assert same_features(HubBackbone.from_pretrained(tmp_path / "mine").backbone, trained)


def test_a_backbone_loads_without_the_hubs_client() -> None:
    """The client takes longer to import than a weight to load."""
    code = f"import sys, ppkt_zoo; ppkt_zoo.load_backbone({WEIGHT!r}); assert 'huggingface_hub' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
