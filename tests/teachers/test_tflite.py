"""The two published TFLite files become the teachers beside them; damaged ones are named."""

import hashlib
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from ppkt_zoo.cli.main import app
from ppkt_zoo.errors import TeacherError
from ppkt_zoo.files.checksums import sha256_of_tensors
from ppkt_zoo.teachers.checkpoints import SAME_TENSORS, read_teacher_file
from ppkt_zoo.teachers.tflite import import_tflite

PAIRS = [
    ("mobilenet_v2_1.0_224_quant", "mobilenet_v2_imagenet1k", "mobilenet_v2", 53),
    ("deeplabv3_mnv2_pascal_quant", "deeplabv3_mobilenet_v2_voc21", "deeplabv3_mobilenet_v2", 55),
]


@pytest.mark.parametrize(("published", "beside", "architecture", "layers"), PAIRS)
def test_equal_to_the_safetensors_beside(
    shared: Path, tmp_path: Path, published: str, beside: str, architecture: str, layers: int
) -> None:
    done = import_tflite(shared / "teachers" / f"{published}.tflite", tmp_path / "teacher.safetensors")
    assert (done.architecture, done.layers) == (architecture, layers)
    found = load_file(done.file)
    wanted = load_file(shared / "teachers" / f"{beside}.safetensors")
    assert set(found) == set(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype, name
        torch.testing.assert_close(found[name].float(), tensor.float(), rtol=1e-3, atol=1e-3, msg=name)


def test_the_command_says_what_a_recipe_needs(shared: Path, tmp_path: Path) -> None:
    target = tmp_path / "voc.safetensors"
    source = shared / "teachers" / f"{PAIRS[1][0]}.tflite"
    done = CliRunner().invoke(app, ["teacher", "import", str(source), str(target)])
    assert done.exit_code == 0, done.output
    assert "deeplabv3_mobilenet_v2" in done.output
    again = CliRunner().invoke(app, ["teacher", "import", str(source), str(target)])
    assert again.exit_code == 2
    assert "exists" in again.stderr


def test_a_file_cut_anywhere_is_named(shared: Path, tmp_path: Path) -> None:
    content = (shared / "teachers" / f"{PAIRS[0][0]}.tflite").read_bytes()
    cut = tmp_path / "cut.tflite"
    for length in (0, 6, 30, 1_000, 100_000, len(content) // 2, len(content) - 2_000):
        cut.write_bytes(content[:length])
        with pytest.raises(TeacherError, match=r"cut\.tflite"):
            import_tflite(cut, tmp_path / "out.safetensors")
    assert not list(tmp_path.glob("out*"))


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(TeacherError, match="cannot be read"):
        import_tflite(tmp_path / "none.tflite", tmp_path / "out.safetensors")
    (tmp_path / "text.tflite").write_text("hello, this is text")
    with pytest.raises(TeacherError, match="no TFLite model"):
        import_tflite(tmp_path / "text.tflite", tmp_path / "out.safetensors")


def test_special_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tflite")
    with pytest.raises(TeacherError, match="named pipe"):
        import_tflite(tmp_path / "pipe.tflite", tmp_path / "out.safetensors")
    with open(tmp_path / "sparse.tflite", "wb") as file:
        file.truncate(50 << 30)
    with pytest.raises(TeacherError, match="PPKT_ZOO_MAX_BYTES"):
        import_tflite(tmp_path / "sparse.tflite", tmp_path / "out.safetensors")
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(TeacherError, match="named pipe"):
        read_teacher_file(tmp_path / "pipe.safetensors", None)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(TeacherError, match=r"ppkt-zoo\[teachers\]"):
        import_tflite(tmp_path / "a.tflite", tmp_path / "b.safetensors")


@pytest.mark.parametrize("published", [0, 1])
def test_recipes_take_what_is_imported(shared: Path, tmp_path: Path, published: int) -> None:
    """Recipes name the file beside by its hash; the imported one has the same tensors under another header."""
    tflite_name, beside, _, _ = PAIRS[published]
    done = import_tflite(shared / "teachers" / f"{tflite_name}.tflite", tmp_path / "teacher.safetensors")
    wanted = hashlib.sha256((shared / "teachers" / f"{beside}.safetensors").read_bytes()).hexdigest()
    assert done.sha256 != wanted
    tensors, found = read_teacher_file(done.file, wanted)
    assert found == done.sha256, "records name the file that was there"
    assert sha256_of_tensors(load_file(done.file)) == SAME_TENSORS[wanted]
    changed = {name: tensor.clone() for name, tensor in load_file(done.file).items()}
    next(iter(changed.values())).view(-1)[0] += 1
    save_file(changed, tmp_path / "changed.safetensors")
    with pytest.raises(TeacherError, match="the spec asks for"):
        read_teacher_file(tmp_path / "changed.safetensors", wanted)
    assert tensors


def test_importing_again_gives_the_same_file(shared: Path, tmp_path: Path) -> None:
    """Recipes name a teacher's file by its hash."""
    source = shared / "teachers" / f"{PAIRS[1][0]}.tflite"
    hashes = {import_tflite(source, tmp_path / f"{number}.safetensors").sha256 for number in range(5)}
    assert len(hashes) == 1
