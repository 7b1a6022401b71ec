"""What doctor says of folders of frames: what is missing, and which option mends it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.examine.folder import examine_folder, point_files
from ppkt_zoo.data.examine.report import CloudReport

_K = "50 0 31.5\n0 50 23.5\n0 0 1\n"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Six posed frames before a slanted floor."""
    folder = tmp_path / "my frames"
    folder.mkdir()
    (folder / "camera-intrinsics.txt").write_text(_K)
    v, u = np.mgrid[:48, :64]
    for number in range(6):
        stem = folder / f"frame-{number:06d}"
        Image.fromarray(np.stack([4 * u, 5 * v, u], -1).astype(np.uint8)).save(f"{stem}.color.png")
        Image.fromarray((1500 + 10 * u + 5 * v).astype(np.uint16)).save(f"{stem}.depth.png")
        pose = np.array([[1, 0, 0, 0.1 * number], [0, 0, 1, 0], [0, -1, 0, 1.4], [0, 0, 0, 1]])
        np.savetxt(f"{stem}.pose.txt", pose)
    return folder


def look(folder: Path) -> CloudReport:
    """Without options."""
    return examine_folder(folder, None, "world-z", None)


def odd(report: CloudReport) -> dict[str, str]:
    """Topic → text of all that is not fine."""
    found: dict[str, str] = {}
    for one in report.findings:
        if one.level != "fine":
            found[one.topic] = f"{found.get(one.topic, '')}{one.text} → {one.mend}\n"
    return found


def test_sound_frames_are_fine(frames: Path) -> None:
    report = look(frames)
    assert odd(report) == {}
    assert report.options == []
    text = " ".join(one.text for one in report.findings)
    assert "6 frames of my frames" in text
    assert "64×48, fx 50" in text
    assert "6 of 6 frames that were looked at have a pose" in text


def test_missing_intrinsics_are_named_with_the_option(frames: Path) -> None:
    (frames / "camera-intrinsics.txt").unlink()
    report = look(frames)
    assert "--intrinsics" in odd(report)["frames"]
    assert report.options == ["--intrinsics", "FX,FY,CX,CY"]
    assert report.findings[0].level == "problem"


def test_missing_poses_depth_and_frames_are_told(frames: Path) -> None:
    for pose in frames.glob("*.pose.txt"):
        pose.unlink()
    report = examine_folder(frames, None, "camera-y", None)
    assert "no poses join the frames" in odd(report)["poses"]
    assert report.options == ["--frame", "0"]
    (frames / "frame-000003.depth.png").unlink()
    assert (
        "1 frames have colour and no depth: frame-000003"
        in odd(examine_folder(frames, None, "camera-y", None))["frames"]
    )
    (frames / "frame-000003.color.png").unlink()
    gaps = odd(examine_folder(frames, None, "camera-y", None))["frames"]
    assert "about 1 frames are missing in the numbering" in gaps


def test_depth_in_other_units_is_told(frames: Path) -> None:
    for file in frames.glob("*.depth.png"):
        Image.fromarray(np.asarray(Image.open(file)).astype(np.uint16) * 10).save(file)
    assert "--depth-scale" in odd(look(frames))["depth"]
    assert "depth" not in odd(examine_folder(frames, None, "world-z", 10_000))


def test_intrinsics_of_other_images_are_told(frames: Path) -> None:
    (frames / "camera-intrinsics.txt").write_text("525 0 319.5\n0 525 239.5\n0 0 1\n")
    assert "do these intrinsics belong" in odd(look(frames))["camera"]


def test_damaged_frames_are_counted(frames: Path) -> None:
    (frames / "frame-000002.depth.png").write_bytes(b"\x89PNG")
    assert odd(look(frames))["frames"].startswith("1 of 6 that were looked at cannot be read")


def test_a_folder_of_something_else_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    report = look(tmp_path)
    assert report.findings[0].level == "problem"
    assert "inner" in odd(report)["frames"]


def test_point_files_of_a_folder_are_listed(tmp_path: Path) -> None:
    for name in ("b.ply", "a.GLB", "c.doc"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "d.ply").mkdir()
    assert [one.name for one in point_files(tmp_path)] == ["a.GLB", "b.ply"]


@pytest.mark.parametrize("name", ["seven_scenes_redkitchen", "icl_livingroom"])
def test_real_frames_are_fine(shared: Path, name: str) -> None:
    report = examine_folder(shared / "frames" / name, None, "gravity", None)
    assert odd(report) == {}
