"""Names: the three kinds, and a mend for everything else."""

from pathlib import Path

import pytest

from ppkt_zoo.errors import PPKTZooError, UnknownNameError
from ppkt_zoo.zoo.names import HubName, ListedName, LocalName, parse_name

HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("sr_unet14", ListedName("sr_unet14", None)),
        ("sr_unet14.ppkt_voc", ListedName("sr_unet14", "ppkt_voc")),
        (f"hf-hub:own.er/re-po_1@{HASH}", HubName("own.er/re-po_1", HASH)),
        ("local-dir:some/where", LocalName("some/where")),
        ("local-dir:C:\\weights", LocalName("C:\\weights")),
    ],
)
def test_names_are_read_and_written_back(name: str, parsed: object) -> None:
    assert parse_name(name) == parsed
    assert str(parsed) == name


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("weights/sr_unet14", "local-dir:weights/sr_unet14"),
        ("./sr_unet14", "local-dir:"),
        ("~/weight", "local-dir:"),
        ("..", "local-dir:"),
        ("", "local-dir:"),
        ("local-dir:", "local-dir:path/to"),
        ("model.pth", "safetensors"),
        ("local-dir:model.pt", "pickle"),
        ("hf-hub:owner/repo@main", "HfApi().model_info('owner/repo', revision='main').sha"),
        ("hf-hub:owner/repo", "HfApi().model_info('owner/repo').sha"),
        (f"hf-hub:owner/repo@{HASH[:-1]}", "40 hex"),
        (f"hf-hub:owner/repo@{HASH}0", "40 hex"),
        (f"hf-hub:repo@{HASH}", "owner/repo@"),
        (f"hf-hub:../repo@{HASH}", "owner/repo@"),
        (f"hf-hub:owner/../repo@{HASH}", "owner/repo@"),
        (f"hf-hub:owner/re..po@{HASH}", "owner/repo@"),
        ("SR_UNet14", "list_backbones()"),
        ("a.b.c", "list_weights()"),
        ("sr unet14", "list_weights()"),
    ],
)
def test_what_is_no_name_is_refused_with_the_mend(name: str, mend: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        parse_name(name)
    assert mend in str(caught.value)
    assert isinstance(caught.value, LookupError)


@pytest.mark.parametrize("name", [None, 3, b"sr_unet14"])
def test_a_name_is_a_string(name: object) -> None:
    with pytest.raises(PPKTZooError, match="must be a str"):
        parse_name(name)  # type: ignore[arg-type]


def test_a_folder_may_end_like_a_pickle(tmp_path: Path) -> None:
    folder = tmp_path / "converted.pth"
    folder.mkdir()
    assert parse_name(f"local-dir:{folder}") == LocalName(str(folder))
