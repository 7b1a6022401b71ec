"""A model of one's own loop is saved by one call, says what it was told and no more, and opens in every command."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import ppkt_zoo
from ppkt_zoo import InputSpec, create_backbone
from ppkt_zoo.backbones.base import Backbone
from ppkt_zoo.cli.main import app
from ppkt_zoo.downstream.detection import VoteNet, VoteNetConfig, verify_detector
from ppkt_zoo.downstream.segmentation import SegmentationModel
from ppkt_zoo.errors import InputError, WeightError
from ppkt_zoo.points.cloud import PointCloud
from ppkt_zoo.points.files.cloud_files import write_cloud
from ppkt_zoo.zoo.folder import open_weight_folder
from ppkt_zoo.zoo.golden_cloud import golden_cloud_of, wide_enough
from ppkt_zoo.zoo.record import WeightRecord

CLASSES = ("floor", "wall", "pipe")


def backbone(voxel: float = 0.1) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create_backbone("sr_unet14_small", input_spec=InputSpec(voxel_size=voxel))


def cloud(edge: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0, edge, (600, 3)).astype(np.float32), rng.integers(0, 256, (600, 3)).astype(np.uint8)


def test_one_call_saves_a_segmentation_model_that_opens_everywhere(tmp_path: Path) -> None:
    model = SegmentationModel(backbone(), CLASSES, ids=(4, 7, 300))
    folder = ppkt_zoo.save_segmentation(tmp_path / "runs" / "pipes", model, data="our plant, 12 scans", licence="MIT")
    assert folder.config.name == "sr_unet14_small.own"
    assert ppkt_zoo.verify(folder.path).ok
    loaded = ppkt_zoo.load_segmentation(folder.path)
    assert (loaded.classes, loaded.ids) == (CLASSES, (4, 7, 300))
    write_cloud(tmp_path / "scan.ply", *cloud())
    out = tmp_path / "named.npz"
    found = CliRunner().invoke(app, ["segment", str(tmp_path / "scan.ply"), "-m", str(folder.path), "-o", str(out)])
    assert found.exit_code == 0, found.output
    assert set(np.unique(np.load(out)["label"])) <= {4, 7, 300}
    record = folder.record()
    assert record.method == "segmentation, custom training loop"
    assert [(one.name, one.licence, one.frames) for one in record.data] == [
        ("our plant, 12 scans", "not specified", None)
    ]
    assert (record.licences.weights, record.licences.data, record.citation) == ("MIT", "not specified", "not specified")
    assert (record.seed, record.trained, record.recipe, record.metrics) == (None, None, None, ())
    with pytest.raises(WeightError, match="exists already"):
        ppkt_zoo.save_segmentation(folder.path, model)


def test_what_is_not_told_is_not_made_up(tmp_path: Path) -> None:
    folder = ppkt_zoo.save_segmentation(tmp_path / "m", SegmentationModel(backbone(), CLASSES))
    record = folder.record()
    assert record.licences.weights == "not specified, so not to be published"
    assert "its training and its accuracy are not specified" in record.limits[0]
    assert json.loads((folder.path / "head.json").read_text()).keys() == {"format", "task", "level", "classes"}
    fields = {"seed": 3, "description": "Finds pipes.", "citation": "ours"}
    told = ppkt_zoo.save_segmentation(tmp_path / "n", SegmentationModel(backbone(), CLASSES), record=fields).record()
    assert (told.seed, told.description, told.citation) == (3, "Finds pipes.", "ours")


def test_one_call_saves_a_detector_that_opens_everywhere(tmp_path: Path) -> None:
    shape = VoteNetConfig(seeds=16, proposals=8, width=16, neighbours=4)
    model = VoteNet(backbone(), ("chair", "table"), torch.ones(2, 3), shape)
    folder = ppkt_zoo.save_detector(tmp_path / "chairs", model, golden_cloud=cloud(), description="Finds chairs.")
    assert folder.config.name == "sr_unet14_small.own_votenet"
    assert verify_detector(folder.path) < 1e-3
    assert ppkt_zoo.load_detector(folder.path).classes == ("chair", "table")
    write_cloud(tmp_path / "scan.ply", *cloud())
    out = str(tmp_path / "boxes.json")
    found = CliRunner().invoke(app, ["detect", str(tmp_path / "scan.ply"), "-m", str(folder.path), "-o", out])
    assert found.exit_code == 0, found.output
    assert folder.record().description == "Finds chairs."


def test_a_wrapper_or_a_backbone_is_told_what_to_give(tmp_path: Path) -> None:
    wrapped = torch.nn.Sequential(SegmentationModel(backbone(), CLASSES))
    with pytest.raises(InputError, match=r"must be a SegmentationModel\(backbone, classes\), got Sequential.*\.module"):
        ppkt_zoo.save_segmentation(tmp_path / "m", wrapped)
    with pytest.raises(InputError, match=r"must be a VoteNet\(backbone, classes, …\), got SRUNet"):
        ppkt_zoo.save_detector(tmp_path / "m", backbone())
    with pytest.raises(InputError, match="golden_cloud must be a PointCloud or"):
        ppkt_zoo.save_segmentation(tmp_path / "m", SegmentationModel(backbone(), CLASSES), golden_cloud=[1, 2])
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("ids", [(1, 1, 2), (0, 1), (-1, 0, 1)])
def test_ids_are_one_a_class(ids: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"ids must be one number of 0 or more a class \(3\), none twice"):
        SegmentationModel(backbone(), CLASSES, ids=ids)


def test_an_object_on_a_table_gives_a_golden_cloud_that_proves_something(tmp_path: Path) -> None:
    small = golden_cloud_of(cloud(edge=0.3), 0.1)
    assert len(small) == 1200
    assert float(small.xyz[:, 0].max() - small.xyz[:, 0].min()) > 32 * 0.1
    large = PointCloud.from_arrays(*cloud(edge=4.0))
    assert wide_enough(large, 0.1) is large
    folder = ppkt_zoo.save_segmentation(tmp_path / "m", SegmentationModel(backbone(), CLASSES), golden_cloud=cloud(0.3))
    assert open_weight_folder(folder.path).golden().cloud.xyz.shape == (1200, 3)
    assert ppkt_zoo.verify(folder.path).ok


def test_records_of_0_1_are_still_read() -> None:
    fields = {
        "description": "A model.",
        "method": "segmentation, in a loop of its owner's",
        "data": [{"name": "not told", "frames": None, "licence": "not told", "attribution": "not told"}],
        "licences": {"data": "not told", "weights": "not told, so not to be published"},
        "citation": "not told",
        "parameters": 1,
        "created": "2026-11-01",
    }
    assert WeightRecord.model_validate(fields).recipe is None
    with pytest.raises(ValueError, match="recipe, seed and trained are needed"):
        WeightRecord.model_validate(fields | {"method": "segmentation"})
