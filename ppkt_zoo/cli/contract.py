"""What each command promises: the model of its answer under ``--json``, and examples that its ``--help`` shows."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ppkt_zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from ppkt_zoo.cli.answers.base import Answer

_ANSWERS = "ppkt_zoo.cli.answers"


class Promise(NamedTuple):
    """Of one command.

    Attributes:
        answer: module below ``cli.answers``, a colon, and the name of the class in it.
        other: the same of what it answers by where more is asked of it; empty for none.
        examples: command lines without the program's name, each short enough for a line of 80 columns.
    """

    answer: str
    examples: tuple[str, ...]
    other: str = ""


PROMISES: Mapping[str, Promise] = {
    "demo": Promise("predict:Demo", ("demo", "demo --seed 11 --out my_demo")),
    "encode": Promise(
        "predict:Encoded",
        (
            "encode scan.ply --picture scan.png",
            "encode frames/ --every 5 --out room.npz --half",
            "encode scan.ply --read-out few_labels --json",
            "encode scans/ --out features/ --workers 4 --format parquet",
        ),
        "many:EncodedMany",
    ),
    "similar": Promise(
        "predict:SimilarPoints",
        (
            "similar scan.ply --at 1.2,0.5,0.8 --picture similar.png",
            "similar frames/ --frame 0 --at 0.1,1.5,-0.2",
        ),
    ),
    "segment": Promise(
        "predict:Segmented",
        ("segment scan.ply --picture classes.png", "segment scan.ply --model runs/own/model --voting 4"),
    ),
    "detect": Promise(
        "predict:Detected",
        ("detect scan.ply --score 0.5 --picture boxes.png", "detect frames/ --out boxes.npz"),
    ),
    "view": Promise(
        "predict:Viewed",
        ("view scan.ply", "view features.npz --out page.html", "view scan.ply --plain --boxes scan_boxes.json"),
    ),
    "list": Promise("weights:Listed", ("list", "list weights 'sr_unet14*'", "list backbones --json")),
    "show": Promise("weights:Shown", ("show sr_unet14_small.ppkt_voc", "show local-dir:runs/own/weight")),
    "verify": Promise("weights:Verified", ("verify", "verify sr_unet14_small.ppkt_voc --engine torch", "verify --all")),
    "fetch": Promise("weights:Fetched", ("fetch sr_unet14_small.ppkt_voc", "fetch --all --to /media/usb/mirror")),
    "cache": Promise("weights:Cached", ("cache", "cache --clear rooms --clear teacher --yes")),
    "publish": Promise(
        "weights:Published",
        (
            "publish runs/own/weight --repo me/my-weight --dry-run",
            "publish runs/own/weight --repo me/my-weight --private",
        ),
    ),
    "pretrain": Promise(
        "train:Pretrained",
        (
            "pretrain sunrgbd -d sunrgbd=SUNRGBD/ --dry-run",
            "pretrain my_recipe.yaml -d own=frames/ -t teacher.pth -o runs/own",
            "pretrain my_recipe.yaml optimiser.lr=0.1 --stop-after 500",
        ),
    ),
    "grid": Promise(
        "train:Compared",
        (
            "grid segmentation own -i scratch=random -i ours=runs/own/weight",
            "grid detection scannet -d scannet=scans/ -f 0.1 -f 1 --seeds 3",
        ),
    ),
    "doctor": Promise(
        "doctor:Diagnosis",
        (
            "doctor",
            "doctor scan.ply",
            "doctor scan.ply --unit mm --json",
            "doctor frames/ --intrinsics 525,525,319.5,239.5",
        ),
    ),
    "version": Promise("about:Versions", ("version", "version --json")),
    "completion": Promise("about:Completion", ("completion bash >> ~/.bashrc", "completion fish")),
    "schema": Promise("about:Schema", ("schema", "schema encode", "schema data inspect")),
    "data inspect": Promise(
        "data:Inspected", ("data inspect frames/", "data inspect frames/ --every 10 --intrinsics 525,525,319.5,239.5")
    ),
    "data pack": Promise("data:Packed", ("data pack frames/ shards/", "data pack frames/ shards/ --shard-size 512")),
    "segmentation train": Promise(
        "train:SegmentationTrained",
        (
            "segmentation train own -d own=scans/ -o runs/own",
            "segmentation train own -d own=scans/ steps=500 --device cuda",
        ),
    ),
    "segmentation test": Promise(
        "train:SegmentationTested", ("segmentation test runs/own/model own -d own=scans/ --voting 4",)
    ),
    "detection train": Promise("train:DetectionTrained", ("detection train own -d own=scans/ -o runs/boxes",)),
    "detection test": Promise("train:DetectionTested", ("detection test runs/boxes/model own -d own=scans/",)),
    "teacher import": Promise(
        "train:TeacherMade", ("teacher import deeplabv3_mnv2_pascal_quant.tflite teacher.safetensors",)
    ),
    "teacher train": Promise(
        "train:TeacherMade", ("teacher train moco_v2_rooms", "teacher train moco_v2_rooms steps=200 -o runs/t")
    ),
    "convert minkowski": Promise(
        "weights:Converted",
        (
            "convert minkowski a.pth --arch sr_unet34 --dialect slidr --voxel 0.1 "
            "--origin URL --licence MIT --out weight/",
        ),
    ),
    "convert spunet": Promise(
        "weights:Exported", ("convert spunet sr_unet14_small.ppkt_voc --out spunet.safetensors",)
    ),
}


def examples_of(command: str) -> str:
    """The end of a command's ``--help``; empty for one without examples."""
    promise = PROMISES.get(command)
    # Two newlines: the framework joins lines that only one divides.
    return "" if promise is None else "\n\n".join(["Examples:", *(f"ppkt-zoo {one}" for one in promise.examples)])


def answer_class(command: str) -> "type[Answer]":
    """The model of a command's answer.

    Raises:
        UnknownNameError: there is no such command.
    """
    if command not in PROMISES:
        raise UnknownNameError(f"no command is called {command!r}: 'ppkt-zoo schema' lists those that answer in JSON")
    return _class(PROMISES[command].answer)


def answer_classes(command: str) -> "tuple[type[Answer], ...]":
    """The models that a command may answer by, the usual one first; errors as :func:`answer_class`."""
    usual = answer_class(command)
    other = PROMISES[command].other
    return (usual, _class(other)) if other else (usual,)


def _class(where: str) -> "type[Answer]":
    module, _, name = where.partition(":")
    kind: type[Answer] = getattr(importlib.import_module(f"{_ANSWERS}.{module}"), name)
    return kind
