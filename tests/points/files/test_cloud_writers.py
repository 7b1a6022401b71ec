"""Every format that clouds are written in keeps arrays as they are, and a note that tells whole files from others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppkt_zoo.errors import InputError, MissingLibraryError
from ppkt_zoo.files import optional
from ppkt_zoo.points.files.cloud_files import read_cloud, write_cloud
from ppkt_zoo.points.files.cloud_writers import WRITTEN_ENDINGS, read_note, write_arrays

NOTE = {"source": "Größe/räume \u202e " + "x" * 700, "bytes": 3}
POINTS = 70_000  # more than are written at a time


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "xyz": rng.uniform(0, 3, (POINTS, 3)).astype(np.float32),
        "rgb": rng.integers(0, 256, (POINTS, 3)).astype(np.uint8),
        "features": rng.normal(size=(POINTS, 4)).astype(np.float16),
        "label": rng.integers(-1, 40, POINTS).astype(np.int16),
    }


def library_of(ending: str) -> None:
    """Skip where what a format needs is not installed."""
    for name, module in ((".parquet", "pyarrow"), (".zarr", "zarr")):
        if ending == name:
            pytest.importorskip(module)


def size_of(path: Path) -> int:
    return path.stat().st_size


@pytest.mark.parametrize("ending", WRITTEN_ENDINGS)
def test_a_note_comes_back_and_a_file_without_one_has_none(
    tmp_path: Path, arrays: dict[str, np.ndarray], ending: str
) -> None:
    library_of(ending)
    file = tmp_path / f"cloud{ending}"
    write_arrays(file, arrays, NOTE)
    assert read_note(file) == NOTE
    write_arrays(file, arrays, {})
    assert read_note(file) is None
    assert [one.name for one in tmp_path.iterdir()] == [file.name], "nothing passing is left"
    with pytest.raises(InputError, match="does not fit into the file"):
        write_arrays(file, arrays, {"a": "x" * 70_000})


@pytest.mark.parametrize("ending", [".npz", ".ply", ".parquet"])
def test_a_file_that_was_cut_short_is_told(tmp_path: Path, arrays: dict[str, np.ndarray], ending: str) -> None:
    library_of(ending)
    file = tmp_path / f"cloud{ending}"
    write_arrays(file, arrays, NOTE)
    whole = file.read_bytes()
    for length in (0, 40, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(InputError, match="cut short or damaged"):
            read_note(file)


def test_a_group_that_lost_its_description_is_told(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    library_of(".zarr")
    write_arrays(tmp_path / "cloud.zarr", arrays, NOTE)
    (tmp_path / "cloud.zarr" / "zarr.json").unlink()
    with pytest.raises(InputError, match="this group is missing"):
        read_note(tmp_path / "cloud.zarr")
    with pytest.raises(InputError, match="something else stands there"):
        write_arrays(tmp_path / "cloud.zarr", arrays, NOTE)


def test_npz_and_ply_with_a_note_are_read_as_those_without(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    for ending in (".npz", ".ply"):
        write_arrays(tmp_path / f"cloud{ending}", arrays, NOTE)
        cloud = read_cloud(tmp_path / f"cloud{ending}")
        np.testing.assert_array_equal(cloud.xyz, arrays["xyz"])
        np.testing.assert_array_equal(cloud.rgb, arrays["rgb"])
    with np.load(tmp_path / "cloud.npz") as found:
        assert list(found) == list(arrays)
        for name, value in arrays.items():
            np.testing.assert_array_equal(found[name], value)
    lines = (tmp_path / "cloud.ply").read_bytes().split(b"end_header\n")[0].splitlines()
    assert max(map(len, lines)) < 256, "some readers take no longer lines"


def test_a_parquet_table_has_a_column_for_each_coordinate_and_lists_of_features(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(
        write_cloud(tmp_path / "a.parquet", **{**arrays, "xyz": arrays["xyz"].astype(np.float64)})
    )
    assert table.column_names == ["x", "y", "z", "red", "green", "blue", "features", "label"]
    np.testing.assert_array_equal(table["z"].to_numpy(), arrays["xyz"][:, 2].astype(np.float64))
    features = np.concatenate([part.flatten().to_numpy(zero_copy_only=False) for part in table["features"].chunks])
    np.testing.assert_array_equal(features.reshape(POINTS, 4), arrays["features"])
    assert features.dtype == np.float16
    with pytest.raises(InputError, match="has a column x already"):
        write_cloud(tmp_path / "b.parquet", arrays["xyz"], x=arrays["label"])


def test_a_zarr_group_has_each_array_in_chunks_and_is_replaced_as_a_whole(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    zarr: Any = pytest.importorskip("zarr")
    write_cloud(tmp_path / "a.zarr", **arrays)
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="r")
    for name, value in arrays.items():
        np.testing.assert_array_equal(group[name][:], value)
        assert group[name].dtype == value.dtype
    assert group["features"].chunks == (65_536, 4)
    write_cloud(tmp_path / "a.zarr", arrays["xyz"][:5])
    assert list(zarr.open_group(str(tmp_path / "a.zarr"), mode="r")) == ["xyz"]
    assert [one.name for one in tmp_path.iterdir()] == ["a.zarr"]


@pytest.mark.parametrize(("ending", "module"), [(".parquet", "pyarrow"), (".zarr", "zarr")])
def test_a_missing_library_is_told_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, module: str
) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(optional.importlib, "import_module", absent)
    with pytest.raises(MissingLibraryError, match=rf"needs {module}, .*ppkt-zoo\[{ending[1:]}\]"):
        write_cloud(tmp_path / f"a{ending}", np.zeros((3, 3), np.float32))
    assert list(tmp_path.iterdir()) == []
