"""Which library is opened: damaged, foreign and old ones, threads, processes, and the switch."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ppkt_zoo.errors import EngineError
from ppkt_zoo.native import Library, open_library
from ppkt_zoo.native.build import LIBRARY, RECORD
from ppkt_zoo.sparse import Grid
from tests.native.test_maps import GRIDS
from tests.sparse.test_native import numbers_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]
posix_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def sign(path: Path) -> None:
    """Make the record fit the file, so that only loading it can find the fault."""
    record = {"sha256": sha256(path.read_bytes()).hexdigest(), "source": ""}
    path.with_suffix(".json").write_text(json.dumps(record))


def compile_c(text: str, target: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source = target.with_suffix(".c")
    source.write_text(text)
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(target)], check=True)


def test_a_library_that_is_not_there_names_the_mend(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"was not built.*python -m ppkt_zoo\.native build"):
        open_library(tmp_path / LIBRARY.name)


def test_damaged_cut_and_foreign_files_are_refused_before_they_are_loaded(copied: Path) -> None:
    whole = copied.read_bytes()
    spoilt = bytearray(whole)
    spoilt[len(whole) // 2] ^= 1
    for content in (bytes(spoilt), whole[: len(whole) // 2], b"", b"text"):
        copied.write_bytes(content)
        with pytest.raises(EngineError, match=r"is not the one that was built here.*native build"):
            open_library(copied)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"sha256": 5}'])
def test_a_damaged_record_is_refused(copied: Path, text: str) -> None:
    copied.with_suffix(".json").write_text(text)
    with pytest.raises(EngineError, match=r"native build"):
        open_library(copied)


def test_a_file_that_is_no_library_is_refused(copied: Path) -> None:
    copied.write_bytes(b"\x7fELF and nothing more")
    sign(copied)
    with pytest.raises(EngineError, match=r"cannot be loaded.*native build"):
        open_library(copied)


def test_libraries_of_another_version_or_kind_are_refused(tmp_path: Path) -> None:
    for name, text, message in (
        ("other.so", "int other(void) { return 1; }", "cannot be loaded"),
        (
            "old.so",
            'int ppkt_version(void) { return 9999; } const char* ppkt_level(void) { return "x"; }',
            "version 9999, not",
        ),
    ):
        compile_c(text, tmp_path / name)
        sign(tmp_path / name)
        with pytest.raises(EngineError, match=message):
            open_library(tmp_path / name)


def test_an_instruction_set_that_is_not_compiled_is_refused(built: Path) -> None:
    with pytest.raises(EngineError, match=r"the native library has no ppkt_.*_mmx"):
        open_library(built, "mmx")


def test_auto_goes_on_with_torch_and_native_says_why(run_python: Run, copied: Path) -> None:
    copied.write_bytes(copied.read_bytes()[:1000])
    code = f"""
from pathlib import Path
from ppkt_zoo.native import build, library
library.LIBRARY = Path({str(copied)!r})
library.open_library.__defaults__ = (library.LIBRARY, None, True)
from ppkt_zoo.sparse import get_engine
print(get_engine().name)
try:
    get_engine("native")
except Exception as error:
    print(type(error).__name__, error)
"""
    # `ppkt_zoo.native.library` is a function in the package: the module is taken from sys.modules.
    code = code.replace("from ppkt_zoo.native import build, library", "import sys, ppkt_zoo.native\n"
                        "library = sys.modules['ppkt_zoo.native.library']")  # fmt: skip
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "torch"
    assert second.startswith("EngineError engine 'native' cannot be used: the native library")


def test_the_switch_turns_it_off(run_python: Run) -> None:
    code = "from ppkt_zoo.sparse import get_engine; print(get_engine().name)"
    assert run_python(code, PPKT_ZOO_ENGINE="torch").stdout.strip() == "torch"
    assert run_python(code, PPKT_ZOO_ENGINE="").stdout.strip() == "native"


def test_a_library_older_than_its_sources_is_used_and_told_of(run_python: Run, tmp_path: Path) -> None:
    package = tmp_path / "ppkt_zoo"
    shutil.copytree(Path(__file__).parents[2] / "ppkt_zoo", package, ignore=shutil.ignore_patterns("weights"))
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from ppkt_zoo.native import find_library; "
    code += "print(find_library().path)"
    made = package / "native" / "lib" / LIBRARY.name
    record = json.loads(made.with_suffix(".json").read_text())
    made.with_suffix(".json").write_text(json.dumps(record | {"source": "of another day"}))
    later = made.stat().st_mtime + 5
    os.utime(package / "native" / "src" / "maps.cpp", (later, later))
    done = run_python(code)
    assert done.stdout.strip() == str(made)
    assert "the native library is older than its sources: run `python -m ppkt_zoo.native build`" in done.stderr


_STACK = """
import os, torch
from ppkt_zoo.native import open_library
from tests.native.test_maps import GRIDS
from tests.sparse.test_native import numbers_of
from ppkt_zoo.sparse import Grid
def total(library=None):
    return float(sum(one.double().sum() for one in numbers_of(library or open_library(), Grid(GRIDS["dense clouds"]))))
"""


@posix_only
@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_child_made_by_fork_computes_the_same(run_python: Run, opened: str) -> None:
    code = f"""{_STACK}
torch.set_num_threads(3)
torch.randn(2_000_000).exp().sum()  # the parent's pool of threads is at work before the fork
right = total() if {opened == "before"} else None
child = os.fork()
if child == 0:
    # Left alone: PyTorch itself may hang in such a child, so only the native library works on several threads.
    from ppkt_zoo.native.convolution import convolve, pack_weight
    from ppkt_zoo.native.maps import table_pairs
    found = open_library()
    rows = 3000
    pairs = table_pairs(found, torch.arange(rows, dtype=torch.int32).view(1, -1), rows)
    packed = pack_weight(found, torch.ones((8, 1, 4)), torch.float32)
    out = convolve(found, torch.ones((rows, 4)), packed, 8, pairs)
    os._exit(0 if out.numpy().min() == out.numpy().max() == 4 else 7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run_python(code)
    assert done.stdout.strip() == "0", done.stderr


def test_workers_of_a_data_loader_compute_the_same(run_python: Run) -> None:
    code = f"""{_STACK}
class Numbers(torch.utils.data.Dataset):
    def __len__(self): return 2
    def __getitem__(self, index): return total()
if __name__ == "__main__":
    right = total()
    found = [float(one) for one in torch.utils.data.DataLoader(Numbers(), num_workers=2)]
    print(found == [right] * 2)
"""
    done = run_python(code)
    assert done.stdout.strip() == "True", done.stderr


def test_no_threads_of_openmp_at_all(run_python: Run) -> None:
    code = f"{_STACK}print(torch.get_num_threads() >= 1, total() == total())"
    done = run_python(code, OMP_NUM_THREADS="0")
    assert done.stdout.strip() == "True True", done.stderr


def equal(a: list[Tensor], b: list[Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_threads_of_its_own_give_the_same_numbers(built: Path, copied: Path) -> None:
    before = torch.get_num_threads()
    grid = Grid(GRIDS["dense clouds"])
    shared, own = open_library(built), open_library(copied, share_threads=False)
    right = numbers_of(shared, grid)
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            assert equal(numbers_of(own, Grid(GRIDS["dense clouds"])), right)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("share", [True, False])
def test_several_python_threads_at_once(built: Path, copied: Path, share: bool) -> None:
    library: Library = open_library(built if share else copied, share_threads=share)
    right = numbers_of(library, Grid(GRIDS["dense clouds"]))
    found: list[bool] = []

    def work() -> None:
        for _ in range(3):
            found.append(equal(numbers_of(library, Grid(GRIDS["dense clouds"])), right))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert found == [True] * 12


def test_the_record_stands_beside_the_library(built: Path) -> None:
    assert set(json.loads(RECORD.read_text())) == {"sha256", "source"}
