"""A file for Rerun's viewer: every part is in it, and it is whole or not there."""

from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.errors import InputError, MissingLibraryError
from ppkt_zoo.visualization.page import Content
from ppkt_zoo.visualization.rerun_file import save_rerun
from tests.visualization.page.made_up import NAMES, corner


@pytest.fixture
def content() -> Content:
    xyz, rgb, features, labels, boxes = corner(400)
    return Content.of(xyz + np.float64([5e5, 5e6, 0]), rgb, features, (labels, NAMES), boxes, labels)


def test_it_holds_points_colours_classes_clusters_and_boxes(content: Content, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install 'ppkt-zoo[rerun]'")
    path = save_rerun(content, tmp_path / "cloud.rrd", np.arange(400))
    written = path.read_bytes()
    assert written[:3] == b"RRF"
    for part in ("/cloud/color", "/cloud/features", "/cloud/classes", "/cloud/clusters", "/boxes", "/about"):
        assert part.encode() in written, part
    fewer = save_rerun(content, tmp_path / "fewer.rrd", np.arange(0, 400, 10))
    assert fewer.stat().st_size < len(written)


def test_a_place_that_cannot_be_written_is_told(content: Content, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install 'ppkt-zoo[rerun]'")
    (tmp_path / "folder.rrd").mkdir()
    with pytest.raises(InputError, match="folder"):
        save_rerun(content, tmp_path / "folder.rrd", np.arange(400))


def test_without_the_library_the_extra_is_named(
    content: Content, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rerun", None)
    with pytest.raises(MissingLibraryError, match=r"ppkt-zoo\[rerun\]"):
        save_rerun(content, tmp_path / "cloud.rrd", np.arange(400))
    assert not list(tmp_path.iterdir())
