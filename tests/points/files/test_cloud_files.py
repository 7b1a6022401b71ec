"""Point files: every format as it is published, written and read back, cut short and lying."""

import io
import os
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ppkt_zoo.errors import InputError
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.files.colors import as_uint8
from ppkt_zoo.points.files.pcd import lzf_decompress, parse_pcd
from ppkt_zoo.points.files.ply import parse_vertices
from tests.points.files.made_up_files import RGB, XYZ, lzf, pcd, ply


def read(tmp_path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    return read_cloud(path)


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def text(separator: str = " ", head: str = "") -> bytes:
    rows = [separator.join(map(str, [*x, *c])) for x, c in zip(XYZ.tolist(), RGB.tolist(), strict=True)]
    return (head + "\n".join(rows) + "\n").encode()


GOOD = {
    "little.ply": ply(),
    "big.ply": ply("binary_big_endian"),
    "ascii.ply": ply("ascii"),
    "faces.ply": ply(faces=True),
    "ascii_faces.ply": ply("ascii", faces=True),
    "double.ply": ply(position="double"),
    "short.ply": ply(colors=("r", "g", "b")),
    "diffuse.ply": ply(colors=("diffuse_red", "diffuse_green", "diffuse_blue")),
    "float_colors.ply": ply(color_kind="float"),
    "ushort_colors.ply": ply(color_kind="ushort"),
    "windows.ply": ply("ascii").replace(b"\n", b"\r\n"),
    "ascii.pcd": pcd("ascii"),
    "ascii_unsigned.pcd": pcd("ascii", rgb="U"),
    "binary.pcd": pcd("binary"),
    "binary_unsigned.pcd": pcd("binary", rgb="U"),
    "compressed.pcd": pcd("binary_compressed"),
    "rgba.pcd": pcd(FIELDS="x y z rgba"),
    "windows.pcd": pcd("ascii").replace(b"\n", b"\r\n"),
    "organised.pcd": pcd("binary", WIDTH="2", HEIGHT="2"),
    "bare.pcd": pcd("binary").replace(b"COUNT 1 1 1 1\n", b"").replace(b"POINTS 4\n", b""),
    "named.npz": npz(xyz=XYZ, rgb=RGB, more=np.zeros(2)),
    "open3d.npz": npz(points=XYZ.astype(np.float64), colors=RGB / 255),
    "fortran.npz": npz(xyz=np.asfortranarray(XYZ), rgb=np.asfortranarray(RGB)),
    "six.npy": npy(np.hstack([XYZ, RGB]).astype(np.float64)),
    "spaces.txt": text(),
    "tabs.xyz": text("\t"),
    "commas.csv": text(","),
    "semicolons.csv": text(";", "x;y;z;r;g;b\n"),
    "cloudcompare.txt": text(" ", "//X Y Z R G B\n"),
    "names.csv": text(",", "\ufeffx,y,z,red,green,blue\n"),
    "counted.xyz": text(" ", "4\n"),
    "remarks.txt": text(" ", "# scanned on Monday\n"),
}


@pytest.mark.parametrize("name", GOOD)
def test_reads(tmp_path, name):
    cloud = read(tmp_path, name, GOOD[name])
    double = cloud.xyz.dtype == np.float64
    assert double == (name in ("double.ply", "open3d.npz", "six.npy") or name.endswith((".txt", ".xyz", ".csv")))
    assert np.array_equal(cloud.xyz, XYZ)
    assert cloud.rgb.dtype == np.uint8
    assert np.array_equal(cloud.rgb, RGB)
    assert cloud.dropped == 0
    assert cloud.xyz.flags["C_CONTIGUOUS"]
    assert cloud.xyz.dtype.isnative


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ply", ply(colors=())),
        ("a.pcd", pcd(FIELDS="x y z _")),
        ("a.npz", npz(xyz=XYZ)),
        ("a.npz", npz(xyz=XYZ, rgb=np.empty((0, 3)))),
        ("a.npy", npy(XYZ)),
        ("a.txt", "\n".join(" ".join(map(str, row)) for row in XYZ.tolist()).encode()),
        ("a.csv", b"id,x,y,z\n" + b"".join(f"{i},{x},{y},{z}\n".encode() for i, (x, y, z) in enumerate(XYZ.tolist()))),
    ],
)
def test_a_cloud_without_colour(tmp_path, name, content):
    cloud = read(tmp_path, name, content)
    assert np.array_equal(cloud.xyz, XYZ)
    assert cloud.rgb is None


def test_whole_numbers_as_positions_become_float64(tmp_path):
    cloud = read(tmp_path, "a.ply", ply(position="int"))
    assert cloud.xyz.dtype == np.float64
    assert np.array_equal(cloud.xyz, XYZ.astype(np.int32))


def test_holes_of_an_organised_cloud_are_dropped_and_counted(tmp_path):
    holes = XYZ.copy()
    holes[[0, 2], 1] = np.nan, np.inf
    cloud = read(tmp_path, "a.npz", npz(xyz=holes, rgb=RGB))
    assert np.array_equal(cloud.xyz, XYZ[[1, 3]])
    assert np.array_equal(cloud.rgb, RGB[[1, 3]])
    assert cloud.dropped == 2
    with pytest.raises(InputError, match="no point with a finite position among 4 rows"):
        read(tmp_path, "a.npz", npz(xyz=holes * np.nan))


def test_the_colour_of_a_hole_may_be_anything(tmp_path):
    holes, colors = XYZ.copy(), RGB / 255
    holes[1], colors[1] = np.nan, np.nan
    assert np.array_equal(read(tmp_path, "a.npz", npz(xyz=holes, rgb=colors)).rgb, RGB[[0, 2, 3]])


@pytest.mark.parametrize("name", GOOD)
def test_cut_short_anywhere_is_never_another_cloud(tmp_path, name):
    """Every length of every file: an error that names it, or the whole cloud (only blanks were lost).

    Text is the exception that no reader can help: within its last row, a number cut short is still a number,
    and text that announces no number of rows may end after any of them.
    """
    content, suffix = GOOD[name], name[name.rindex(".") :]
    announced = name in ("counted.xyz",) or suffix in (".ply", ".pcd", ".npz", ".npy")
    textual = suffix in (".txt", ".xyz", ".csv") or "ascii" in name or "windows" in name
    for length in range(len(content)):
        try:
            cloud = read(tmp_path, f"cut{suffix}", content[:length])
        except InputError as error:
            named = f"cut{suffix}" in str(error)
            assert named, error  # noqa: PT017
            continue
        rows = len(cloud.xyz)
        assert rows == len(XYZ) or not announced
        sure = rows - 1 if textual else rows
        assert np.array_equal(cloud.xyz[:sure], XYZ[:sure]), length
        assert cloud.rgb is None or np.array_equal(cloud.rgb[:sure], RGB[:sure])


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.ply", ply(count=5), "cut short, or the header is wrong"),
        ("a.ply", ply(count=3), "more data than the header announces"),
        ("a.ply", ply("ascii", count=3), "more data than the header announces"),
        ("a.ply", ply("ascii", count=5), "cut short"),
        ("a.ply", ply(count=10**15), "cut short, or the header is wrong"),
        ("a.ply", ply(count=0), "no element vertex"),
        ("a.ply", ply(count=-4), "announces no number of rows"),
        ("a.ply", ply().replace(b"float x", b"float a"), "no numbers x, y, z but a, y, z"),
        ("a.ply", ply().replace(b"float x", b"floot x"), "names no type"),
        ("a.ply", ply().replace(b"1.0", b"9.9").replace(b"binary_little", b"binary_middle"), "damaged"),
        ("a.ply", b"ply\nformat ascii 1.0\n", "cut short"),
        ("a.ply", b"plain text", "not a .ply file"),
        ("a.ply", b"\x89PNG", "not a .ply file"),
        ("a.pcd", pcd(points=5), "80.*cut short"),
        ("a.pcd", pcd(points=3), "header is wrong"),
        ("a.pcd", pcd("ascii", points=5), "4 rows where the header announces 5"),
        ("a.pcd", pcd("ascii", points=3), "4 rows where the header announces 3"),
        ("a.pcd", pcd("binary_compressed", points=5), "announces 64 bytes, but its points need 80"),
        ("a.pcd", pcd(points=10**15), "cut short"),
        ("a.pcd", pcd(points=0), "at least one"),
        ("a.pcd", pcd(HEIGHT="2"), "WIDTH 4 × HEIGHT 2 is 8, but POINTS is 4"),
        ("a.pcd", pcd(WIDTH="four"), "WIDTH should hold whole numbers"),
        ("a.pcd", pcd(SIZE="4 4 4"), "different numbers"),
        ("a.pcd", pcd(SIZE="4 4 4 3"), "no such field"),
        ("a.pcd", pcd(TYPE="F F F Q"), "no such field"),
        ("a.pcd", pcd(COUNT="1 1 1 0"), "no such field"),
        ("a.pcd", pcd(FIELDS="x y w rgb"), "no field z"),
        ("a.pcd", pcd(FIELDS="x y y rgb"), "twice"),
        ("a.pcd", pcd(DATA="zipped"), "must be ascii, binary or binary_compressed"),
        ("a.pcd", pcd("ascii").replace(b"0.125", b"one"), "no numbers"),
        ("a.pcd", pcd("ascii", COUNT="2 1 1 1"), "rows have 4 numbers where the header announces 5"),
        ("a.pcd", pcd("ascii", rgb="U", TYPE="F F F I").replace(b" 66051\n", b" 1e10\n"), "field rgb"),
        ("a.pcd", b"no header\n" * 5, "ends before its DATA line"),
        ("a.npz", npz(rgb=RGB), "no array xyz or points, only rgb"),
        ("a.npz", npz(xyz=XYZ[:, :2]), r"shape \(N, 3\)"),
        ("a.npz", npz(xyz=XYZ, rgb=RGB[:3]), "one row for each point"),
        ("a.npz", npz(xyz=np.array([None, 1], dtype=object)), "must hold numbers"),
        ("a.npz", b"PK\x03\x04 and nothing more", "damaged"),
        ("a.npy", npy(XYZ)[:-4], "44 bytes of data where the header announces 48"),
        ("a.npy", npy(XYZ).replace(b"(4, 3)", b"(9, 3)"), "48 bytes of data where the header announces 108"),
        ("a.npy", npy(XYZ.reshape(3, 4)), r"got shape \(3, 4\)"),
        ("a.npy", npy(XYZ.astype("U9")), "must hold numbers"),
        ("a.txt", b"1 2 3\n4 5\n", "cut short or no numbers"),
        ("a.txt", b"1 2 3 4\n", "name the columns"),
        ("a.txt", b"3\n1 2 3\n4 5 6\n", "2 rows of numbers, 3 announced"),
        ("a.txt", b"# nothing else\n", "0 rows"),
        ("a.txt", b"\n \n", "empty"),
        ("a.txt", b"1 2 3 0.5 -0.5 0.7\n", "normals"),
        ("a.csv", b"x,y,z,w\n1,2,3\n", "4 column names for rows of 3"),
        ("a.txt", b"\xff\xfe1\x002\x00", "not a text file"),
        ("a.las", b"LASF" + bytes(20), "cut short or damaged"),
        ("a.las", b"FSAL" + bytes(400), "not a LAS file"),
    ],
)  # fmt: skip
def test_lying_files(tmp_path, name, content, says):
    with pytest.raises(InputError, match=says) as caught:
        read(tmp_path, name, content)
    assert name in str(caught.value)


def test_padding_of_a_compressed_file_may_be_left_out(tmp_path):
    """PCL drops the fields named _ when it compresses, but not from the header."""
    fields = pcd("binary_compressed", FIELDS="x y z rgb _", SIZE="4 4 4 4 4", TYPE="F F F F F", COUNT="1 1 1 1 3")
    assert np.array_equal(read(tmp_path, "a.pcd", fields).rgb, RGB)


def test_separate_colour_fields(tmp_path):
    table = np.empty(4, dtype=[("r", "u1"), ("x", "<f8"), ("g", "u1"), ("y", "<f8"), ("z", "<f8"), ("b", "u1")])
    for index, name in enumerate("xyz"):
        table[name], table["rgb"[index]] = XYZ[:, index], RGB[:, index]
    head = pcd(FIELDS="r x g y z b", SIZE="1 8 1 8 8 1", TYPE="U F U F F U", COUNT="1 1 1 1 1 1")
    cloud = read(tmp_path, "a.pcd", head[: head.index(b"DATA binary\n") + 12] + table.tobytes())
    assert cloud.xyz.dtype == np.float64
    assert np.array_equal(cloud.xyz, XYZ)
    assert np.array_equal(cloud.rgb, RGB)


def test_colours_lost_in_ascii_are_no_colours(tmp_path):
    rows = pcd("ascii").split(b"\n")
    position, _ = rows[-2].rsplit(b" ", 1)
    with pytest.raises(InputError, match=r"written as nan.*TYPE U"):
        read(tmp_path, "a.pcd", b"\n".join([*rows[:-2], position + b" nan\n"]))


@given(st.binary(max_size=300), st.binary(max_size=40), st.integers(1, 12))
@example(b"a" * 300, b"", 1)
@example(bytes(range(256)) * 3, b"", 1)
@settings(deadline=None)
def test_lzf_gives_back_what_was_packed(start, unit, times):
    content = start + unit * times
    assert lzf_decompress(lzf(content), len(content), "here") == content


def test_lzf_by_hand():
    # One literal a, then a copy of 9 bytes from 1 back: code 7 is stored as 7 and 0 more.
    assert lzf_decompress(bytes([0, ord("a"), 7 << 5, 0, 0]), 10, "here") == b"a" * 10


@pytest.mark.parametrize(
    ("stream", "size", "says"),
    [
        (bytes([5, 1, 2]), 6, "cut short in a run of 6"),
        (bytes([0, 97, 1 << 5]), 4, "cut short in a back reference"),
        (bytes([0, 97, 7 << 5]), 10, "cut short in a back reference"),
        (bytes([0, 97, 1 << 5, 4]), 4, "4 bytes before its beginning"),
        (bytes([0, 97]), 2, "gives 1 bytes"),
        (bytes([0, 97, 7 << 5, 255, 0] + [7 << 5, 255, 0] * 1000), 2, "where the header announces 2"),
    ],
)
def test_lzf_never_reads_or_writes_outside(stream, size, says):
    with pytest.raises(InputError, match=says):
        lzf_decompress(stream, size, "here")


@pytest.mark.parametrize(
    "name", ["little.ply", "ascii_faces.ply", "compressed.pcd", "ascii.pcd", "named.npz", "six.npy"]
)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, name, data):
    """A few bytes changed anywhere: a cloud or an InputError, never anything else."""
    content = bytearray(GOOD[name])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged_{name}"
    path.write_bytes(content)
    try:
        cloud = read_cloud(path)
    except InputError:
        return
    assert np.isfinite(cloud.xyz).all()
    assert cloud.rgb is None or cloud.rgb.shape == cloud.xyz.shape


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (np.array([[0, 255, 7]], np.int64), [0, 255, 7]),
        (np.array([[0, 255, 7]], np.uint16), [0, 255, 7]),
        (np.array([[0, 65535, 257 * 7]], np.uint16), [0, 255, 7]),
        (np.array([[0, 1, 0.5]], np.float32), [0, 255, 128]),
        (np.array([[0, 255, 7]], np.float64), [0, 255, 7]),
    ],
)
def test_conventions_of_colour(stored, expected):
    assert as_uint8(stored, "here").tolist() == [expected]


@pytest.mark.parametrize("bad", [[[0, 256, 7]], [[-1, 0, 0]], [[0.5, 1.5, 0]], [[np.nan, 0, 0]], [["a", "b", "c"]]])
def test_colours_of_no_convention(bad):
    with pytest.raises(InputError, match=r"^here: colours"):
        as_uint8(np.array(bad), "here")


@pytest.mark.parametrize("suffix", [".ply", ".npz"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rgb", [RGB, None])
def test_written_and_read_back(tmp_path, suffix, dtype, rgb):
    xyz = (XYZ + 0.1).astype(dtype)
    path = write_cloud(tmp_path / f"cloud{suffix}", xyz, rgb)
    cloud = read_cloud(path)
    assert cloud.xyz.dtype == dtype
    assert np.array_equal(cloud.xyz, xyz)
    assert (cloud.rgb is None) == (rgb is None)
    assert rgb is None or np.array_equal(cloud.rgb, rgb)
    assert os.listdir(tmp_path) == [path.name]


def test_further_columns(tmp_path):
    import plyfile

    features = np.random.default_rng(0).standard_normal((4, 2))
    arrays = {"label": np.array([-1, 0, 5, 6]), "sure": np.array([True, False, True, True]), "feature": features}
    vertex = plyfile.PlyData.read(write_cloud(tmp_path / "a.ply", XYZ, RGB, **arrays))["vertex"]
    assert np.array_equal(vertex["label"], arrays["label"])
    assert np.array_equal(vertex["sure"], [1, 0, 1, 1])
    assert np.array_equal(vertex["feature_1"], features[:, 1])
    stored = np.load(write_cloud(tmp_path / "a.npz", XYZ, **arrays))
    assert sorted(stored.files) == ["feature", "label", "sure", "xyz"]
    assert np.array_equal(stored["feature"], features)


@pytest.mark.parametrize(
    ("name", "arguments", "extra", "says"),
    [
        ("a.pcd", (XYZ,), {}, "written as .ply or .npz"),
        ("a.ply", (XYZ[:0],), {}, "xyz must be"),
        ("a.ply", (XYZ.astype(int),), {}, "xyz must be"),
        ("a.ply", (XYZ, RGB[:2]), {}, "rgb must be"),
        ("a.ply", (XYZ, RGB / 255), {}, "rgb must be"),
        ("a.ply", (XYZ,), {"label": np.zeros(3)}, "label must be"),
        ("a.ply", (XYZ,), {"label": np.array(list("abcd"))}, "label must be"),
        ("a.ply", (XYZ,), {"label": np.full(4, 2**40)}, "label does not fit"),
        ("a.ply", (XYZ,), {"x": np.zeros(4)}, "x: .ply has x already"),
        ("missing/a.ply", (XYZ,), {}, "cannot be written"),
    ],
)
def test_refuses_to_write(tmp_path, name, arguments, extra, says):
    with pytest.raises(InputError, match=says):
        write_cloud(tmp_path / name, *arguments, **extra)
    assert list(tmp_path.iterdir()) == []


def test_names_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"gone\.ply: no such file"):
        read_cloud(tmp_path / "gone.ply")
    with pytest.raises(InputError, match=r"this is a mesh, no cloud: ppkt_zoo\.load_cloud"):
        read_cloud(tmp_path / "a.obj")
    with pytest.raises(InputError, match="a name without ending"):
        read_cloud(tmp_path / "cloud")
    (tmp_path / "folder.ply").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        read_cloud(tmp_path / "folder.ply")
    with pytest.raises(InputError, match="is empty"):
        read(tmp_path, "a.ply", b"")


def test_a_crc_that_does_not_match(tmp_path):
    content = bytearray(npz(xyz=XYZ, rgb=RGB))
    offset = zipfile.ZipFile(io.BytesIO(content)).infolist()[0].header_offset
    content[offset + 200] ^= 1
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path, "a.npz", bytes(content))


def las_bytes(color: np.ndarray | None) -> bytes:
    laspy = pytest.importorskip("laspy")
    header = laspy.LasHeader(point_format=0 if color is None else 2, version="1.2")
    header.scales, header.offsets = [0.001] * 3, [513_000.0, 5_403_000.0, 100.0]
    file = laspy.LasData(header)
    file.x, file.y, file.z = (XYZ.astype(np.float64) + header.offsets).T
    if color is not None:
        file.red, file.green, file.blue = color.T
    stream = io.BytesIO()
    file.write(stream)
    return stream.getvalue()


@pytest.mark.parametrize("color", [RGB.astype(np.uint16) * 257, RGB.astype(np.uint16), None])
def test_las(tmp_path, color):
    cloud = read(tmp_path, "a.las", las_bytes(color))
    assert cloud.xyz.dtype == np.float64
    np.testing.assert_allclose(cloud.xyz - [513_000.0, 5_403_000.0, 100.0], XYZ, atol=6e-4)
    assert (cloud.rgb is None) if color is None else np.array_equal(cloud.rgb, RGB)


def test_las_cut_short(tmp_path):
    content = las_bytes(RGB.astype(np.uint16))
    for length in range(4, len(content), 7):
        with pytest.raises(InputError, match=r"cut\.las"):
            read(tmp_path, "cut.las", content[:length])


def test_las_without_laspy(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "laspy", None)
    with pytest.raises(InputError, match=r'pip install "ppkt-zoo\[las\]"'):
        read(tmp_path, "a.las", b"LASF")


def test_real_organised_kinect_cloud(shared):
    """640×480 with holes, packed colour, binary_compressed: points must lie on the rays of their pixels."""
    path = shared / "clouds/kinect_table_rgb.pcd"
    cloud = read_cloud(path)
    assert cloud.xyz.dtype == np.float32
    assert (len(cloud.xyz), cloud.dropped) == (259_847, 47_353)
    xyz, _ = parse_pcd(path.read_bytes(), str(path))
    v, u = np.mgrid[:480, :640].reshape(2, -1)
    seen = np.isfinite(xyz).all(axis=1)
    for index, pixel in enumerate((u, v)):
        slope = xyz[seen, index] / xyz[seen, 2]
        fit = np.polyfit(pixel[seen], slope, 1)
        assert 1 / fit[0] == pytest.approx(525, rel=0.02)
        assert np.abs(np.polyval(fit, pixel[seen]) - slope).max() < 0.02
    # A photograph's neighbours resemble each other; bytes in a wrong order would not.
    assert np.abs(np.diff(cloud.rgb.astype(int), axis=0)).mean() < 12


def test_real_landscape(shared):
    cloud = read_cloud(shared / "clouds/terrain_utm.pcd")
    assert len(cloud.xyz) == 518_056
    assert cloud.rgb is None
    low, high = cloud.xyz.min(axis=0), cloud.xyz.max(axis=0)
    assert 5.13e5 < low[0] < high[0] < 5.14e5
    assert 5.40e6 < low[1] < high[1] < 5.41e6
    assert 188 < low[2] < high[2] < 357


def test_half_precision_is_kept_in_npz_and_widened_in_ply(tmp_path):
    features = np.array([[0.1, -2.5], [1e-7, 65504.0], [0.0, 1.0], [3.0, 4.0]], dtype=np.float16)
    stored = np.load(write_cloud(tmp_path / "a.npz", XYZ, RGB, features=features))["features"]
    assert stored.dtype == np.float16
    assert np.array_equal(stored, features)
    widened = parse_vertices(write_cloud(tmp_path / "a.ply", XYZ, RGB, features=features).read_bytes(), "a.ply")
    assert widened["features_1"].dtype == np.float32
    assert np.array_equal(widened["features_1"], features[:, 1].astype(np.float32))


@pytest.mark.parametrize("name", ["file", "allow_pickle", "two words", "../x", "line\nbreak", ""])
@pytest.mark.parametrize("suffix", [".ply", ".npz"])
def test_names_that_no_file_can_hold(tmp_path, name, suffix):
    with pytest.raises(InputError, match="no name for a further array"):
        write_cloud(tmp_path / f"a{suffix}", XYZ, None, **{name: np.zeros(4)})
    assert list(tmp_path.iterdir()) == []
