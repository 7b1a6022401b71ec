"""ScanNet's streams: every value as it was written, and every way in which a stream can be broken."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ppkt_zoo.data.readers.registration import register_depth, scale_camera
from ppkt_zoo.data.readers.scannet.sens import SensFrames
from ppkt_zoo.errors import FrameError
from tests.data.frame_folders import POSES, degrees_between, render, turned
from tests.data.scannet_files import COLOR_CAMERA, DEPTH_CAMERA, DEPTH_SIZE, LOST, images, jpeg, sens

HEADER_BYTES = 4 + 8 + 15 + 4 * 64 + 8 + 16 + 4 + 8


def stream(tmp_path, content: bytes):
    path = tmp_path / "scene0000_00.sens"
    path.write_bytes(content)
    return path


def metres(depth: np.ndarray, scale: float = 1000.0) -> np.ndarray:
    return np.where(depth == 65535, 0, depth / scale).astype(np.float32)


def same_camera(**changes) -> dict:
    """Colour and depth of one size from one lens: then nothing is resampled, and every pixel is told exactly."""
    return {"color_size": DEPTH_SIZE, "color_camera": DEPTH_CAMERA, "color_kind": 0, **changes}


@pytest.mark.parametrize("color_kind", [0, 1, 2])
@pytest.mark.parametrize("depth_kind", [0, 1])
def test_every_pixel_of_every_frame(tmp_path, color_kind, depth_kind):
    content = sens(POSES[:3], **same_camera(color_kind=color_kind, depth_kind=depth_kind))
    frames = SensFrames(stream(tmp_path, content))
    assert frames.name == "scene0000_00"
    assert frames.header.sensor == "StructureSensor"
    assert (len(frames), frames.skipped) == (3, ())
    for index in (2, 0, 1):
        frame = frames[index]
        color, depth = images(index, DEPTH_SIZE)
        expected = color if color_kind < 2 else np.array(Image.open(io.BytesIO(jpeg(color))))
        assert np.array_equal(frame.color, expected)
        assert np.array_equal(frame.depth, metres(depth))
        assert np.array_equal(frame.intrinsics, DEPTH_CAMERA[:3, :3])
        assert np.array_equal(frame.pose, POSES[index].astype(np.float32).astype(np.float64))
        assert frame.name == f"scene0000_00/{index}"


def test_the_frame_is_the_colour_camera_at_the_size_of_depth(tmp_path):
    lens = COLOR_CAMERA * [[1.25], [1.25], [1], [1]] - [
        [0, 0, 0.25 * 64.25, 0],
        [0, 0, 0.25 * 48.75, 0],
        [0] * 4,
        [0] * 4,
    ]
    frame = SensFrames(stream(tmp_path, sens(POSES[:2], color_camera=lens)))[1]
    color, depth = images(1)
    decoded = np.array(Image.open(io.BytesIO(jpeg(color))))
    scaled, camera = scale_camera(decoded, np.float32(lens[:3, :3]), DEPTH_SIZE)
    assert np.array_equal(frame.color, scaled)
    assert np.array_equal(frame.intrinsics, camera)
    expected = register_depth(metres(depth), np.float32(DEPTH_CAMERA[:3, :3]), camera, DEPTH_SIZE)
    assert np.array_equal(frame.depth, expected)
    # The colour camera sees less of the scene, so its pixels are others than those of the depth image.
    assert np.mean(frame.depth == metres(depth)) < 0.1


def test_extrinsics_lead_from_each_camera_to_the_frame_of_the_pose(tmp_path):
    """A wall 2 m before the depth camera, seen by a colour camera 0.3 m further back."""
    color_to_base, depth_to_base = np.eye(4), np.eye(4)
    color_to_base[2, 3], depth_to_base[2, 3] = -0.2, 0.1
    wall = np.full(DEPTH_SIZE, 2000, dtype="<u2").tobytes()
    content = sens(
        POSES[:1],
        **same_camera(depth_kind=0, pack_depth=lambda _: wall),
        color_to_base=color_to_base,
        depth_to_base=depth_to_base,
    )
    frame = SensFrames(stream(tmp_path, content))[0]
    seen = frame.depth > 0
    assert seen[10:-10, 10:-10].all()
    np.testing.assert_allclose(frame.depth[seen], 2.3, atol=1e-6)
    np.testing.assert_allclose(frame.pose, POSES[0] @ color_to_base, atol=1e-6)


def test_the_stream_says_its_scale(tmp_path):
    frames = SensFrames(stream(tmp_path, sens(POSES[:1], **same_camera(scale=4000.0))))
    assert np.array_equal(frames[0].depth, metres(images(0)[1], 4000))


def test_frames_of_lost_tracking_are_left_out_and_counted(tmp_path):
    no_number, one_infinite = POSES[1].copy(), POSES[4].copy()
    no_number[1, 2], one_infinite[0, 3] = np.nan, np.inf
    poses = [LOST, no_number, POSES[2], POSES[3], one_infinite, POSES[5]]
    frames = SensFrames(stream(tmp_path, sens(poses, **same_camera())))
    assert frames.skipped == (0, 1, 4)
    assert len(frames) == 3
    for index, number in enumerate((2, 3, 5)):
        assert frames[index].name == f"scene0000_00/{number}"
        assert np.array_equal(frames[index].color, images(number, DEPTH_SIZE)[0])
        np.testing.assert_allclose(frames[index].pose, POSES[number], atol=1e-6)
    with pytest.raises(IndexError):
        frames[3]


def test_a_recording_without_any_pose(tmp_path):
    with pytest.raises(FrameError, match=r"scene0000_00\.sens: all of its 2 frames have lost tracking"):
        SensFrames(stream(tmp_path, sens([LOST, LOST])))
    with pytest.raises(FrameError, match="it has no frames"):
        SensFrames(stream(tmp_path, sens([])))


def test_opening_decodes_nothing(tmp_path):
    content = sens(POSES[:2], pack_color=lambda b: b"x" * len(b), pack_depth=lambda b: b"x" * len(b))
    frames = SensFrames(stream(tmp_path, content))
    assert len(frames) == 2
    with pytest.raises(FrameError, match=r"scene0000_00\.sens, colour of frame 1: .*damaged"):
        frames[1]


def test_a_world_that_is_not_upright_can_be_turned(tmp_path):
    motion = turned()
    content = sens([motion @ pose for pose in POSES[:3]], **same_camera())
    frames = SensFrames(stream(tmp_path, content), up=motion[:3, 2])
    between = frames[0].pose @ np.linalg.inv(POSES[0])
    assert degrees_between(between[:3, 2], np.array([0, 0, 1.0])) < 1e-3
    with pytest.raises(FrameError, match="up must be one of"):
        SensFrames(stream(tmp_path, content), up="sideways")


def test_gravity_is_found_by_the_depth_camera(tmp_path):
    """It is tilted against the colour camera, so that the normals of one with the pose of the other mislead."""
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    motion = turned()
    poses = [motion @ pose @ np.linalg.inv(tilt) for pose in POSES]
    seen = iter([render(pose, DEPTH_CAMERA[:3, :3], DEPTH_SIZE)[1] for pose in POSES])
    content = sens(
        poses,
        **same_camera(pack_depth=lambda _: zlib.compress(np.rint(next(seen) * 1000).astype("<u2").tobytes())),
        depth_to_base=tilt,
    )
    frames = SensFrames(stream(tmp_path, content), up="gravity")
    between = frames[0].pose @ tilt @ np.linalg.inv(POSES[0])
    assert degrees_between(between[:3, 2], np.array([0, 0, 1.0])) < 1


def test_cut_short_anywhere(tmp_path):
    """Whatever is missing, the file is named; only the end of the last frame is a whole stream, an older one."""
    content = sens(POSES[:3])
    last_frame = len(sens(POSES[:3], readings=None))
    heads = [HEADER_BYTES + extra for extra in (-9, -1, 0, 1, 64, 95, 96, 97)]
    lengths = {*range(0, HEADER_BYTES, 7), *heads, *range(HEADER_BYTES, len(content), 1733)}
    lengths |= {last_frame - 1, last_frame, *range(last_frame + 1, len(content), 13)}
    path = stream(tmp_path, b"")
    for length in sorted(lengths):
        path.write_bytes(content[:length])
        if length == last_frame:
            assert len(SensFrames(path)) == 3
            continue
        with pytest.raises(FrameError, match=r"scene0000_00\.sens: this stream is cut short or damaged"):
            SensFrames(path)


def test_a_file_that_shrinks_after_it_was_opened(tmp_path):
    path = stream(tmp_path, sens(POSES[:2], **same_camera()))
    frames = SensFrames(path)
    path.write_bytes(path.read_bytes()[: HEADER_BYTES + 200])
    with pytest.raises(FrameError, match="colour of frame 1: the stream has become shorter"):
        frames[1]
    path.unlink()
    with pytest.raises(FrameError, match="colour of frame 0: the stream cannot be read"):
        frames[0]
    with pytest.raises(FrameError, match=r"scene0000_00\.sens: this stream is missing"):
        SensFrames(path)
    with pytest.raises(FrameError, match="this stream must be a regular file, it is a folder"):
        SensFrames(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 3}, "not a .sens stream of version 4: it begins with version 3"),
        ({"version": 0x46464952}, "begins with version"),
        ({"frames": 4}, "colour of frame 3 takes .* bytes and 168 are left"),
        ({"frames": 2**63}, "the header announces 9223372036854775808 frames"),
        ({"frames": 5000}, "the header announces 5000 frames"),
        ({"announced_color": (0, 64)}, "colour images are 64×0"),
        ({"announced_depth": (48, 2**31)}, "depth images are 2147483648×48"),
        ({"scale": 0.0}, "header is damaged: depth_scale must be a positive number"),
        ({"scale": float("nan")}, "header is damaged: depth_scale"),
        ({"color_camera": np.eye(4) * 0}, "the colour camera is no pinhole matrix"),
        ({"depth_camera": np.full((4, 4), np.nan)}, "the depth camera is no pinhole matrix"),
        ({"color_to_base": np.zeros((4, 4))}, "the extrinsics of colour are no rotation"),
        ({"depth_to_base": np.diag([1.0, 1, -1, 1])}, "the extrinsics of depth are no rotation"),
        ({"depth_to_base": LOST}, "the extrinsics of depth are no rotation"),
        ({"color_kind": 0, "announced_color": (97, 130)}, "colour of frame 0 has 38220 bytes, but .* 130×97 has 37830"),
        ({"depth_kind": 0, "announced_depth": (48, 63)}, "depth of frame 0 has 6144 bytes, but .* 63×48 has 6048"),
    ],
)
def test_a_header_that_cannot_be(tmp_path, changes, says):
    path = stream(tmp_path, sens(POSES[:3], **changes))
    with pytest.raises(FrameError, match=rf"scene0000_00\.sens.*{says}"):
        SensFrames(path)


@pytest.mark.parametrize(("place", "what"), [(0, "colour"), (4, "depth")])
@pytest.mark.parametrize("kind", [-1, 3, 7])
def test_compressions_that_are_not_known(tmp_path, place, what, kind):
    content = bytearray(sens(POSES[:1]))
    at = 4 + 8 + 15 + 4 * 64 + place
    content[at : at + 4] = struct.pack("<i", kind)
    with pytest.raises(FrameError, match=rf"{what} is compressed .*type {kind}"):
        SensFrames(stream(tmp_path, bytes(content)))


def test_occipitals_own_compression_says_what_to_do(tmp_path):
    content = bytearray(sens(POSES[:1]))
    at = 4 + 8 + 15 + 4 * 64 + 4
    content[at : at + 4] = struct.pack("<i", 2)
    with pytest.raises(FrameError, match=r"type 2 \(Occipital's own\), .*: write the stream again with type 1"):
        SensFrames(stream(tmp_path, bytes(content)))


@pytest.mark.parametrize("which", ["the sensor's name", "colour of frame 1", "depth of frame 1", "inertial readings"])
@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 10**9, 100_000])
def test_lengths_beyond_the_file(tmp_path, which, length):
    """A length is believed only where the file is long enough: no memory is taken for it before."""
    content = bytearray(sens(POSES[:2]))
    second = len(sens(POSES[:1], readings=None))
    at = {
        "the sensor's name": 4,
        "colour of frame 1": second + 64 + 16,
        "depth of frame 1": second + 64 + 24,
        "inertial readings": len(sens(POSES[:2], readings=None)),
    }[which]
    content[at : at + 8] = struct.pack("<Q", length)
    with pytest.raises(FrameError, match=f"{which} takes .* bytes and .* are left"):
        SensFrames(stream(tmp_path, bytes(content)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pack_depth": lambda b: b[:-1]}, "depth of frame 0: the compressed image is cut short"),
        ({"pack_depth": lambda b: b[: len(b) // 2]}, "depth of frame 0: the compressed image is cut short"),
        ({"pack_depth": lambda b: b""}, "cut short or of another size: 0 bytes where the header's size needs 6144"),
        ({"pack_depth": lambda b: b[:40] + bytes(8) + b[48:]}, "depth of frame 0: the compressed image is damaged"),
        ({"pack_depth": lambda b: b[:-4] + bytes(4)}, "depth of frame 0: the compressed image is damaged"),
        ({"pack_depth": lambda b: zlib.compress(bytes(6142))}, "6142 bytes where the header's size needs 6144"),
        ({"pack_depth": lambda b: zlib.compress(bytes(10**8))}, "more than 6144 bytes"),
        ({"announced_depth": (48, 65)}, "6144 bytes where the header's size needs 6240"),
        ({"announced_depth": (47, 64)}, "more than 6016 bytes"),
        ({"pack_color": lambda b: b[: len(b) // 2]}, "colour of frame 0: .*cut short or damaged"),
        ({"pack_color": lambda b: b""}, "colour of frame 0: .*cut short or damaged"),
        ({"announced_color": (130, 98)}, "the image is 130×98, but the header announces 98×130"),
        ({"pack_depth": lambda b: zlib.compress(bytes(6144))}, "depth is all holes"),
    ],
)
def test_an_image_that_is_damaged(tmp_path, changes, says):
    frames = SensFrames(stream(tmp_path, sens(POSES[:1], **changes)))
    with pytest.raises(FrameError, match=rf"scene0000_00.*{says}"):
        frames[0]


def test_intrinsics_of_another_size_are_refused(tmp_path):
    small = COLOR_CAMERA.copy()
    small[:2] /= 2
    with pytest.raises(FrameError, match=r"colour image is 130×98, but .* intrinsics of another size"):
        SensFrames(stream(tmp_path, sens(POSES[:1], color_camera=small)))[0]
