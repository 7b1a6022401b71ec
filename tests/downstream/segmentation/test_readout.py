"""A head that reads a read-out: it learns, is saved with it, and uses it when it predicts."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ppkt_zoo.downstream.segmentation import fit_segmentation, load_segmentation, save_segmentation
from ppkt_zoo.downstream.segmentation.model import SegmentationModel
from ppkt_zoo.downstream.segmentation.trainer import build_model
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.cloud import CloudBatch, PointCloud
from ppkt_zoo.points.readout_spec import ReadOut
from ppkt_zoo.zoo.folder import open_weight_folder
from ppkt_zoo.zoo.load import verify
from tests.downstream.segmentation.tiny_scenes import CLASSES, TinyScenes, tiny_recipe, tiny_scene
from tests.zoo.tiny_weight import rewrite_tensors

TRAIN = TinyScenes(0, 1, 2)
WIDE = ReadOut(levels="concat", sampling="trilinear", extras=("color", "height"), views=2)


def model_of(readout: ReadOut) -> SegmentationModel:
    scene = tiny_scene(10)
    return build_model(tiny_recipe(readout=readout), CLASSES, [PointCloud.from_arrays(scene.xyz, scene.rgb)])


def test_it_learns_and_the_folder_keeps_the_read_out(tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=4, readout=WIDE.model_dump())
    done = fit_segmentation(recipe, TRAIN, None, tmp_path)
    folder = open_weight_folder(done.folder)
    assert folder.config.readout is not None
    assert folder.config.readout.recommended == {}
    report = verify(done.folder)
    assert report.ok
    assert "head" in report.errors
    loaded, scene = load_segmentation(done.folder), tiny_scene(10)
    assert loaded.readout == WIDE
    found = loaded.predict(scene.xyz, scene.rgb)
    # The head's own scores of what encode gives: the read-out that was recorded, its views too.
    features = torch.from_numpy(loaded.backbone.encode(scene.xyz, scene.rgb, readout=WIDE))
    with torch.no_grad():
        expected = loaded.head(features).softmax(dim=1)
    np.testing.assert_allclose(found.probabilities, expected.numpy(), atol=1e-4)
    again = loaded.predict(scene.xyz, scene.rgb, tile="auto")
    np.testing.assert_allclose(again.probabilities, found.probabilities, atol=1e-4)


def test_training_reads_what_prediction_reads() -> None:
    model, scene = model_of(WIDE.model_copy(update={"views": 1})).eval(), tiny_scene(10)
    batch = CloudBatch.collate([PointCloud.from_arrays(scene.xyz, scene.rgb)])
    rows = torch.arange(0, len(scene.xyz), 7)
    with torch.no_grad():
        scores = model(batch, rows).softmax(dim=1)
    torch.testing.assert_close(scores, torch.from_numpy(model.predict(scene.xyz, scene.rgb).probabilities)[rows])


def test_a_changed_statistic_of_a_head_is_found_out(tmp_path: Path) -> None:
    scene = tiny_scene(10)
    path = save_segmentation(tmp_path / "model", model_of(WIDE), golden_cloud=(scene.xyz, scene.rgb)).path
    assert verify(path).errors["head"] < 1e-4

    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["mean.stride1"] += 0.5

    rewrite_tensors(path, "readout.safetensors", change)
    with pytest.raises(WeightError, match="NOT VERIFIED"):
        verify(path)


def test_a_head_on_one_level_is_saved_as_ever(tmp_path: Path) -> None:
    scene = tiny_scene(10)
    model = build_model(tiny_recipe(), CLASSES)
    path = save_segmentation(tmp_path / "model", model, golden_cloud=(scene.xyz, scene.rgb)).path
    assert "readout" not in (path / "head.json").read_text()
    assert not (path / "readout.safetensors").exists()


def test_what_does_not_fit_is_told() -> None:
    backbone = model_of(WIDE).backbone
    with pytest.raises(InputError, match="a level or a read-out, not both"):
        SegmentationModel(backbone, CLASSES, "stride4", readout=WIDE)
    with pytest.raises(InputError, match="records no read-out for 'few_labels'"):
        SegmentationModel(backbone, CLASSES, readout="few_labels")
    backbone.readout = None
    with pytest.raises(InputError, match="comes without"):
        SegmentationModel(backbone, CLASSES, readout=WIDE)
