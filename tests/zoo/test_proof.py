"""`verify` and `local-dir:` look at every file of a weight, and each message names the file."""

import json
import shutil
from pathlib import Path

import pytest

from ppkt_zoo.errors import PPKTZooError, WeightError
from ppkt_zoo.zoo.card import write_card
from ppkt_zoo.zoo.config import PICTURE
from ppkt_zoo.zoo.folder import open_weight_folder, update_record, write_weight_folder
from ppkt_zoo.zoo.hub import BUNDLED
from ppkt_zoo.zoo.load import load_backbone, open_weight, verify
from ppkt_zoo.zoo.record import WeightRecord
from ppkt_zoo.zoo.registry import create_backbone
from ppkt_zoo.zoo.tensors import file_entry
from tests.zoo.tiny_weight import TENSOR_FILES, edit_config, make_folder, make_record

LISTED = [*TENSOR_FILES, "record.json", "recipe.yaml"]


@pytest.fixture
def complete(tmp_path: Path) -> Path:
    """A weight folder with a recipe too."""
    record = make_record()
    del record["recipe"]
    return make_folder(tmp_path / "complete", record=record, extra_files={"recipe.yaml": "steps: 10\n"}).path


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("file", LISTED)
def test_a_flipped_bit_is_found_by_both(complete: Path, file: str) -> None:
    flip(complete / file)
    for use in (
        lambda: load_backbone(f"local-dir:{complete}"),
        lambda: open_weight(f"local-dir:{complete}"),
        lambda: verify(f"local-dir:{complete}"),
        lambda: verify(complete),
        lambda: verify(open_weight_folder(complete)),
    ):
        with pytest.raises(WeightError, match=rf"{file} is not the recorded file"):
            use()
    (complete / file).unlink()
    with pytest.raises(WeightError, match=rf"{file} is missing"):
        load_backbone(f"local-dir:{complete}")


def test_a_changed_card_is_found_by_verify_and_loads(complete: Path) -> None:
    assert verify(complete).ok
    card = complete / "README.md"
    good = card.read_bytes()
    for place in range(0, len(good), 97):
        card.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(WeightError, match=r"README\.md is not the card that"):
            verify(f"local-dir:{complete}")
    assert load_backbone(f"local-dir:{complete}").level_channels
    card.unlink()
    with pytest.raises(WeightError, match=r"README\.md is missing"):
        verify(complete)
    opened = open_weight_folder(complete)
    update_record(complete, opened.record())
    assert verify(complete).ok, "as the message says, that writes it anew"


@pytest.mark.parametrize("picture", [None, PICTURE])
def test_a_card_that_was_published_is_known(complete: Path, picture: str | None) -> None:
    folder = open_weight_folder(complete)
    (complete / "README.md").write_text(write_card(folder.config, folder.record(), "some.one/tiny-net_1", picture))
    assert verify(complete).ok


@pytest.mark.parametrize("folder", sorted(BUNDLED.iterdir()), ids=lambda folder: folder.name)
def test_cards_of_the_bundled_weights_are_what_is_written_today(folder: Path) -> None:
    opened = open_weight_folder(folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == opened.card()


def relist(folder: Path, file: str, data: bytes) -> None:
    """Another content with a fitting hash: damage that no hash shows."""
    (folder / file).write_bytes(data)
    files = json.loads((folder / "config.json").read_text())["files"]
    edit_config(folder, files={**files, file: file_entry(data).model_dump()})


def test_files_that_contradict_each_other_are_found(complete: Path) -> None:
    record = json.loads((complete / "record.json").read_text())
    relist(complete, "recipe.yaml", b"steps: 11\n")
    with pytest.raises(WeightError, match=r"recipe\.yaml is not the recipe that record\.json names"):
        verify(complete)
    relist(complete, "recipe.yaml", b"steps: 10\n")
    relist(complete, "record.json", json.dumps(record | {"parameters": 7}).encode())
    with pytest.raises(WeightError, match=r"record\.json says 7 parameters"):
        verify(complete)


@pytest.mark.parametrize(
    "path", ["~nosuchuser/x", "a" * 5000, "\udcff\ud800", "/dev/null", "/dev/null/x", "x\0y", "", "~", "."]
)
def test_a_path_that_is_no_weight_folder_is_one_clear_error(path: str) -> None:
    with pytest.raises(PPKTZooError) as caught:
        load_backbone(f"local-dir:{path}")
    assert len(str(caught.value)) < 600


def test_what_an_interrupted_writing_left_is_named_and_cleared(complete: Path) -> None:
    """As a kill between the two renames leaves it."""
    aside = complete.with_name(f".{complete.name}.0123abcd.old")
    complete.rename(aside)
    with pytest.raises(WeightError, match=rf"was interrupted, and .*{aside.name} is the weight that stood there"):
        load_backbone(f"local-dir:{complete}")
    shutil.copytree(aside, complete)
    assert verify(complete).ok
    update_record(complete, open_weight_folder(complete).record())
    assert [one.name for one in complete.parent.iterdir()] == [complete.name]


EVIL = "2\n\n# Official\n<script>alert(1)</script> ![x](http://y) [l](z) `c` | \x1b[31m&lt; **b**\u202e"


@pytest.mark.parametrize("place", ["key", "value", "long", "many"])
def test_versions_are_lines(complete: Path, place: str) -> None:
    versions = {
        "key": {EVIL: "1"},
        "value": {"torch": EVIL},
        "long": {"torch": "1" * 201},
        "many": {f"p{number}": "1" for number in range(101)},
    }[place]
    record = json.loads((complete / "record.json").read_text())
    record["trained"]["versions"] = versions
    with pytest.raises(PPKTZooError, match=r"trained\.versions"):
        update_record(complete, record)


def test_nothing_in_a_record_is_markup_on_the_card(tmp_path: Path) -> None:
    line = " ".join(EVIL.split()).replace("\x1b", "").replace("\u202e", "")
    record = make_record(
        description=EVIL,
        method=EVIL,
        teacher={"name": EVIL, "stage": EVIL, "origin": EVIL, "licence": EVIL},
        data=[{"name": EVIL, "frames": 3, "licence": EVIL, "attribution": EVIL}],
        recipe={"file": "a`b/# x.yaml", "sha256": "b" * 64},
        trained={"steps": 1, "hours": 1, "machine": EVIL, "versions": {line: line}},
        metrics=[{"name": EVIL, "value": 1, "seeds": [0], "n": 1, "data": EVIL, "control": {"name": EVIL, "value": 0}}],
        deviations=[EVIL, "# heading", "- item", "1. item", "> quote", "---", "~~~"],
        limits=[EVIL],
        licences={"data": EVIL, "weights": EVIL},
        citation=f"{EVIL}\n```\n# Official\n``````\n",
        conversion={"origin": EVIL, "dialect": EVIL, "sha256": "c" * 64},
    )
    folder = make_folder(tmp_path / "evil", record=record)
    card = (folder.path / "README.md").read_text(encoding="utf-8")
    prose, _, citation = card.partition("## Citation")
    assert citation.count("```") == 2
    assert prose.count("\n# ") == 1
    for mark in ("<script", "![", "](", "[l]", " **b", " `c`", " | \\x1b", "m&lt;"):
        assert mark not in prose, mark
    for mark in ("\x1b", "\u202e"):
        assert mark not in card
    for text in ("# heading", "- item", "1. item", "> quote", "---", "~~~"):
        assert f"- {text}\n" not in card
    front = card.split("---\n")[1]
    assert "\n#" not in front
    assert verify(folder.path).ok


def test_numbers_beyond_every_range_are_refused(complete: Path) -> None:
    text = (complete / "record.json").read_text()
    for wrong in ("1e400", "NaN", "-Infinity", "9" * 5000, "[" * 5000):
        relist(complete, "record.json", text.replace("0.52", wrong).encode())
        with pytest.raises(WeightError, match=r"record\.json"):
            open_weight_folder(complete).record()
    record = WeightRecord.model_validate(json.loads(text))
    metric = {"name": "x", "value": float("nan"), "seeds": [0], "n": 1, "data": "d"}
    with pytest.raises(PPKTZooError, match="finite"):
        write_weight_folder(
            complete.parent / "w",
            create_backbone("tiny_net"),
            "tiny_net.test",
            record.model_dump() | {"metrics": [metric]},
            open_weight_folder(complete).golden().cloud,
        )
