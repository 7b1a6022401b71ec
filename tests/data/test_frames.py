"""RGBDFrame at the entrance, a selection of frames, and frames fused into one cloud."""

import warnings

import numpy as np
import pytest

from ppkt_zoo.data.frames import RGBDFrame
from ppkt_zoo.data.fuse import fuse
from ppkt_zoo.data.readers.open3d_folder import Open3DFolder
from ppkt_zoo.data.subset import Subset, natural_key
from ppkt_zoo.errors import FrameError, InputError
from tests.data.frame_folders import CAMERA, HIGH, LOW, POSES, object_ids, render


def arrays(pose: np.ndarray | None = POSES[0], labelled: bool = False) -> dict:
    color, depth = render(POSES[0] if pose is None else pose)
    given = {"color": color, "depth": depth.astype(np.float32), "intrinsics": CAMERA, "pose": pose, "name": "one"}
    if labelled:
        ids = object_ids(depth).astype(np.int32)
        given |= {"label": (ids % 3 - 1).astype(np.int16), "instance": ids}
    return given


class Frames:
    """Frames in memory as a source."""

    name = "memory"

    def __init__(self, frames):
        self.frames = frames

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        return self.frames[index]


ROOM = Frames([RGBDFrame(**arrays(pose, labelled=True)) for pose in POSES])


def test_a_whole_frame_and_a_bare_one():
    assert RGBDFrame(**arrays(labelled=True)).label.dtype == np.int16
    assert RGBDFrame(**arrays(pose=None)).label is None


def moved(metres):
    """What is added to a pose to move it along x."""
    return metres * np.eye(4)[:, :1] @ np.eye(4)[3:]


def changed(field, change):
    given = arrays(labelled=True)
    given[field] = change(given[field])
    return given


@pytest.mark.parametrize(
    ("field", "change", "says"),
    [
        ("color", lambda a: a[:-1], r"colour is 64×47 but depth is 64×48.*register"),
        ("color", lambda a: a[..., 0], r"color must have shape \(any, any, 3\)"),
        ("color", lambda a: a / 255, "color must be a uint8 array, got float64"),
        ("color", lambda a: a.tolist(), "color must be a uint8 array, got list"),
        ("color", lambda a: a[:0], "shape"),
        ("depth", lambda a: (a * 1000).astype(np.uint16), "depth must be a float32 array, got uint16"),
        ("depth", lambda a: a.astype(np.float64), "depth must be a float32 array"),
        ("depth", lambda a: a * 0, "depth is all holes"),
        ("depth", lambda a: a * np.float32(np.nan), "write holes as 0"),
        ("depth", lambda a: -a, "write holes as 0"),
        ("intrinsics", lambda a: None, "intrinsics must be a float64 array, got NoneType"),
        ("intrinsics", lambda a: a[:2], "intrinsics must have shape"),
        ("intrinsics", lambda a: -a, "positive focal lengths"),
        ("intrinsics", lambda a: a * np.nan, "positive focal lengths"),
        ("pose", lambda a: a[:3], "pose must have shape"),
        ("pose", lambda a: a.astype(np.float32), "pose must be a float64 array"),
        ("pose", lambda a: a * np.nan, "NaN or infinity.*tracking was lost"),
        ("pose", lambda a: a * 2, "not a rotation"),
        ("pose", lambda a: a * np.array([1, 1, -1, 1]), "not a rotation"),
        ("pose", lambda a: a + moved(1e30), r"pose lies 1e\+30 m from"),
        ("pose", lambda a: a + moved(-1e300), r"pose lies 1e\+300 m from"),
        ("pose", lambda a: a + moved(4.5e6), r"pose lies 4.5e\+06 m from.*take the same offset"),
        ("depth", lambda a: a * np.float32(1e30), r"lead to points .*e\+30 m away: is depth_scale"),
        ("intrinsics", lambda a: a * [[1e-300], [1], [1]], r"lead to points .* m away.*intrinsics in pixels"),
        ("intrinsics", lambda a: a + 1e300 * np.eye(3)[:, :1] @ np.eye(3)[2:], "lead to points"),
        ("label", lambda a: a.astype(np.int64), "label must be a int16 array"),
        ("label", lambda a: a[:, :-1], "label must have shape"),
        ("instance", lambda a: a.astype(np.uint8), "instance must be a int32 array"),
        ("instance", lambda a: a[None], "instance must have shape"),
    ],
)
def test_refuses(field, change, says):
    with pytest.raises(FrameError, match=rf"frame one: .*{says}|frame one: {says}"):
        RGBDFrame(**changed(field, change))


def test_natural_order():
    names = ["test10", "test9", "a", "test9b", "frame-000100", "frame-000020", "10", "9"]
    expected = ["9", "10", "a", "frame-000020", "frame-000100", "test9", "test9b", "test10"]
    assert sorted(names, key=natural_key) == expected


def test_a_selection_is_a_source():
    some = Subset(ROOM, [7, 2])
    assert (some.name, len(some), some[0], some[1]) == ("memory", 2, ROOM[7], ROOM[2])
    assert [frame.pose[0, 3] for frame in (Subset(ROOM, slice(1, None, 4))[i] for i in range(3))] == [
        POSES[i][0, 3] for i in (1, 5, 9)
    ]
    assert Subset(some, np.array([1]))[0] is ROOM[2]
    for wrong in (12, -1):
        with pytest.raises(FrameError, match=f"memory has frames 0 to 11, there is no frame {wrong}"):
            Subset(ROOM, [0, wrong])


def test_fused_points_lie_on_the_walls():
    # An edge that does not divide the room: its walls lie within voxels.
    cloud = fuse(ROOM, voxel=0.047)
    assert cloud.xyz.dtype == np.float32
    off = np.minimum(np.abs(cloud.xyz - LOW), np.abs(cloud.xyz - HIGH)).min(axis=1)
    # Where a voxel holds an edge, the mean lies between two walls.
    assert np.quantile(off, 0.9) < 1e-3
    assert off.max() < 0.047
    assert (cloud.xyz > LOW - 1e-3).all()
    assert (cloud.xyz < HIGH + 1e-3).all()
    expected = np.clip(60 + 40 * cloud.xyz, 0, 255)
    assert np.abs(cloud.rgb - expected).max() < 4
    cells = np.floor(cloud.xyz.astype(np.float64) / 0.047)
    # The floor stands on the border of two layers of voxels, where rounding may go either way.
    above = cells[cloud.xyz[:, 2] > 1e-3]
    assert len(np.unique(above, axis=0)) == len(above)


def test_fused_clouds_do_not_depend_on_the_order():
    one, other = fuse(ROOM, range(12), voxel=0.1), fuse(ROOM, [5, *range(11, 5, -1), *range(5)], voxel=0.1)
    for left, right in zip(one, other, strict=True):
        assert np.array_equal(left, right)


def test_a_fused_voxel_by_hand():
    """Four pixels in one voxel: mean position and colour, the label of most."""
    depth = np.full((2, 2), 1.0, dtype=np.float32)
    color = np.array([[[10, 0, 255], [20, 0, 255]], [[30, 0, 255], [41, 1, 255]]], dtype=np.uint8)
    camera = np.array([[1000.0, 0, -5], [0, 1000.0, -5], [0, 0, 1]])
    label = np.array([[2, 2], [1, -1]], dtype=np.int16)
    frame = RGBDFrame(color, depth, camera, np.eye(4), "tiny", label)
    cloud = fuse(Frames([frame]), voxel=0.5)
    np.testing.assert_allclose(cloud.xyz, [[0.0055, 0.0055, 1.0]], atol=1e-6)
    assert cloud.rgb.tolist() == [[25, 0, 255]]
    assert cloud.label.tolist() == [2]


def test_votes_for_labels():
    def label_of(*labels):
        depth = np.ones((1, len(labels)), dtype=np.float32)
        camera = np.array([[1000.0, 0, -5], [0, 1000.0, -5], [0, 0, 1]])
        color = np.zeros((1, len(labels), 3), dtype=np.uint8)
        return RGBDFrame(color, depth, camera, np.eye(4), "tiny", np.array([labels], dtype=np.int16))

    def fused(*frames):
        return fuse(Frames(frames), voxel=0.5).label.tolist()

    assert fused(label_of(3, 1, 1), label_of(3, 3)) == [3]
    assert fused(label_of(3, 1), label_of(1, 3)) == [1]
    assert fused(label_of(-1, -1, -1, 4)) == [4]
    assert fused(label_of(-1)) == [-1]


def test_fused_without_labels_strided_and_near():
    plain = Frames([RGBDFrame(**arrays(pose)) for pose in POSES[:2]])
    assert fuse(plain).label is None
    assert len(fuse(plain, stride=3).xyz) < len(fuse(plain).xyz) / 4
    near = fuse(plain, far=2.0, voxel=0.01)
    assert 0 < len(near.xyz) < len(fuse(plain, voxel=0.01).xyz)
    assert max(np.abs((near.xyz - p[:3, 3]) @ p[:3, 2]).min() for p in POSES[:2]) < 2.0
    with pytest.raises(FrameError, match=r"nothing to fuse.*far=0\.1"):
        fuse(plain, far=0.1)


def test_fuse_refuses():
    with pytest.raises(FrameError, match="frame one: it has no pose"):
        fuse(Frames([RGBDFrame(**arrays(pose=None))]))
    with pytest.raises(FrameError, match="memory: nothing to fuse"):
        fuse(ROOM, [])
    for voxel in (0, -1, np.nan):
        with pytest.raises(InputError, match="voxel must be a positive edge"):
            fuse(ROOM, voxel=voxel)
    far_away = arrays()
    far_away["pose"] = POSES[0] + moved(1e5)
    with pytest.raises(InputError, match="frame one: points lie over 1048576 voxels"):
        fuse(Frames([RGBDFrame(**far_away)]), voxel=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="points lie over 1048576 voxels"):
            fuse(ROOM, voxel=1e-300)


def test_the_real_living_room(shared):
    frames = Open3DFolder(shared / "frames/icl_livingroom")
    cloud = fuse(frames, range(0, len(frames), 50), voxel=0.02, stride=2)
    assert 15_000 < len(cloud.xyz) < 60_000
    # The walls of a room are planes: few voxels hold most of the floor's height.
    heights = np.bincount(((cloud.xyz[:, 2] - cloud.xyz[:, 2].min()) / 0.02).astype(int))
    assert heights.max() > 5 * np.median(heights[heights > 0])


def test_the_points_of_a_frame_keep_their_colours_and_pixels():
    frame = RGBDFrame(**arrays())
    xyz, rgb, pixel = frame.points(stride=3)
    u, v = pixel.T
    assert (u % 3 == 0).all()
    assert (v % 3 == 0).all()
    np.testing.assert_array_equal(rgb, frame.color[v, u])
    seen = np.linalg.inv(frame.pose) @ np.column_stack([xyz, np.ones(len(xyz))]).T
    np.testing.assert_allclose(seen[2], frame.depth[v, u], atol=1e-4)
    np.testing.assert_allclose((CAMERA @ seen[:3] / seen[2])[:2], pixel.T, atol=1e-2)


def test_the_points_of_a_frame_without_pose_lie_before_the_camera():
    frame = RGBDFrame(**arrays(pose=None))
    xyz, _, pixel = frame.points()
    np.testing.assert_array_equal(xyz[:, 2], frame.depth[pixel[:, 1], pixel[:, 0]])
