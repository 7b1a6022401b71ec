"""The readers: each layout as published, the real folders, and every way in which a folder can be broken."""

import shutil

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.readers.images import read_color, read_depth, read_ids
from ppkt_zoo.data.readers.open import open_frames
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.data.readers.plain import PlainFrames
from ppkt_zoo.data.readers.seven_scenes import PUBLISHED_INTRINSICS, SevenScenes
from ppkt_zoo.errors import FrameError, LostFrameError
from tests.data.frame_folders import (
    CAMERA,
    HEIGHT,
    POSES,
    WIDTH,
    degrees_between,
    object_ids,
    open3d,
    plain,
    render,
    seven_scenes,
)
from tests.data.frame_folders import turned as some_motion

MOSD_CAMERA = (525, 525, 319.5, 239.5)
POSED = [(SevenScenes, seven_scenes), (Open3DFolder, open3d)]


def same_depth(frame, pose):
    np.testing.assert_allclose(frame.depth, render(pose)[1], atol=0.00051)


@pytest.mark.parametrize(("reader", "make"), POSED)
def test_reads_what_was_written(tmp_path, reader, make):
    frames = reader(make(tmp_path / "room"), up="world-z")
    assert len(frames) == len(POSES)
    assert frames.name == "room"
    for index, pose in enumerate(POSES):
        frame = frames[index]
        assert np.array_equal(frame.color, render(pose)[0])
        same_depth(frame, pose)
        np.testing.assert_allclose(frame.pose, pose, atol=1e-6)
        assert np.array_equal(frame.intrinsics, CAMERA)
        assert frame.label is None
        assert frame.name.startswith("room/")


@pytest.mark.parametrize(("reader", "make"), POSED)
@pytest.mark.parametrize("up", ["gravity", "camera-y", "vector"])
def test_poses_lead_to_a_world_with_z_up(tmp_path, reader, make, up):
    """The world is turned as a whole: distances stay, up becomes +z, the first camera looks to +y."""
    motion = some_motion()
    frames = reader(make(tmp_path / "room", world=motion), up=motion[:3, 2] if up == "vector" else up)
    poses = [frames[index].pose for index in range(len(frames))]
    between = np.stack([pose @ np.linalg.inv(true) for pose, true in zip(poses, POSES, strict=True)])
    np.testing.assert_allclose(between, between[:1].repeat(len(between), axis=0), atol=1e-5)
    tolerance = {"gravity": 1.0, "camera-y": 15.0, "vector": 1e-3}[up]
    assert degrees_between(between[0, :3, 2], np.array([0, 0, 1.0])) < tolerance
    assert abs(poses[0][0, 2]) < 1e-6
    assert poses[0][1, 2] > 0


def test_camera_y_of_a_level_camera_is_its_own_up(tmp_path):
    frames = Open3DFolder(open3d(tmp_path / "room", poses=POSES[:1]), up="camera-y")
    np.testing.assert_allclose(frames[0].pose[:3, 1], [0, 0, -1], atol=1e-9)


def test_listing_reads_no_image(tmp_path, monkeypatch):
    from ppkt_zoo.data.readers import images

    folder = seven_scenes(tmp_path / "room")
    monkeypatch.setattr(images, "_read", lambda *_: pytest.fail("an image was read"))
    assert len(SevenScenes(folder)) == len(POSES)


def test_a_scene_of_several_sequences(tmp_path):
    seven_scenes(tmp_path / "kitchen/seq-02", suffix=".jpg", poses=POSES[:2])
    seven_scenes(tmp_path / "kitchen/seq-10", poses=POSES[2:3])
    shutil.move(tmp_path / "kitchen/seq-02/camera-intrinsics.txt", tmp_path / "kitchen/camera-intrinsics.txt")
    frames = open_frames(tmp_path / "kitchen", up="world-z")
    assert isinstance(frames, SevenScenes)
    assert [frames[i].name for i in range(3)] == [
        f"kitchen/{stem}" for stem in ("seq-02/frame-000000", "seq-02/frame-000001", "seq-10/frame-000000")
    ]
    same_depth(frames[2], POSES[2])
    # One sequence alone finds the intrinsics of its scene.
    assert np.array_equal(SevenScenes(tmp_path / "kitchen/seq-02", up="world-z")[0].intrinsics, CAMERA)


def test_holes(tmp_path):
    """0 and 65535 are both holes, as 7-Scenes writes them; the scale is the argument's."""
    stored = np.array([[0, 65535, 1000], [1, 5000, 65534]], dtype=np.uint16)
    Image.fromarray(stored).save(tmp_path / "depth.png")
    expected = np.array([[0, 0, 1], [0.001, 5, 65.534]], dtype=np.float32)
    np.testing.assert_allclose(read_depth(tmp_path / "depth.png"), expected)
    np.testing.assert_allclose(read_depth(tmp_path / "depth.png", 5000), expected / 5, rtol=1e-6)
    for scale in (0, -1, np.nan):
        with pytest.raises(FrameError, match="depth_scale"):
            read_depth(tmp_path / "depth.png", scale)


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA", "P", "CMYK"])
def test_colour_in_other_modes_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(render(POSES[0])[0]).convert(mode)
    name = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(name)
    color = read_color(name)
    assert color.shape == (HEIGHT, WIDTH, 3)
    assert color.dtype == np.uint8


def test_images_of_the_wrong_kind(tmp_path):
    color, depth = render(POSES[0])
    Image.fromarray(color).save(tmp_path / "color.png")
    Image.fromarray((depth * 1000).astype(np.uint16)).save(tmp_path / "depth.png")
    Image.fromarray(color[..., 0]).save(tmp_path / "grey.png")
    for path, read, says in [
        ("color.png", read_depth, "depth must be a one-channel 16-bit PNG"),
        ("grey.png", read_depth, "save depth as uint16 millimetres"),
        ("depth.png", read_color, "colour must be an 8-bit image"),
        ("color.png", read_ids, "ids must be a one-channel image"),
    ]:
        with pytest.raises(FrameError, match=rf"{path}: .*{says}"):
            read(tmp_path / path)


@pytest.mark.parametrize(
    ("name", "read"), [("color.jpg", read_color), ("color.png", read_color), ("depth.png", read_depth)]
)
def test_an_image_cut_short_is_never_another_image(tmp_path, name, read):
    color, depth = render(POSES[0])
    Image.fromarray(color if read is read_color else (depth * 1000).astype(np.uint16)).save(tmp_path / name)
    content, whole = (tmp_path / name).read_bytes(), read(tmp_path / name)
    for length in sorted({*range(0, len(content), 37), *range(len(content) - 30, len(content))}):
        (tmp_path / name).write_bytes(content[:length])
        try:
            found = read(tmp_path / name)
        except FrameError as error:
            named = str(tmp_path / name) in str(error)
            assert named, error  # noqa: PT017
            continue
        assert np.array_equal(found, whole)
    (tmp_path / name).write_bytes(b"no image at all")
    with pytest.raises(FrameError, match="cut short or damaged"):
        read(tmp_path / name)


@pytest.mark.parametrize("part", ["color.png", "depth.png", "pose.txt"])
def test_seven_scenes_names_the_missing_file(tmp_path, part):
    folder = seven_scenes(tmp_path / "room")
    (folder / f"frame-000002.{part}").unlink()
    frames = SevenScenes(folder)
    assert len(frames) == len(POSES)
    with pytest.raises(FrameError, match=r"frame-000002\.(color\.jpg|depth\.png|pose\.txt): this .* is missing"):
        frames[2]
    assert frames[3].name == "room/frame-000003"


@pytest.mark.parametrize("part", ["image", "depth"])
def test_open3d_names_the_missing_file(tmp_path, part):
    folder = open3d(tmp_path / "room")
    (folder / part / "00002.png").unlink()
    frames = Open3DFolder(folder)
    with pytest.raises(FrameError, match=rf"{part}.00002\.(jpg|png): this .* is missing"):
        frames[2]
    same_depth(frames[3], POSES[3])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("1 0 0 0\n0 1 0 0\n0 0 1", "holds 11: it is cut short"),
        ("", "holds 0"),
        ("1 0 0 0\n0 1 0 0\n0 0 one 0\n0 0 0 1", "something that is no number"),
        ("nan " * 16, "tracking was lost"),
        ("-1.#IND " * 16, "tracking was lost"),
        ("1.#QNAN\n" * 12, "tracking was lost"),
        ("-nan(ind), " * 16, "tracking was lost"),
        ("0 0 0 0\n" * 3 + "0 0 0 1", r"but zeros \(tracking was lost"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n1 2 3 1", "its last row 0 0 0 1"),
        ("1_0 0 0 0\n" * 4, "something that is no number"),
        ("2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1", "not a rotation"),
    ],
)
def test_damaged_poses(tmp_path, content, says):
    folder = seven_scenes(tmp_path / "room")
    (folder / "frame-000001.pose.txt").write_text(content)
    frames = SevenScenes(folder)
    with pytest.raises(FrameError, match=says) as caught:
        frames[1]
    assert "frame-000001" in str(caught.value)
    assert frames[2].pose is not None


def test_an_infinite_pose_is_refused_and_passed_over_by_gravity(tmp_path):
    folder = seven_scenes(tmp_path / "room")
    (folder / "frame-000000.pose.txt").write_text("-inf " * 16)
    frames = SevenScenes(folder)
    with pytest.raises(FrameError, match=r"frame room/frame-000000: pose has NaN or infinity"):
        frames[0]
    assert degrees_between(frames[1].pose[:3, :3].T[:, 2], POSES[1][2, :3]) < 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("585 0 320\n0 585 240", "holds 6: it is cut short"),
        ("-585 0 320\n0 585 240\n0 0 1", "no pinhole matrix"),
        ("nan 0 320\n0 585 240\n0 0 1", "no pinhole matrix"),
        ("585 0 0\n0 585 0\n320 240 1", "no pinhole matrix"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_damaged_intrinsics(tmp_path, content, says):
    folder = seven_scenes(tmp_path / "room")
    (folder / "camera-intrinsics.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FrameError, match=rf"camera-intrinsics\.txt.*{says}"):
        SevenScenes(folder)


@pytest.mark.parametrize("make", [seven_scenes, plain])
def test_missing_intrinsics_name_the_file_and_the_argument(tmp_path, make):
    folder = make(tmp_path / "room")
    (folder / "camera-intrinsics.txt").unlink()
    with pytest.raises(FrameError, match=r"camera-intrinsics\.txt: this intrinsics file is missing.*intrinsics=\(fx"):
        open_frames(folder)
    for given in (CAMERA, tuple(CAMERA[[0, 1, 0, 1], [0, 1, 2, 2]]), CAMERA.tolist()):
        assert np.array_equal(open_frames(folder, intrinsics=given)[0].intrinsics, CAMERA)
    assert SevenScenes.__doc__ is not None
    assert len(PUBLISHED_INTRINSICS) == 4


@pytest.mark.parametrize("given", [(525, 525), "primesense", np.zeros((3, 3)), [[1, 2], [3]], (0, 525, 320, 240)])
def test_refuses_intrinsics(tmp_path, given):
    with pytest.raises(FrameError, match="intrinsics"):
        PlainFrames(plain(tmp_path / "room"), intrinsics=given)


@pytest.mark.parametrize("given", ["down", None, (0, 0), (0, 0, 0), (0, np.nan, 1), "none"])
def test_refuses_up(tmp_path, given):
    with pytest.raises(FrameError, match="up must be one of 'gravity', 'camera-y', 'world-z'"):
        SevenScenes(seven_scenes(tmp_path / "room"), up=given)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: "\n".join(text.splitlines()[:25]), "5 poses for 12 frames: 7 images have none: .* cut short"),
        (lambda text: "", "0 poses for 12 frames"),
        (lambda text: text.replace("3 3 4", "3 3"), "pose 3 .* should begin with a line of 3 frame indices"),
        (lambda text: text.replace("0.00000000 0.00000000 0.00000000 1.00000000", "0 0 0", 1), "pose 0 .* 4 rows of 4"),
        (lambda text: text.replace("1.00000000", "one", 1), "something that is no number"),
    ],
)
def test_damaged_trajectories(tmp_path, change, says):
    log = open3d(tmp_path / "room") / "trajectory.log"
    log.write_text(change(log.read_text()))
    with pytest.raises(FrameError, match=rf"trajectory\.log: .*{says}"):
        Open3DFolder(tmp_path / "room")


def test_a_missing_trajectory_and_missing_folders(tmp_path):
    folder = open3d(tmp_path / "room", color_folder="color")
    assert len(open_frames(folder)) == len(POSES)
    (folder / "trajectory.log").unlink()
    with pytest.raises(FrameError, match=r"trajectory\.log: this trajectory is missing"):
        open_frames(folder)
    shutil.rmtree(folder / "color")
    with pytest.raises(FrameError, match=r"image: this folder of colour images is missing"):
        open_frames(folder)
    second = open3d(tmp_path / "second")
    shutil.rmtree(second / "depth")
    with pytest.raises(FrameError, match=r"depth: no such folder"):
        open_frames(second)


def test_open3d_names_with_time_stamps(tmp_path):
    """Redwood's names: the number of the frame, then a time of its own for colour and for depth."""
    folder = open3d(tmp_path / "room")
    for index in range(len(POSES)):
        (folder / f"image/{index:05d}.png").rename(folder / f"image/{index + 1:07d}-{index * 33_000:012d}.png")
        (folder / f"depth/{index:05d}.png").rename(folder / f"depth/{index + 1:07d}-{index * 34_000:012d}.png")
    frames = Open3DFolder(folder, up="world-z")
    assert len(frames) == len(POSES)
    for index in (0, 11):
        same_depth(frames[index], POSES[index])
    shutil.copy(folder / "image/0000001-000000000000.png", folder / "image/0000001-000000000009.png")
    with pytest.raises(FrameError, match="both frame 0000001"):
        Open3DFolder(folder)


def test_open3d_default_camera_is_for_its_own_size_only(tmp_path):
    folder = open3d(tmp_path / "room")
    (folder / "camera.json").unlink()
    with pytest.raises(FrameError, match=r"64×48, but the default intrinsics are for 640×480.*camera\.json"):
        Open3DFolder(folder, up="world-z")[0]
    assert np.array_equal(Open3DFolder(folder, intrinsics=CAMERA)[0].intrinsics, CAMERA)


@pytest.mark.parametrize(
    "content", ['{"width": 64', '{"width": 64}', "[1, 2]", '{"intrinsic_matrix": [1, 2, 3]}', '{"intrinsic_matrix": 5}']
)
def test_damaged_camera_json(tmp_path, content):
    folder = open3d(tmp_path / "room")
    (folder / "camera.json").write_text(content)
    with pytest.raises(FrameError, match=r"camera\.json: this intrinsics file"):
        Open3DFolder(folder)


@pytest.mark.parametrize("make", [seven_scenes, open3d, plain])
def test_colour_and_depth_of_different_size(tmp_path, make):
    folder = make(tmp_path / "room")
    for path in folder.rglob("*.png"):
        if "depth" in path.as_posix().removeprefix(tmp_path.as_posix()):
            Image.fromarray(np.array(Image.open(path))[:24]).save(path)
    with pytest.raises(FrameError, match="colour is 64×48 but depth is 64×24, and no mapping"):
        open_frames(folder, up="gravity" if make is plain else "world-z")[0]


def test_plain_frames_and_their_objects(tmp_path):
    frames = open_frames(plain(tmp_path / "tabletop"))
    assert isinstance(frames, PlainFrames)
    assert [frames[i].name for i in range(3)] == ["tabletop/test1", "tabletop/test2", "tabletop/test10"]
    frame = frames[2]
    ids = object_ids(frame.depth)
    assert np.array_equal(frame.instance, ids)
    assert frame.label.dtype == np.int16
    assert [set(frame.label[ids == i]) for i in (0, 1, 2, 7)] == [{-1}, {0}, {1}, {1}]
    up = frame.pose[:3, :3].T @ [0, 0, 1]
    assert degrees_between(up, POSES[2][2, :3]) < 1.5
    assert np.array_equal(frame.pose[:3, 3], np.zeros(3))


def test_frames_named_as_in_7_scenes_without_any_pose_find_their_up_each_by_itself(tmp_path):
    folder = seven_scenes(tmp_path / "desk")
    for pose in folder.glob("*.pose.txt"):
        pose.unlink()
    frames = open_frames(folder, intrinsics=CAMERA)
    assert isinstance(frames, PlainFrames)
    assert degrees_between(frames[2].pose[:3, :3].T @ [0, 0, 1], POSES[2][2, :3]) < 1.5


def test_plain_frames_without_ids_and_other_ways_up(tmp_path):
    folder = plain(tmp_path / "own", ids=False)
    assert PlainFrames(folder)[0].label is None
    assert PlainFrames(folder)[0].instance is None
    assert PlainFrames(folder, up="none")[0].pose is None
    level = PlainFrames(folder, up="camera-y")[0].pose
    np.testing.assert_allclose(level[:3, :3] @ [0, -1, 0], [0, 0, 1], atol=1e-12)
    given = PlainFrames(folder, up=(0, -1, -1))[0].pose
    np.testing.assert_allclose(given[:3, :3] @ [0, -1, -1], [0, 0, np.sqrt(2)], atol=1e-12)
    with pytest.raises(FrameError, match="'none'"):
        PlainFrames(folder, up="world-z")


def test_plain_frames_with_poses(tmp_path):
    folder = plain(tmp_path / "own", poses=True)
    frames = PlainFrames(folder, up="world-z")
    np.testing.assert_allclose(frames[2].pose, POSES[2], atol=1e-12)
    (folder / "test2.pose.txt").unlink()
    frames = PlainFrames(folder, up="world-z")
    with pytest.raises(LostFrameError, match=r"test2\.pose\.txt: this pose is missing"):
        frames[1]
    np.testing.assert_allclose(frames[2].pose, POSES[2], atol=1e-12)
    (folder / "test10.pose.txt").unlink()
    with pytest.raises(FrameError, match=r"test2\.pose\.txt: this pose is missing \(2 of 3 frames"):
        PlainFrames(folder)


def test_plain_frame_without_surfaces(tmp_path):
    folder = plain(tmp_path / "own")
    depth = np.zeros((HEIGHT, WIDTH), dtype=np.uint16)
    Image.fromarray(depth).save(folder / "test1.depth.png")
    with pytest.raises(FrameError, match="frame own/test1: too few surfaces"):
        PlainFrames(folder)[0]
    with pytest.raises(FrameError, match="frame own/test1: depth is all holes"):
        PlainFrames(folder, up="none")[0]


def test_folders_without_frames(tmp_path):
    with pytest.raises(FrameError, match="no such folder"):
        open_frames(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    with pytest.raises(FrameError, match="this is a file"):
        open_frames(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FrameError, match=r"empty: no frames in a known format: .*Open3D"):
        open_frames(tmp_path / "empty")
    for reader, says in [
        (SevenScenes, "no frames of 7-Scenes"),
        (PlainFrames, "no frames here"),
        (Open3DFolder, "image"),
    ]:
        with pytest.raises(FrameError, match=says):
            reader(tmp_path / "empty")
    for name in ("image", "depth"):
        (tmp_path / "empty" / name).mkdir()
    with pytest.raises(FrameError, match="no images in image/ nor in depth/"):
        Open3DFolder(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "reader", "frames", "first"),
    [
        ("seven_scenes_redkitchen", SevenScenes, 100, "frame-000000"),
        ("icl_livingroom", Open3DFolder, 211, "00000"),
        ("mosd", PlainFrames, 99, "learn0"),
    ],
)
def test_real_folders(shared, name, reader, frames, first):
    source = open_frames(shared / "frames" / name, intrinsics=MOSD_CAMERA if reader is PlainFrames else None)
    assert isinstance(source, reader)
    assert (source.name, len(source)) == (name, frames)
    assert source[0].name == f"{name}/{first}"
    for index in (0, frames // 2, frames - 1):
        frame = source[index]
        assert frame.color.shape == (480, 640, 3)
        assert 0.5 < np.median(frame.depth[frame.depth > 0]) < 4
        assert frame.intrinsics[0, 0] == (585 if reader is SevenScenes else 525)
        assert (frame.label is not None) == (reader is PlainFrames)
    if reader is PlainFrames:
        with pytest.raises(FrameError, match=r"mosd.camera-intrinsics\.txt.*intrinsics="):
            open_frames(shared / "frames" / name)
        assert set(np.unique(frame.label)) == {-1, 0, 1}
        assert not frame.depth[frame.instance == 0].any()


def test_neighbouring_real_frames_see_the_same_surface(shared):
    """A kitchen frame's points, seen from the next frame's pose, have the depth that was measured there."""
    from ppkt_zoo.points.back_projection import back_project

    source = SevenScenes(shared / "frames/seven_scenes_redkitchen")
    one, other = source[50], source[51]
    xyz, _ = back_project(one.depth, one.intrinsics, one.pose, stride=8)
    camera = (xyz - other.pose[:3, 3]) @ other.pose[:3, :3]
    u, v = np.rint((camera[:, :2] / camera[:, 2:]) * 585 + [320, 240]).astype(int).T
    inside = (camera[:, 2] > 0) & (u >= 0) & (u < 640) & (v >= 0) & (v < 480)
    measured = other.depth[v[inside], u[inside]]
    off = np.abs(measured - camera[inside, 2])[measured > 0]
    assert len(off) > 500
    assert np.median(off) < 0.03
