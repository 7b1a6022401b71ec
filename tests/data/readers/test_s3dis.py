"""S3DIS as it is unpacked: every point, its class and object, the areas, and lines that are damaged."""

import numpy as np
import pytest

from ppkt_zoo.data.readers.s3dis import CLASSES, S3DIS, TEST_AREAS, TRAIN_AREAS
from ppkt_zoo.errors import FrameError
from tests.data.readers.s3dis_files import lines, points, room

PUBLISHED = "ceiling, floor, wall, beam, column, window, door, table, chair, sofa, bookcase, board, clutter"


OBJECTS = {"ceiling_1.txt": 5, "chair_2.txt": 3, "chair_10.txt": 4, "stairs_1.txt": 2, "clutter_1.txt": 1}


def test_the_classes_are_the_published_ones():
    assert ", ".join(CLASSES) == PUBLISHED
    assert (TRAIN_AREAS, TEST_AREAS) == ((1, 2, 3, 4, 6), (5,))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_point_of_every_object(tmp_path, end):
    scenes = S3DIS(room(tmp_path, "Area_5/hallway_6", OBJECTS, end))
    assert len(scenes) == 1
    scene = scenes[0]
    assert (scene.name, scene.dropped) == ("Area_5/hallway_6", 0)
    order = ["ceiling_1.txt", "chair_2.txt", "chair_10.txt", "clutter_1.txt", "stairs_1.txt"]
    expected = [points(list(OBJECTS).index(file), OBJECTS[file]) for file in order]
    np.testing.assert_array_equal(scene.xyz, np.concatenate([xyz for xyz, _ in expected]).astype(np.float32))
    np.testing.assert_array_equal(scene.rgb, np.concatenate([rgb for _, rgb in expected]))
    sizes = [OBJECTS[file] for file in order]
    names = [scene.classes[index] for index in scene.label]
    assert names == np.repeat(["ceiling", "chair", "chair", "clutter", "clutter"], sizes).tolist()
    assert scene.instance.tolist() == np.repeat([1, 2, 3, 4, 5], sizes).tolist()
    assert (scene.boxes, scene.box_label, scene.box_classes) == (None, None, ())


@pytest.mark.parametrize(
    "damaged",
    [
        b"22.318 21.409 3.048 185\x10187 184",
        b"22.318 21.409 3.048 185\x00187 184",
        b"19.302 -9.1\x100 1.785 146 137 106",
        b"19.302 -9.1 0 1.785 146 137 106",
        b"19.302 -9.1",
        b"nan 1 2 3 4 5",
        b"1 2 3 4 5 256",
        b"1 2 3 4 5 -1",
        b"1 2 3 4 5 6.5",
        b"x y z r g b",
        b"1 2 3 4 5 \xff",
    ],
)
@pytest.mark.parametrize("place", [0, 3, 6])
def test_a_damaged_line_is_left_out_and_counted(tmp_path, damaged, place):
    folder = room(tmp_path, "Area_5/hallway_6", {"ceiling_1.txt": 6, "floor_1.txt": 2})
    whole = lines(0, 6)
    content = [*whole[:place], damaged, *whole[place:]]
    (folder / "Annotations/ceiling_1.txt").write_bytes(b"\r\n".join(content) + b"\r\n")
    scene = S3DIS(folder)[0]
    assert scene.dropped == 1
    expected = [points(0, 6), points(1, 2)]
    np.testing.assert_array_equal(scene.xyz, np.concatenate([xyz for xyz, _ in expected]).astype(np.float32))
    np.testing.assert_array_equal(scene.rgb, np.concatenate([rgb for _, rgb in expected]))
    assert scene.instance.tolist() == [1] * 6 + [2] * 2


def test_more_damage_than_was_published_is_an_error(tmp_path):
    folder = room(tmp_path, "Area_1/office_1", {"wall_1.txt": 9})
    file = folder / "Annotations/wall_1.txt"
    file.write_bytes(b"\n".join([*lines(0, 9), *[b"1 2 3 4 5"] * 3]))
    assert S3DIS(folder)[0].dropped == 3
    file.write_bytes(b"\n".join([*lines(0, 9), *[b"1 2 3 4 5"] * 4]))
    with pytest.raises(FrameError, match=r"wall_1.txt: 4 of 13 lines are not x y z r g b, .* b'1 2 3 4 5'"):
        S3DIS(folder)[0]
    file.write_bytes(b"1 2 3\n" * 9)
    with pytest.raises(FrameError, match="9 of 9 lines"):
        S3DIS(folder)[0]
    for nothing in (b"", b"\r\n \n", b"1 2 3\n"):
        file.write_bytes(nothing)
        with pytest.raises(FrameError, match=r"wall_1.txt: no points in this file"):
            S3DIS(folder)[0]


def test_areas_and_rooms_in_their_order(tmp_path):
    names = ["Area_1/office_2", "Area_1/office_10", "Area_2/WC_1", "Area_5/hallway_6"]
    for name in names:
        room(tmp_path, name, {"floor_1.txt": 1})
    (tmp_path / "Area_1/.hidden").mkdir()
    (tmp_path / "Area_1/Area_1_alignmentAngle.txt").write_text("## x\n")
    (tmp_path / "elsewhere").mkdir()

    def found(folder, areas=None):
        scenes = S3DIS(folder, areas)
        return [scenes[index].name for index in range(len(scenes))]

    assert found(tmp_path) == names
    assert found(tmp_path, TEST_AREAS) == names[3:]
    assert found(tmp_path, (1, 2)) == names[:3]
    assert found(tmp_path / "Area_1") == names[:2]
    assert found(tmp_path / "Area_1/office_10", [1]) == [names[1]]
    for folder, area in ((tmp_path, 3), (tmp_path / "Area_1", 5), (tmp_path / "Area_2/WC_1", 1)):
        with pytest.raises(FrameError, match=f"Area_{area}: this area is missing"):
            S3DIS(folder, [area])


def test_copies_of_a_mac_are_passed_over(tmp_path):
    folder = room(tmp_path, "Area_1/office_1", {"floor_1.txt": 2})
    (folder / "Annotations/._floor_1.txt").write_bytes(b"Mac OS X")
    assert len(S3DIS(folder)[0].xyz) == 2


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FrameError, match="no such folder"):
        S3DIS(tmp_path / "Area_1")
    with pytest.raises(FrameError, match="no rooms of S3DIS here"):
        S3DIS(tmp_path)
    room(tmp_path, "Area_1/office_1", {"floor_1.txt": 2})
    (tmp_path / "Area_1/office_2").mkdir()
    with pytest.raises(FrameError, match=r"Area_1/office_2/Annotations: no objects"):
        S3DIS(tmp_path)
    (tmp_path / "Area_1/office_2/Annotations").mkdir()
    with pytest.raises(FrameError, match=r"Area_1/office_2/Annotations: no objects"):
        S3DIS(tmp_path / "Area_1/office_2")
