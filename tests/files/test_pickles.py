"""Pickles of checkpoints, looked at before torch reads them."""

import io
import pickle
import warnings
import zipfile
from pathlib import Path

import pytest
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.torch import check_pickle, read_torch_file

LONG = b"a" * 20_000
# What torch would search its own message for, for as many seconds as these letters squared take.
NAME = b"\x80\x02c" + LONG + b"\nb\n."
CALLED = b"\x80\x02X" + len(LONG).to_bytes(4, "little") + LONG + b")R."
MADE = b"\x80\x02X" + len(LONG).to_bytes(4, "little") + LONG + b")\x81."


@pytest.mark.parametrize("content", [NAME, CALLED, MADE], ids=["name", "called", "made"])
def test_a_long_word_never_reaches_torch(content: bytes) -> None:
    with pytest.raises((pickle.UnpicklingError, TypeError, AttributeError)):
        check_pickle(io.BytesIO(content))


@pytest.mark.parametrize("content", [NAME, CALLED, MADE], ids=["name", "called", "made"])
@pytest.mark.parametrize("place", ["archive", "first", "fourth"])
def test_a_file_with_a_long_word_is_told_at_once(tmp_path: Path, content: bytes, place: str) -> None:
    file = tmp_path / "checkpoint.pth"
    if place == "archive":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", content)
            archive.writestr("archive/version", "3\n")
    else:
        whole = io.BytesIO()
        torch.save({"a": torch.ones(2)}, whole, _use_new_zipfile_serialization=False)
        before = whole.getvalue()
        stream = io.BytesIO(before)
        for _ in range(0 if place == "first" else 3):
            check_pickle(stream)
        file.write_bytes(before[: stream.tell()] + content)
    with pytest.raises(InputError, match="is a torch checkpoint that is cut or damaged"):
        read_torch_file(file, str(file), InputError)


@pytest.mark.parametrize("new", [True, False])
def test_what_torch_writes_is_read(tmp_path: Path, new: bool) -> None:
    file = tmp_path / "checkpoint.pth"
    saved = {"state_dict": {"w": torch.arange(6.0).view(2, 3)}, "text": "x" * 100_000, "epoch": 3}
    torch.save(saved, file, _use_new_zipfile_serialization=new)
    found = read_torch_file(file, str(file), InputError)
    assert torch.equal(found["state_dict"]["w"], saved["state_dict"]["w"])
    assert (found["text"], found["epoch"]) == (saved["text"], 3)


def test_nothing_that_a_pickle_names_is_called(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"touch {mark}".encode()
    check_pickle(io.BytesIO(b"cposix\nsystem\n(X" + len(text).to_bytes(4, "little") + text + b"tR."))
    assert not mark.exists()


@pytest.mark.parametrize(
    "names", [("archive/DATA.PKL",), ("archive/data.pkl", "archive/data.pkl"), ("archive/Data.pkl", "archive/data.pkl")]
)
@pytest.mark.parametrize("place", [0, -1])
def test_a_long_word_is_found_wherever_torch_may_look(tmp_path: Path, names: tuple[str, ...], place: int) -> None:
    file = tmp_path / "checkpoint.pth"
    contents = [b"\x80\x02}."] * len(names)
    contents[place] = NAME
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # of zipfile, at two parts of one name
        for name, content in zip(names, contents, strict=True):
            archive.writestr(name, content)
        archive.writestr("archive/version", "3\n")
    with pytest.raises(InputError, match=r"cut or damaged \(UnpicklingError\)"):
        read_torch_file(file, str(file), InputError)
