"""7-Scenes (Shotton et al. 2013): Kinect frames with the poses of KinectFusion."""

from pathlib import Path

from ppkt_zoo.data.gravity import WORLD_UP, Up, check_up
from ppkt_zoo.data.readers.cameras import Intrinsics, camera_of, given_camera
from ppkt_zoo.data.readers.posed import NamedFrames
from ppkt_zoo.data.subset import check_name, entries, natural_key
from ppkt_zoo.errors import FrameError

# What the page of 7-Scenes states for all of its sequences, which come without an intrinsics file.
PUBLISHED_INTRINSICS = (585.0, 585.0, 320.0, 240.0)
_SEVEN_PARTS = (".color.png", ".color.jpg", ".color.jpeg", ".depth.png", ".pose.txt")


class SevenScenes(NamedFrames):
    """7-Scenes (Glocker et al., ISMAR 2013): a sequence (``frame-NNNNNN.color.png``), or ``seq-NN`` folders of a scene.

    The published colour and depth are from two lenses and not registered; they are read as if they were.

    Args:
        folder: a sequence's folder, or a scene's (all sequences of a scene share one world).
        intrinsics: (3, 3) or (fx, fy, cx, cy); by default ``camera-intrinsics.txt`` in the folder or in
            the one above. The published sequences have none: give ``PUBLISHED_INTRINSICS``.
        up: how the world is turned to z up: ``"gravity"`` (from depth normals), ``"camera-y"`` (mean up of
            the cameras), ``"world-z"`` (poses as stored), or the up direction in the stored world.
        depth_scale: stored units in a metre.

    Raises:
        FrameError: no such folder, no frames in it, or no intrinsics; frames are checked when they are read.
    """

    def __init__(
        self, folder: Path | str, intrinsics: Intrinsics | None = None, up: Up = "gravity", depth_scale: float = 1000.0
    ) -> None:
        super().__init__(folder, depth_scale)
        self._up = check_up(up, WORLD_UP)
        self._stems = _list_sequences(self.folder)
        if not self._stems:
            raise FrameError(
                f"{self.folder}: no frames of 7-Scenes here: expected frame-NNNNNN.color.png (or .jpg), "
                ".depth.png and .pose.txt, or folders seq-NN of them"
            )
        if intrinsics is None:
            above = self.folder.resolve().parent
            self._camera = camera_of(self.folder, above, hint="; the data set's page states 585, 585, 320, 240")
        else:
            self._camera = given_camera(intrinsics)


def _list_sequences(folder: Path) -> list[str]:
    stems = set()
    sequences = [path for path in entries(folder) if path.name.startswith("seq-") and path.is_dir()]
    for path in (path for place in (folder, *sequences) for path in entries(place)):
        part = next((part for part in _SEVEN_PARTS if path.name.endswith(part)), None)
        if part is not None and path.name.startswith("frame-"):
            check_name(path)
            stems.add(path.relative_to(folder).as_posix().removesuffix(part))
    return sorted(stems, key=natural_key)
