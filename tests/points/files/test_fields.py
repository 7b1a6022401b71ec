"""Fields beside positions and colours are read row by row, and what holds no numbers is passed over."""

from pathlib import Path

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.files.fields import read_fields

XYZ = np.array([[0.5, 1, 2], [1, 0, 3], [np.nan, 1, 1], [2, 2, 2]], np.float32)


def test_rows_without_a_position_are_left_out_of_every_field(tmp_path: Path) -> None:
    file = write_cloud(tmp_path / "a.ply", XYZ, label=np.arange(4, dtype=np.uint8), weight=np.arange(8.0).reshape(4, 2))
    found = read_fields(file)
    assert (found.where, found.dropped, found.rgb) == (str(file), 1, None)
    np.testing.assert_array_equal(found.xyz, read_cloud(file).xyz)
    assert found.columns["label"].tolist() == [0, 1, 3]
    assert found.columns["weight_1"].tolist() == [1, 3, 7]


def test_a_table_keeps_its_numbers_beside_a_column_of_words(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("x;y;z;name;label;height\n1,5;2;3;wall;7;0,25\n4;5;6;floor;8;0,5\n")
    found = read_fields(file)
    assert found.xyz[0].tolist() == [1.5, 2, 3]
    assert {name: values.tolist() for name, values in found.columns.items()} == {"label": [7, 8], "height": [0.25, 0.5]}
    numbers = tmp_path / "b.txt"
    numbers.write_text("# x y z label height\n1 2 3 7 0.25\n4 5 6 8 0.5\n")
    assert read_fields(numbers).columns["height"].tolist() == [0.25, 0.5]


def test_a_table_without_names_and_other_endings_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 2 3 10 20 30\n")
    with pytest.raises(InputError, match="labels need a first line that names the columns"):
        read_fields(tmp_path / "a.txt")
    np.save(tmp_path / "a.npy", XYZ)
    with pytest.raises(InputError, match=r"no reader of labels for \.npy: use \.ply, \.npz"):
        read_fields(tmp_path / "a.npy")


def test_arrays_of_other_lengths_and_damaged_ones_are_no_fields(tmp_path: Path) -> None:
    xyz = XYZ[:2]
    np.savez(tmp_path / "a.npz", xyz=xyz, flag=np.array([True, False]), names=np.array(["wall", "floor", "chair"]))
    assert set(read_fields(tmp_path / "a.npz").columns) == {"xyz", "flag"}


def test_binary_and_compressed_pcd_hold_the_same_fields(tmp_path: Path) -> None:
    head = "FIELDS x y z _ label\nSIZE 4 4 4 1 2\nTYPE F F F U U\nCOUNT 1 1 1 2 1\nWIDTH 2\nHEIGHT 1\nDATA binary\n"
    row = np.dtype([("xyz", "<f4", 3), ("_", "u1", 2), ("label", "<u2")])
    rows = np.array([((1, 2, 3), (0, 0), 7), ((4, 5, 6), (0, 0), 900)], row)
    (tmp_path / "a.pcd").write_bytes(head.encode() + rows.tobytes())
    assert read_fields(tmp_path / "a.pcd").columns["label"].tolist() == [7, 900]


def test_the_class_of_an_old_las_point_comes_without_its_flags(tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy", reason='needs the extra: pip install "ppkt-zoo[las]"')
    for version, point_format in (("1.2", 0), ("1.4", 6)):
        file = laspy.create(point_format=point_format, file_version=version)
        file.x, file.y, file.z = np.array([0.0, 1, 2]), np.array([0.0, 1, 2]), np.array([0.0, 1, 2])
        file.classification = [2, 6, 31]
        file.withheld = [1, 0, 1]
        file.add_extra_dim(laspy.ExtraBytesParams(name="treeID", type=np.uint32))
        file["treeID"] = [10, 70_000, 3]
        file.write(str(tmp_path / f"{point_format}.las"))
        columns = read_fields(tmp_path / f"{point_format}.las").columns
        assert columns["classification"].tolist() == [2, 6, 31]
        assert columns["treeID"].tolist() == [10, 70_000, 3]
