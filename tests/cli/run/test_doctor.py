"""``doctor``: the command that it prints reads the cloud right, and problems alone make it end with 2."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ppkt_zoo
from ppkt_zoo.cli.run import doctor_installation
from ppkt_zoo.files import fetching
from ppkt_zoo.points.files.cloud_files import write_cloud
from tests.cli.run.test_source import some_frames
from tests.data.examine.test_cloud import RGB, ROOM
from tests.support.commands import run

WEIGHT = "sr_unet14_slim.ppkt_voc"


def document(*words: object, code: int = 0) -> dict[str, Any]:
    """The JSON that a call answers by."""
    found: dict[str, Any] = json.loads(run("doctor", *words, "--json", code=code).stdout)
    return found


def command_of(text: str) -> list[str]:
    """The words of the command that is printed last."""
    return shlex.split(text.strip().splitlines()[-1].removeprefix("read it with"))


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("room.ply", np.eye(3)),
        ('it\'s a "room" 🪑 <b>.ply', 1000 * np.eye(3)),
        ("-y.npz", np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])),
        ("both.npz", 1000 * np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])),
    ],
)
def test_the_printed_command_reads_the_cloud_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, matrix: np.ndarray
) -> None:
    monkeypatch.chdir(tmp_path)
    # Few points: what is tested is the reading.
    some = slice(None, None, 20)
    write_cloud(tmp_path / name, (ROOM @ matrix.T)[some], RGB[some])
    words = command_of(run("doctor", f"./{name}", "--weight", WEIGHT).stdout)
    assert words[:2] == ["ppkt-zoo", "encode"]
    picture = words.index("--picture")
    run(*words[1:picture], *words[picture + 2 :], "--out", "features.npz")
    np.testing.assert_allclose(np.load("features.npz")["xyz"], ROOM[some], atol=2e-3)


def test_its_json_holds_the_findings_and_the_command(tmp_path: Path) -> None:
    file = write_cloud(tmp_path / "a b.ply", ROOM * 1000, RGB)
    result = document(file)["result"]
    assert result["installation"] is None
    source = result["source"]
    assert (source["unit"], source["up"], source["points"]) == ("mm", "z", len(ROOM))
    assert source["command"] == f"ppkt-zoo encode '{file}' --unit mm --picture features.png"
    assert {one["level"] for one in result["findings"]} == {"fine", "remark"}
    assert document(file, "--unit", "mm")["result"]["source"]["unit"] == "mm"


def test_problems_end_with_2_and_name_the_mend(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(b"ply\n")
    told = run("doctor", tmp_path / "a.ply", code=2)
    assert "problem: the header ends before end_header" in told.stdout
    assert "read it with" not in told.stdout
    assert document(tmp_path / "a.ply", code=2)["result"]["source"]["command"] is None
    assert "does not exist" in run("doctor", tmp_path / "nowhere.ply", code=2).stderr


def test_options_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = write_cloud(tmp_path / "a.ply", ROOM[:100])
    assert "--up w" in run("doctor", file, "--up", "w", code=2).stderr
    assert "folders of frames" in run("doctor", file, "--intrinsics", "1,2,3,4", code=2).stderr
    assert "about a SOURCE" in run("doctor", "--unit", "mm", code=2).stderr
    assert "no weight" in run("doctor", file, "--weight", "sr_unet14_slim.nothing", code=2).stderr
    frames = some_frames(tmp_path / "frames", 1)
    assert "--depth-scale" in run("doctor", frames, "--unit", "mm", code=2).stderr


def test_frames_without_intrinsics_get_a_command_to_fill_in(tmp_path: Path) -> None:
    frames = some_frames(tmp_path / "my frames", 1)
    told = run("doctor", frames, code=2).stdout
    assert f"ppkt-zoo encode '{frames}' --intrinsics FX,FY,CX,CY --picture features.png" in told
    told = run("doctor", frames, "--intrinsics", "50,50,31.5,23.5", "--up", "world-z").stdout
    assert command_of(told)[2:] == [
        str(frames), "--intrinsics", "50,50,31.5,23.5", "--up", "world-z", "--picture", "features.png",
    ]  # fmt: skip


def test_of_a_folder_of_point_files_the_first_is_examined(tmp_path: Path) -> None:
    for name in ("b.ply", "a.ply"):
        write_cloud(tmp_path / name, ROOM * 1000, RGB)
    told = run("doctor", tmp_path).stdout
    assert "2 point files (a.ply, b.ply); a.ply was examined" in told
    assert f"ppkt-zoo encode {tmp_path} --unit mm --out features" in told


class TestInstallation:
    """Without a source."""

    @pytest.fixture(autouse=True)
    def _alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PPKT_ZOO_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setattr(doctor_installation, "_SECONDS_AN_ENGINE", 0.01)

    def test_all_of_it_is_told(self) -> None:
        result = document()["result"]
        found = result["installation"]
        assert result["source"] is None
        assert found["ppkt_zoo"] == ppkt_zoo.__version__
        assert {one["name"] for one in found["engines"] if one["device"] == "cpu"} == {"native", "torch"}
        assert sum(one["automatic"] for one in found["engines"] if one["device"] == "cpu") == 1
        for engine in found["engines"]:
            assert (engine["milliseconds"] is None) == (engine["reason"] is not None)
        topics = {one["topic"] for one in result["findings"]}
        assert {"ppkt-zoo", "python", "torch", "engine, cpu", "threads", "extras", "cache", "hub", "weights"} <= topics
        assert "HF_HUB_OFFLINE" in " ".join(one["text"] for one in result["findings"])

    def test_without_the_native_library_the_reason_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor_installation, "get_engine", _without_native)
        text = run("doctor").stdout
        assert "auto takes torch" in text
        assert "no compiler was there" in text

    def test_an_unreachable_hub_is_a_remark(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setenv("HF_ENDPOINT", "http://me:secret@127.0.0.1:9")
        monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:80")
        text = run("doctor").stdout
        assert "remark: http://127.0.0.1:9 cannot be reached (no connection)" in text
        assert "HTTPS_PROXY=http://proxy.example:80" in text
        assert "secret" not in text

    def test_a_damaged_weight_and_a_cache_without_permission_are_problems(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "cache").write_text("a file in its place")
        monkeypatch.setattr(doctor_installation, "open_weight", _damaged)
        text = run("doctor", code=2).stdout
        assert "model.safetensors was changed" in text
        assert "PPKT_ZOO_CACHE" in text


def test_a_server_that_does_not_answer_is_not_waited_for() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        reason = fetching.answers_within(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.2)
    assert reason == "no answer in 0.2 s"


def _without_native(name: str = "auto", device: str = "cpu") -> Any:
    from ppkt_zoo.errors import EngineError
    from ppkt_zoo.sparse.engines.select import get_engine

    if name == "native":
        raise EngineError("no compiler was there")
    return get_engine("torch" if name == "auto" else name, device)


def _damaged(name: str) -> Any:
    from ppkt_zoo.errors import WeightError

    raise WeightError(f"{name}: model.safetensors was changed")
