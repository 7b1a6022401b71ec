"""The watch: classes found in unseen rooms, the same points each time, a picture, and a student left as it was."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.data.scenes import LabelledScene
from ppkt_zoo.pretraining.probe import OnlineProbe
from ppkt_zoo.rooms import CLASSES
from ppkt_zoo.zoo.registry import create_backbone
from tests.support.made_up_scene import scene


class Told(Backbone):
    """A student that is told the answer: the class stands in the red channel."""

    def __init__(self) -> None:
        student = create_backbone("sr_unet14_slim")
        super().__init__(student.input_spec, student.level_channels)
        self.asked: list[str] = []

    def forward(self, batch: object) -> object:
        raise AssertionError("only encode is asked")

    def encode(self, xyz: np.ndarray, rgb: np.ndarray, levels: str = "last", tile: None = None) -> np.ndarray:
        self.asked.append(levels)
        noise = np.random.default_rng(0).normal(0, 0.01, (len(xyz), len(CLASSES)))
        return (np.eye(len(CLASSES))[rgb[:, 0]] + noise).astype(np.float32)


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    scanned: list[int] = []

    def get(self: object, index: int) -> LabelledScene:
        if index >= 4:
            raise IndexError
        scanned.append(index)
        return scene(index)

    monkeypatch.setattr("ppkt_zoo.rooms.RoomScenes.__getitem__", get)
    return scanned


def test_what_the_student_knows_is_found(rooms: list[int], tmp_path: Path) -> None:
    watch = OnlineProbe(3, 4, {"stride1"}, None, tmp_path)
    assert rooms == [], "rooms are scanned when they are needed"
    assert watch(Told(), 500) == {"knn_miou": 1.0, "knn_accuracy": 1.0}
    picture = np.asarray(Image.open(tmp_path / "step-00000500.png"))
    assert picture.std() > 10
    watch(Told(), 1000)
    assert rooms == [0, 1, 2, 3], "rooms are scanned once"
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["step-00000500.png", "step-00001000.png"]


@pytest.mark.usefixtures("rooms")
def test_the_finest_level_that_is_taught_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnlineProbe, "_draw", lambda *_: None)
    for levels, asked in (({"stride4", "stride2"}, "stride2"), ({"stride1"}, "stride1"), (set(), "last")):
        student = Told()
        OnlineProbe(3, 4, levels, None, tmp_path)(student, 1)
        assert set(student.asked) == {asked}


@pytest.mark.usefixtures("rooms")
def test_the_same_points_are_drawn_and_the_student_stays_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = create_backbone("sr_unet14_slim").train()
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    random = torch.get_rng_state()
    first = OnlineProbe(3, 4, {"stride1"}, None, tmp_path)(student, 1)
    assert OnlineProbe(3, 4, {"stride1"}, None, tmp_path)(student, 2) == first
    assert 0 < first["knn_miou"] < first["knn_accuracy"] < 1
    assert student.training
    assert torch.equal(torch.get_rng_state(), random)
    for name, tensor in student.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.usefixtures("rooms")
def test_the_bank_is_balanced(tmp_path: Path) -> None:
    bank, asked = OnlineProbe(3, 4, (), None, tmp_path)._rooms
    labels, counts = np.unique(np.concatenate([room.labels for room in bank]), return_counts=True)
    rare = sum((scene(number).label == 7).sum() for number in (0, 1))
    assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == {0: 200, 1: 200, 7: rare}
    for room in (*bank, *asked):
        np.testing.assert_array_equal(room.scene.label[room.rows], room.labels)
    assert [room.scene.name for room in asked] == ["scene 2", "scene 3"]
    assert all((room.labels >= 0).all() for room in asked)
