"""`data inspect`: the numbers are those of the frames, and the pictures show what is there."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from ppkt_zoo.cli.main import app
from ppkt_zoo.cli.run.frames import describe
from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.fuse import poses_join
from ppkt_zoo.data.statistics import frame_statistics
from ppkt_zoo.errors import FrameError

SIZE = (48, 64)
CAMERA = np.array([[52.5, 0, 31.5], [0, 52.5, 23.5], [0, 0, 1]])


class Known:
    """Walls at known depths; the third frame is damaged."""

    name = "known"
    skipped = ("frame 9 was lost",)
    unmatched = {"color": 2, "depth": 0}  # noqa: RUF012

    def __init__(self, poses: bool = True, labels: bool = True) -> None:
        self._poses, self._labels = poses, labels

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> RGBDFrame:
        if index == 2:
            raise FrameError("known/2: this depth image is cut short")
        depth = np.full(SIZE, 1.0 + index, np.float32)
        depth[:12] = 0  # a quarter
        pose = np.eye(4)
        pose[0, 3] = index
        label = np.full(SIZE, index, np.int16)
        label[:24] = -1
        return RGBDFrame(
            np.zeros((*SIZE, 3), np.uint8),
            depth,
            CAMERA,
            pose if self._poses else None,
            f"known/{index}",
            label if self._labels else None,
        )


def test_a_survey_counts_what_is_there() -> None:
    found = frame_statistics(Known())
    assert found.looked_at == 6
    assert found.readable == [0, 1, 3, 4, 5]
    assert found.damaged == ["known/2: this depth image is cut short"]
    assert found.sizes == {(64, 48): 5}
    assert found.holes == pytest.approx(0.25)
    assert (found.depth_at(0.01), found.depth_at(0.5), found.depth_at(1)) == pytest.approx((1.01, 4.01, 6.01))
    assert [position.tolist() for position in found.positions.values()] == [[x, 0, 0] for x in (0, 1, 3, 4, 5)]
    assert found.labels == dict.fromkeys((0, 1, 3, 4, 5), 24 * 64)
    lines = dict(describe(Known(), found))
    assert lines["cannot be read"] == "known/2: this depth image is cut short"
    assert lines["skipped by the reader"] == "frame 9 was lost"
    assert lines["unmatched by the reader"] == "color: 2"
    assert lines["holes"] == "25.0 % of pixels"
    assert "a path of 5.0 m" in lines["poses"]
    assert lines["labels"] == "5 classes on 50 % of pixels of labelled frames"


def test_without_poses_and_labels_it_says_so() -> None:
    bare = Known(poses=False, labels=False)
    lines = dict(describe(bare, frame_statistics(bare)))
    assert lines["poses"] == "none"
    assert "labels" not in lines
    assert not poses_join(bare)
    assert poses_join(Known())


def inspect(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["data", "inspect", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def kitchen(shared: Path) -> Path:
    return shared / "frames" / "seven_scenes_redkitchen"


def test_the_command_on_a_real_sequence(kitchen: Path, tmp_path: Path) -> None:
    result = inspect(kitchen, "--out", tmp_path / "out", "--every", 20)
    assert "SevenScenes: 100 frames" in result.output
    assert "640×480" in result.output
    for name in ("sheet.png", "map.png"):
        picture = np.asarray(Image.open(tmp_path / "out" / name).convert("RGB"))
        assert (picture != 255).mean() > 0.1


def test_a_folder_without_poses_gets_the_map_of_one_frame(shared: Path, tmp_path: Path) -> None:
    result = inspect(
        shared / "frames" / "mosd", "-o", tmp_path / "out", "--every", 33, "--intrinsics", "570,570,320,240"
    )
    assert "alone, since no poses join the frames" in result.output
    assert "they join no frames" in result.output
    assert (tmp_path / "out" / "map.png").is_file()


def test_what_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    assert "no frames in a known format" in inspect(tmp_path, code=2).stderr
    assert "no such folder" in inspect(tmp_path / "none", code=2).stderr
