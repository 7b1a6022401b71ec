"""Tables of text as spreadsheets, surveyors' programs and people write them."""

import warnings

import numpy as np
import pytest

from ppkt_zoo.errors import InputError, InputWarning
from ppkt_zoo.points.files.cloud_files import read_cloud
from tests.points.files.made_up_files import RGB, XYZ

ROWS = [[*map(float, x), *map(int, c)] for x, c in zip(XYZ, RGB, strict=True)]
NAMED = "x,y,z,r,g,b\n"


def lines(separator: str = " ", show=str, end: str = "\n", rows=ROWS) -> str:
    return "".join(separator.join(map(show, row)) + end for row in rows)


def comma(value: float) -> str:
    return str(value).replace(".", ",")


def quoted_comma(value: float) -> str:
    return f'"{comma(value)}"'


with_intensity = [[*row[:3], -1200, *row[3:]] for row in ROWS]
TABLES = {
    "decimal commas and semicolons.csv": "x;y;z;r;g;b\n" + lines(";", comma),
    "decimal commas and tabs.txt": lines("\t", comma),
    "decimal commas and blanks.txt": lines("  ", comma),
    "decimal commas in quotes.csv": NAMED + lines(",", quoted_comma),
    "quoted names.csv": '"x","y","z","r","g","b"\n' + lines(","),
    "quoted numbers.csv": NAMED + lines(",", lambda value: f'"{value}"'),
    "a comma behind each row.csv": "x,y,z,r,g,b,\n" + lines(",", end=",\n"),
    "a comma behind rows alone.csv": NAMED + lines(",", end=",\n"),
    "a comma behind each row without names.csv": lines(",", end=",\n"),
    "commas and blanks.csv": NAMED + lines(", "),
    "commas between positions alone.txt": "".join(
        ",".join(map(str, row[:3])) + " " + " ".join(map(str, row[3:])) + "\n" for row in ROWS
    ),
    "upright strokes.txt": "x|y|z|r|g|b\n" + lines("|"),
    "blanks before and behind.txt": "".join(f"   {line}  \n" for line in lines("   ").splitlines()),
    "units in names.csv": "x [m],y [m],z [m],r,g,b\n" + lines(","),
    "units behind blanks.txt": "X [m]  Y [m]  Z [m]  R G B\n" + lines(),
    "a line of units.csv": NAMED + "m,m,m,-,-,-\n" + lines(","),
    "units of some columns in brackets.csv": NAMED + "[m],(m),{m},,,\n" + lines(","),
    "units twice.csv": "x [m],y [m],z [m],r,g,b\nm,m,m\n" + lines(","),
    "a mark of Excel.csv": "sep=;\nx;y;z;r;g;b\n" + lines(";"),
    "an index without a name.csv": ",x,y,z,r,g,b\n" + lines(",", rows=[[i, *row] for i, row in enumerate(ROWS)]),
    "words in a column.csv": "id,x,y,z,r,g,b,kind\n" + lines(",", rows=[["P1", *row, "a wall"] for row in ROWS]),
    "words among blanks.txt": "x y z r g b kind\n" + lines(rows=[[*row, "wall"] for row in ROWS]),
    "another order.csv": "b,g,r,z,y,x\n" + lines(",", rows=[row[::-1] for row in ROWS]),
    "Latin-1.txt": "# Gebäude\n".encode("latin-1") + lines().encode(),
    "remarks behind rows.txt": lines(end=" # p\n"),
    "remarks between rows.txt": lines().replace("\n", "\n// next\n"),
    "a remark that speaks of x y and z.txt": "# seen from x y z\n# at noon\n" + lines(),
    "names in a remark behind others.txt": "# scanned\n# X Y Z R G B\n" + lines(),
    "names and a number of rows.txt": "//X Y Z R G B\n4\n" + lines(),
    "UTF-16.csv": (NAMED + lines(",")).encode("utf-16"),
    "UTF-16 the other way, without a mark.csv": (NAMED + lines(",")).encode("utf-16-be"),
    "UTF-32.csv": (NAMED + lines(",")).encode("utf-32"),
    "old Mac.txt": lines(end="\r"),
    "Windows.csv": (NAMED + lines(",")).replace("\n", "\r\n"),
    "empty lines.txt": "\n\n" + lines(end="\n\n"),
    "exponents of Fortran.txt": lines(show=lambda value: f"{value:.6e}".replace("e", "D")),
    "long minus signs.txt": lines().replace("-", "\u2212"),
    "capitals.CSV": (NAMED + lines(",")).upper(),
    "of CloudCompare.asc": lines(),
    "of Leica.pts": "4\n" + lines(rows=with_intensity),
    "without intensity.pts": "4\n" + lines(),
    "of Open3D.xyzrgb": lines(rows=[[*row[:3], *(value / 255 for value in row[3:])] for row in ROWS]),
    "tabs.tsv": "x\ty\tz\tr\tg\tb\n" + lines("\t"),
}


def read(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_cloud(path)


@pytest.mark.parametrize("name", TABLES)
def test_tables_as_people_have_them(tmp_path, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cloud = read(tmp_path, name, TABLES[name])
    np.testing.assert_allclose(cloud.xyz, XYZ, rtol=0, atol=1e-9)
    assert np.array_equal(cloud.rgb, RGB)
    assert cloud.dropped == 0


@pytest.mark.parametrize(
    "hole", [",,,,,", ",,,1,2,3", "nan,nan,nan,0,0,0", "NULL,NULL,NULL,,,", "-1.#IND,1.#QNAN,0,,,"]
)
def test_rows_of_holes_are_left_out_and_counted(tmp_path, hole):
    first, *others = lines(",").splitlines()
    cloud = read(tmp_path, "a.csv", "\n".join(["x,y,z,r,g,b", hole, first, hole, *others, hole]))
    assert np.array_equal(cloud.xyz, XYZ)
    assert np.array_equal(cloud.rgb, RGB)
    assert cloud.dropped == 3


def test_holes_between_tabs_shift_no_column(tmp_path):
    cloud = read(tmp_path, "a.txt", lines("\t") + "\t\t\t1\t2\t3\n")
    assert np.array_equal(cloud.xyz, XYZ)
    assert cloud.dropped == 1


def test_normals_are_no_colours(tmp_path):
    cloud = read(tmp_path, "a.xyzn", lines(rows=[[*row[:3], 0.0, 0.6, 0.8] for row in ROWS]))
    assert np.array_equal(cloud.xyz, XYZ)
    assert cloud.rgb is None


def test_millimetres_by_name_are_told(tmp_path):
    with pytest.warns(InputWarning, match="in mm"):
        read(tmp_path, "a.csv", "x [mm],y [mm],z [mm]\n1,2,3\n")
    with pytest.warns(InputWarning, match="in mm"):
        read(tmp_path, "a.csv", "x,y,z\nmm,mm,mm\n1,2,3\n")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "lon;lat;h\n1;2;3\n", "line 1: neither a row of numbers nor the names x, y and z"),
        ("a.csv", NAMED + lines(",") + "1,2,three,4,5,6\n", "line 6: 'three' is no number"),
        ("a.txt", "# one\n1 2 3\n\n4 5 6\n7 8\n", "line 5: rows have 3 numbers, this one has 2"),
        ("a.csv", NAMED + lines(",") + "1,2,3\n", "line 6: rows have 6 numbers, this one has 3"),
        ("a.csv", "x,y,z\n0,5,1,25,2,0\n", "decimal points and between columns both"),
        ("a.csv", NAMED + lines(",") + "1,2,3,,5,6\n", "colours hold NaN"),
        ("a.txt", "1\n2\n3\n", "not a text file of points: its rows have 1 of"),
        ("a.txt", b"\x89PNG\0\0\0\n", "not a text file"),
        ("a.txt", b"\xff\xfe1", "not a text file"),
        ("a.txt", b"9" * 5000 + b"\n1 2 3\n", "no number|no numbers"),
        ("a.txt", b"9" * 1_000_000 + b"\n1 2 3\n", "a line is longer"),
        ("a.txt", b"1 2 3\n" + b"9" * 1_000_000 + b" 2 3\n", "a line is longer"),
        ("a.txt", b"1 2 3\n" + b"9" * 100_000 + b" 2 3\n", "is no number"),
        ("a.csv", b"," * 3_000_000, "a line is longer"),
        ("a.txt", b"(" * 100_000 + b"\n1 2 3\n", "neither a row of numbers"),
    ],
)  # fmt: skip
def test_the_true_cause_is_named(tmp_path, name, content, says):
    with pytest.raises(InputError, match=says):
        read(tmp_path, name, content)


def test_text_longer_than_a_part_is_read_whole(tmp_path):
    """Rows are parsed some megabytes at a time; none may be lost where two parts meet."""
    count = 90_000
    numbers = np.arange(count * 3, dtype=np.float64).reshape(-1, 3) / 8
    content = "\n".join(" ".join(map(repr, row)) for row in numbers.tolist())
    assert len(content) > 2 << 20
    cloud = read(tmp_path, "a.xyz", content)
    assert np.array_equal(cloud.xyz, numbers)
    bad = content.replace("\n", "\n\n", 7) + "\n1 2\n"
    with pytest.raises(InputError, match=f"line {count + 8}: rows have 3"):
        read(tmp_path, "a.xyz", bad)
