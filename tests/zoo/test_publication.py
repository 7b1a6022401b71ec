"""What a weight's record forbids stays out of public repositories."""

from pathlib import Path
from typing import Any

import pytest

from ppkt_zoo.cli.run.publish import publish_weight
from ppkt_zoo.cli.weights import Publishing
from ppkt_zoo.errors import InputError, ManifestError, WeightError
from ppkt_zoo.zoo.manifest import load_manifest
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.upload import what_forbids_publication
from tests.support.hub_server import HubServer
from tests.zoo.tiny_weight import make_folder, make_record

TOKEN, REPO = "hf_writers_secret", "writer/tiny"


@pytest.fixture
def writer(hub: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HubServer:
    """A Hub on which HF_TOKEN may write to writer/…"""
    hub.writers[TOKEN] = "writer"
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return hub


def data(licence: str) -> list[dict[str, Any]]:
    return [{"name": "scans", "frames": 3, "licence": licence, "attribution": "someone"}]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"licences": {"data": "CC0-1.0", "weights": "not to be published"}}, "licences.weights"),
        ({"licences": {"data": "local only", "weights": "MIT"}}, "licences.data"),
        ({"licences": {"data": "x", "weights": "All rights  reserved"}}, "licences.weights"),
        ({"data": data("unknown, for evaluation alone")}, "data[0].licence"),
        ({"data": data("terms of the scans: no redistribution")}, "data[0].licence"),
        ({"teacher": make_record()["teacher"] | {"licence": "internal use only"}}, "teacher.licence"),
        (
            {"further_teachers": [make_record()["teacher"], make_record()["teacher"] | {"licence": "local only"}]},
            "further_teachers[1].licence",
        ),
        ({"limits": ["fine", "These numbers must not be published."]}, "limits[1]"),
        ({"limits": ["cannot be shared"]}, "limits[0]"),
        ({"description": "A test weight, not to be published."}, "description"),
        ({"data": [data("CC0-1.0")[0] | {"attribution": "someone; do not redistribute"}]}, "data[0].attribution"),
    ],
)
def test_words_that_forbid_are_found_with_their_field(changes: dict[str, Any], field: str) -> None:
    record = WeightRecord.model_validate(make_record(parameters=1, created="2026-11-29", **changes))
    told = what_forbids_publication(record)
    assert told is not None
    assert told.startswith(f"{field} says ")


@pytest.mark.parametrize(
    "words",
    [
        "Non-commercial research: LOCAL ONLY",
        "local-only",
        "must not leave this machine",
        "Don’t upload",
        "never publish",
        "not to be pub\u00adlished",
        "NOT TO BE **PUBLISHED**",
        "no public distribution",
        "redistribution is prohibited",
        "Redistribution of the data or derived works is not permitted",
        "not allowed to be shared",
        "must not be copied, shared or published",
        "not to be passed on",
        "may not be made publicly available",
        "no permission to redistribute",
        "non-redistributable",
        "for internal use",
        "under NDA",
        "private",
        "unlicensed",
    ],
)
def test_words_of_a_licence_that_forbid_in_other_ways(words: str) -> None:
    licences = {"data": "CC0-1.0", "weights": words}
    record = WeightRecord.model_validate(make_record(parameters=1, created="2026-11-29", licences=licences))
    assert (what_forbids_publication(record) or "").startswith("licences.weights says ")


@pytest.mark.parametrize(
    "words",
    [
        "CC BY-NC-ND 4.0",
        "GPL-3.0-only",
        "for non-commercial research only",
        "private data, released under CC0",
        "redistribution allowed, commercial use not permitted",
        "weights may be published, images not included",
        "own synthetic rooms, no licence needed",
        "NYU: no licence stated",
        "not known",
    ],
)
def test_conditions_of_a_licence_forbid_nothing(words: str) -> None:
    licences = {"data": words, "weights": words}
    limits = ["The code was never published.", "no distribution shift was tested", "no weight sharing between levels"]
    changes = {"licences": licences, "limits": limits}
    record = WeightRecord.model_validate(make_record(parameters=1, created="2026-11-29", **changes))
    assert what_forbids_publication(record) is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"licences": {"data": "CC BY-NC 4.0", "weights": "CC BY-NC-SA 4.0"}},
        {"deviations": ["No published protocol"], "limits": ["not published elsewhere; kernels are not shared"]},
        {"data": data("ScanNet terms of use, research")},
    ],
)
def test_conditions_forbid_nothing(changes: dict[str, Any]) -> None:
    record = WeightRecord.model_validate(make_record(parameters=1, created="2026-11-29", **changes))
    assert what_forbids_publication(record) is None
    assert {what_forbids_publication(one.record) for one in load_manifest().weights} == {None}


@pytest.fixture
def forbidden(tmp_path: Path) -> Path:
    record = make_record(licences={"data": "CC0-1.0", "weights": "not to be published"})
    return make_folder(tmp_path / "forbidden", record=record).path


def test_a_forbidden_weight_goes_into_no_public_repository(writer: HubServer, forbidden: Path) -> None:
    for dry_run in (False, True):
        with pytest.raises(InputError, match=r"a public repository.*licences\.weights says 'not to be pub.*--private"):
            publish_weight(Publishing(folder=forbidden, repo=REPO, no_picture=True, dry_run=dry_run))
    assert writer.requests == []


def test_a_forbidden_weight_goes_into_a_private_one_alone(writer: HubServer, forbidden: Path) -> None:
    writer.add(REPO, "f" * 40, {})
    with pytest.raises(InputError, match="is public already, and --private asks for a private one"):
        publish_weight(Publishing(folder=forbidden, repo=REPO, no_picture=True, private=True))
    assert not writer.tags
    assert [revision for repo, revision in writer.repositories if repo == REPO] == ["f" * 40]
    assert (
        publish_weight(Publishing(folder=forbidden, repo="writer/other", no_picture=True, private=True)).entry.name
        == "tiny_net.test"
    )


def test_what_a_failed_publication_left_is_told(
    writer: HubServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.fail("golden.safetensors", method="GET", wrong_bytes=True)
    with pytest.raises(WeightError, match=r"files are at .* commit [0-9a-f]{40}, tag .*another --tag"):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True))
    writer.faults.clear()
    assert (
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True, tag="second")).entry.name
        == "tiny_net.test"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"message": "\udcff"}, "--message holds bytes that are no UTF-8"),
        ({"message": " "}, "--message is empty"),
        ({"manifest": Path("/nowhere/at/all/manifest.json")}, "is not writable"),
        ({"manifest": Path("x" * 5000)}, "no usable path of a manifest"),
    ],
)
def test_what_could_only_fail_later_is_refused_before_anything_is_sent(
    writer: HubServer, folder: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises((InputError, ManifestError), match=said):
        publish_weight(Publishing(folder=folder, repo=REPO, no_picture=True, **options))
    assert writer.requests == []
