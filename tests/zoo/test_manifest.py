"""Manifest: what it refuses, and that each message names the field and the mend."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ppkt_zoo.errors import ManifestError, UnknownNameError
from ppkt_zoo.files.validation import parse_json
from ppkt_zoo.zoo.manifest import Manifest, WeightSpec, load_manifest, to_json, with_weight, write_manifest
from ppkt_zoo.zoo.names import ListedName
from ppkt_zoo.zoo.registry import check_architecture

Change = tuple[tuple[Any, ...], Any]
REMOVED = object()


def changed(spec: WeightSpec, path: tuple[Any, ...], value: Any) -> bytes:
    """A manifest of the weight with one field set or removed."""
    tree = {"format": 1, "weights": [json.loads(to_json(spec))]}
    place: Any = tree
    for step in path[:-1]:
        place = place[step]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    return json.dumps(tree).encode()


W = ("weights", 0)


@pytest.mark.parametrize(
    ("path", "value", "field", "mend"),
    [
        ((*W, "colour"), 1, "weights[0].colour", "unknown field"),
        ((*W, "licence"), 1, "weights[0].licence", "unknown field"),
        ((*W, "record", "licence"), "x", "weights[0].record.licence", "did you mean 'licences'?"),
        ((*W, "record", "teacher", "stages"), "x", "weights[0].record.teacher.stages", "did you mean 'stage'?"),
        ((*W, "record", "metrics", 0, "seed"), 1, "weights[0].record.metrics[0].seed", "did you mean 'seeds'?"),
        ((*W, "source"), REMOVED, "weights[0].source", "is missing"),
        ((*W, "record", "citation"), REMOVED, "weights[0].record.citation", "is missing"),
        ((*W, "record", "recipe"), None, "weights[0].record", "recipe, seed and trained"),
        ((*W, "record", "metrics", 0, "interval95"), None, "weights[0].record.metrics[0]", "interval95 is needed"),
        ((*W, "record", "metrics", 0, "interval95"), [0.6, 0.7], "weights[0].record.metrics[0]", "around the value"),
        ((*W, "record", "metrics", 0, "seeds"), [1, 1], "weights[0].record.metrics[0]", "twice"),
        ((*W, "record", "data"), [], "weights[0].record.data", "at least 1"),
        ((*W, "record", "parameters"), "many", "weights[0].record.parameters", "integer"),
        ((*W, "name"), "tiny_net.Test", "weights[0].name", "architecture.tag"),
        ((*W, "name"), "other_net.test", "weights[0]", "must be the architecture"),
        ((*W, "input_spec", "voxel_size"), -1, "weights[0].input_spec.voxel_size", "greater than 0"),
        ((*W, "files", "model.safetensors"), REMOVED, "weights[0].files", "lists no model.safetensors"),
        ((*W, "files", "model.safetensors", "sha256"), "a" * 63, "files['model.safetensors'].sha256", "64 digits"),
        ((*W, "files", "model.safetensors", "sha256"), "A" * 64, "files['model.safetensors'].sha256", "64 digits"),
        ((*W, "files", "model.safetensors", "size"), -1, "files['model.safetensors'].size", "greater than"),
        ((*W, "source"), {"kind": "hub", "repo": "a/b", "revision": "main"}, "source.hub.revision", "no branch"),
        ((*W, "source"), {"kind": "hub", "repo": "a", "revision": "a" * 40}, "source.hub.repo", "'owner/name'"),
        ((*W, "source"), {"kind": "ftp"}, "weights[0].source", "'bundled', 'hub'"),
        (("format",), 2, "format", "1"),
        (("weight",), [], "weight", "did you mean 'weights'?"),
    ],
)
def test_a_broken_rule_is_named(
    listed: WeightSpec, tmp_path: Path, path: tuple[Any, ...], value: Any, field: str, mend: str
) -> None:
    file = tmp_path / "broken.json"
    file.write_bytes(changed(listed, path, value))
    with pytest.raises(ManifestError) as caught:
        load_manifest(file)
    message = str(caught.value)
    assert message.startswith("broken.json: ")
    assert field in message
    assert mend in message
    assert "\n" not in message
    assert "pydantic" not in message


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "a\x9b31m",
        "a\u202eb",
        "/etc/passwd",
        "C:/x",
        "C:x",
        "a\\..\\x",
        "a//b",
        "./a",
        "",
        "a/",
        "x\0",
        "nul\n",
        "..",
        "a:b",
    ],
)
@pytest.mark.parametrize("where", ["files", "folder"])
def test_a_path_that_leaves_the_folder_is_refused(listed: WeightSpec, path: str, where: str) -> None:
    if where == "files":
        data = changed(listed, (*W, "files", path), {"size": 1, "sha256": "a" * 64})
    else:
        data = changed(listed, (*W, "source", "folder"), path)
    with pytest.raises(ManifestError, match="relative path inside"):
        parse_json(Manifest, data, "manifest", ManifestError)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"weights": [1]}', b"null"])
def test_what_is_no_manifest_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.json").write_bytes(data)
    with pytest.raises(ManifestError, match=r"^m\.json: "):
        load_manifest(tmp_path / "m.json")


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"nowhere\.json cannot be read"):
        load_manifest(tmp_path / "nowhere.json")


def test_names_are_unique(listed: WeightSpec) -> None:
    data = json.dumps({"format": 1, "weights": [json.loads(to_json(listed))] * 2}).encode()
    with pytest.raises(ManifestError, match=r"tiny_net\.test is listed more than once"):
        parse_json(Manifest, data, "manifest", ManifestError)


def test_writing_and_reading_gives_the_same(listed: WeightSpec, tmp_path: Path) -> None:
    other = listed.model_copy(update={"name": "tiny_net.another"})
    manifest = with_weight(with_weight(Manifest(weights=(listed,)), other), listed)
    write_manifest(manifest, tmp_path / "out.json")
    again = load_manifest(tmp_path / "out.json")
    assert again.names() == ["tiny_net.another", "tiny_net.test"]
    assert again.find(ListedName("tiny_net", "test")) == listed
    with pytest.raises(UnknownNameError, match=r"tiny_net has tiny_net\.another, tiny_net\.test"):
        again.find(ListedName("tiny_net", "tset"))
    with pytest.raises(UnknownNameError, match=r"did you mean 'tiny_net\.test'"):
        again.find(ListedName("tinynet", "test"))


def test_the_manifest_of_this_project_keeps_its_rules() -> None:
    for weight in load_manifest().weights:
        check_architecture(weight.architecture)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_nothing_but_our_error_comes_out(listed: WeightSpec, data: st.DataObject) -> None:
    tree = json.loads(to_json(Manifest(weights=(listed,))))
    place: Any = tree
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    message = ""
    try:
        parse_json(Manifest, json.dumps(tree).encode(), "manifest", ManifestError)
    except ManifestError as error:
        message = str(error)
    assert "\n" not in message
