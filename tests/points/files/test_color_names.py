"""Colours and positions under the names that programs give them: one table for every format."""

import io
import struct
import warnings

import numpy as np
import pytest

from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.points.files.cloud_files import read_cloud
from ppkt_zoo.points.files.color_names import find_columns, plain_name
from ppkt_zoo.points.files.colors import as_uint8, from_harmonics, unpacked
from tests.points.files.made_up_files import RGB, XYZ

PACKED = [int(r) << 16 | int(g) << 8 | int(b) for r, g, b in RGB]
OPAQUE = [255 << 24 | one for one in PACKED]
HARMONICS = (RGB / 255 - 0.5) / 0.28209479177387814
KINDS = {"u1": "uchar", "u2": "ushort", "u4": "uint", "i4": "int", "f4": "float", "f8": "double"}


def columns(names: str, values: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    table = np.asarray(values).reshape(len(XYZ), -1)
    return {name: table[:, index].astype(kind) for index, name in enumerate(names.split())}


def bits(numbers: list[int], kind: str) -> np.ndarray:
    return np.array(numbers, dtype="u4").view(kind)


# Names, and what stands under them in each format: numbers that binary files, text and .npz can hold alike.
COLORS = {
    "capitals": columns("Red Green Blue", RGB, "u1"),
    "letters": columns("R G B", RGB, "u1"),
    "diffuse": columns("diffuse_red diffuse_green diffuse_blue", RGB, "u1"),
    "scalar": columns("scalar_red scalar_green scalar_blue", RGB, "f4"),
    "scalar letters": columns("scalar_R scalar_G scalar_B", RGB, "f4"),
    "floats": columns("Rf Gf Bf", RGB / 255, "f4"),
    "vertex": columns("vertex_red vertex_green vertex_blue", RGB, "u1"),
    "numbered": columns("color_0 color_1 color_2", RGB, "u1"),
    "sixteen bits": columns("red green blue", RGB.astype("u2") * 257, "u2"),
    "harmonics": columns("f_dc_0 f_dc_1 f_dc_2", HARMONICS, "f4"),
    "packed": columns("rgb", PACKED, "u4"),
    "packed with alpha": columns("rgba", OPAQUE, "u4"),
    "packed, negative": columns("RGBA", bits(OPAQUE, "i4"), "i4"),
    "with alpha": columns("red green blue alpha", np.hstack([RGB, 255 - RGB[:, :1]]), "u1"),
    "beside an intensity": columns("intensity red green blue", np.hstack([RGB[:, :1] * 0 + 9, RGB]), "u1"),
}


def as_ply(fields: dict[str, np.ndarray]) -> bytes:
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(XYZ)}"]
    head += [f"property {KINDS[values.dtype.str[1:]]} {name}" for name, values in fields.items()]
    rows = np.empty(len(XYZ), dtype=[(name, values.dtype) for name, values in fields.items()])
    for name, values in fields.items():
        rows[name] = values
    return "\n".join([*head, "end_header\n"]).encode() + rows.tobytes()


def as_pcd(fields: dict[str, np.ndarray]) -> bytes:
    head = f"FIELDS {' '.join(fields)}\nSIZE {' '.join(str(v.dtype.itemsize) for v in fields.values())}\n"
    head += f"TYPE {' '.join(v.dtype.kind.upper() for v in fields.values())}\nWIDTH {len(XYZ)}\nHEIGHT 1\nDATA binary\n"
    _, _, rows = as_ply(fields).partition(b"end_header\n")
    return head.encode() + rows


def as_csv(fields: dict[str, np.ndarray]) -> bytes:
    rows = zip(*(values.tolist() for values in fields.values()), strict=True)
    return "\n".join([",".join(fields), *(",".join(map(repr, row)) for row in rows)]).encode()


def as_npz(fields: dict[str, np.ndarray]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **fields)
    return stream.getvalue()


def as_npy(fields: dict[str, np.ndarray]) -> bytes:
    rows = np.empty(len(XYZ), dtype=[(name, values.dtype) for name, values in fields.items()])
    for name, values in fields.items():
        rows[name] = values
    stream = io.BytesIO()
    np.save(stream, rows)
    return stream.getvalue()


WRITERS = {".ply": as_ply, ".pcd": as_pcd, ".csv": as_csv, ".npz": as_npz, ".npy": as_npy}


def read(tmp_path, ending: str, fields: dict[str, np.ndarray]):
    path = tmp_path / f"a{ending}"
    path.write_bytes(WRITERS[ending](fields))
    return read_cloud(path)


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("name", COLORS)
def test_colours_under_every_name_in_every_format(tmp_path, ending, name):
    if name == "sixteen bits" and ending == ".csv":
        pytest.skip("text doesn't say that its numbers have 16 bits")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cloud = read(tmp_path, ending, columns("X Y Z", XYZ, "f4") | COLORS[name])
    assert np.array_equal(cloud.xyz, XYZ)
    assert np.array_equal(cloud.rgb, RGB)


@pytest.mark.parametrize("ending", [".ply", ".pcd", ".npz", ".npy"])
@pytest.mark.parametrize("packed", [PACKED, OPAQUE])
def test_packed_colours_in_the_bits_of_floats(tmp_path, ending, packed):
    """Opaque colours are NaN as floats; their bits are colours all the same."""
    cloud = read(tmp_path, ending, columns("x y z", XYZ, "f4") | {"rgb": bits(packed, "f4")})
    assert np.array_equal(cloud.rgb, RGB)


def test_packed_colours_in_text_are_whole_numbers_or_the_bits_of_floats():
    assert np.array_equal(unpacked(np.array(PACKED, "f8"), "here", text=True), RGB)
    as_float = np.array([struct.unpack("<f", struct.pack("<I", one))[0] for one in PACKED], "f8")
    assert np.array_equal(unpacked(as_float, "here", text=True), RGB)
    with pytest.raises(InputError, match="are lost"):
        unpacked(np.array([np.nan, 0.0]), "here", text=True)
    with pytest.raises(InputError, match="32 bits"):
        unpacked(np.array([2**32, 0]), "here")


@pytest.mark.parametrize("key", ["rgb", "RGB", "rgba", "color", "Colors", "colour", "colours", "vertex_colors"])
@pytest.mark.parametrize("alpha", [False, True])
def test_arrays_of_colours_by_every_name(tmp_path, key, alpha):
    colors = np.hstack([RGB, np.full((4, 1), 7, "u1")]) if alpha else RGB
    cloud = read(tmp_path, ".npz", {"Points": XYZ, key: colors})
    assert np.array_equal(cloud.xyz, XYZ)
    assert np.array_equal(cloud.rgb, RGB)


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("names", ["red green", "my_rgb", "r g", "color", "f_dc_0"])
def test_colours_that_are_not_understood_are_told(tmp_path, ending, names):
    if ending == ".npz" and names == "color":
        pytest.skip("an array named color is understood")
    fields = columns(names, np.zeros((4, 2)) + 5, "f4")
    with pytest.warns(InputWarning, match="look like colours but are not understood"):
        cloud = read(tmp_path, ending, columns("x y z", XYZ, "f4") | fields)
    assert cloud.rgb is None


@pytest.mark.parametrize("name", ["intensity", "alpha", "infrared", "nir", "r", "label", "greenhouse"])
def test_what_is_no_colour_is_none(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_columns(["x", "y", "z", name], "here").colors == ()


def test_escape_sequences_in_names_reach_no_terminal():
    with pytest.warns(InputWarning) as caught:
        find_columns(["x", "y", "z", "red\x1b[2J"], "here")
    assert "\x1b" not in str(caught[0].message)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("X [m]", "x"),
        ('"Y"', "y"),
        ("x_mm", "x"),
        ("coord. Z", "z"),
        ("pos_x", "x"),
        ("Scalar_R", "r"),
        ("f_dc_0", "f_dc_0"),
        ("nx", "nx"),
        ("color_0", "color_0"),
    ],
)
def test_names_made_plain(name, plain):
    assert plain_name(name) == plain


def test_units_other_than_metres_are_told():
    with pytest.warns(InputWarning, match="in mm"):
        find_columns(["x [mm]", "y [mm]", "z [mm]"], "here")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_columns(["x [m]", "y (metres)", "z_m"], "here").xyz == (0, 1, 2)


def test_a_position_that_stands_there_twice():
    with pytest.raises(InputError, match="x stands there twice"):
        find_columns(["x", "y", "z", "x"], "here")


def test_means_of_voxels_are_rounded():
    means = np.array([[127.5, 3.25, 254.6], [0.0, 0.4, 99.9]])
    assert as_uint8(means, "here").tolist() == [[128, 3, 255], [0, 0, 100]]
    assert as_uint8(np.array([[0.0, 1.0000001, 0.5]], "f4"), "here").tolist() == [[0, 255, 128]]
    assert as_uint8(np.array([[0, 65535, 257]], ">u2"), "here").tolist() == [[0, 255, 1]]
    assert as_uint8(np.array([[1, 2, 3, 0]], "u1"), "here").tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("bad", [[[-0.5, 0.2, 0.7]], [[0.5, 1.5, 0]], [[300.5, 0, 0]]])
def test_normals_and_other_floats_are_no_colours(bad):
    with pytest.raises(InputError, match="colours given as floats"):
        as_uint8(np.array(bad), "here")


def test_numbers_of_sixteen_bits_in_wider_types_are_told_how_to_be_kept():
    with pytest.raises(InputError, match="uint16"):
        as_uint8(np.array([[0, 65535, 7]], np.int64), "here")


def test_harmonics_beyond_the_range_are_cut():
    assert from_harmonics(np.array([[-9.0, 0.0, 9.0]])).tolist() == [[0.0, 0.5, 1.0]]


def test_a_black_cloud_is_told(tmp_path):
    with pytest.warns(InputWarning, match="all colours are 0"):
        cloud = read(tmp_path, ".ply", columns("x y z red green blue", np.hstack([XYZ, RGB * 0]), "f4"))
    assert cloud.rgb is not None
