"""What the ablations change: one place, name → overrides of ablation.yaml."""

from dataclasses import dataclass
from typing import Literal

TEACHER_FILES = {
    "voc": "teachers/deeplabv3_mobilenet_v2_voc21.safetensors",
    "imagenet": "teachers/mobilenet_v2_imagenet1k.safetensors",
}
_IMAGENET = (
    "teacher.name=MobileNetV2, ImageNet-1k",
    "teacher.spec.architecture=mobilenet_v2",
    "teacher.spec.stage=features",
    "teacher.spec.sha256=null",
)

# PointContrast is validated on views that overlap.
_OVERLAPPING = "validation.data.views=2"


@dataclass(frozen=True)
class Variant:
    """One change.

    Attributes:
        name: what the table calls it.
        overrides: ``key=value`` of the recipe; none for the base itself.
        teacher: whose file it needs, a key of `TEACHER_FILES`; None for a method without pixels.
        fair_top1: whether its retrieval can be compared with the base's: the same task among the same pixels,
            so another teacher or another embedding of the same one is fair, another number of pairs is not.
    """

    name: str
    overrides: tuple[str, ...] = ()
    teacher: Literal["voc", "imagenet"] | None = "voc"
    fair_top1: bool = True


BASE = Variant("base")

GROUPS: dict[str, tuple[Variant, ...]] = {
    "control": (
        Variant(
            "untrained",
            ("method=scratch", "steps=0", "loss=null", "teacher=null", "validation=null"),
            teacher=None,
            fair_top1=False,
        ),
    ),
    "embedding dimension": (
        Variant("D = 32", ("loss.dim=32",)),
        Variant("D = 256", ("loss.dim=256",)),
    ),
    "temperature": (
        Variant("τ = 0.04 (the paper's)", ("loss.temperature=0.04",)),
        Variant("τ = 0.2", ("loss.temperature=0.2",)),
    ),
    "number of pairs": (
        Variant("N = 512", ("loss.pairs=512",), fair_top1=False),
        Variant("N = 4096", ("loss.pairs=4096",), fair_top1=False),
    ),
    "UPL": (
        Variant("plain bilinear, as the paper has it", ("teacher.spec.upsampling=plain",)),
        Variant("nearest cell, no interpolation", ("loss.upl_sampling=nearest",)),
        Variant("two layers on both sides", ("loss.upl=mlp", "loss.point_head=mlp")),
        Variant("before the head: 320 channels, stride 16", ("teacher.spec.stage=features",)),
        Variant("ImageNet teacher: 1280 channels, stride 32", _IMAGENET, teacher="imagenet"),
    ),
    "pairs and negatives": (
        Variant("one pair a voxel of 5 cm", ("loss.pair_sampling=voxel",), fair_top1=False),
        Variant("inverse density", ("loss.pair_sampling=inverse_density",), fair_top1=False),
        Variant("false negatives masked, cosine > 0.95", ("loss.false_negative_similarity=0.95",)),
        Variant("both directions", ("loss.symmetric=true",)),
    ),
    "objective": (
        Variant(
            "pixelwise cosine, no contrast",
            ("method=pixel_regression", "loss.kind=cosine"),
            fair_top1=False,
        ),
        Variant(
            "one vector a view, L2",
            ("method=global_distillation", "loss=null", "global_loss.kind=l2"),
            fair_top1=False,
        ),
        Variant(
            "PointContrast",
            ("method=point_contrast", "loss=null", "teacher=null", "point_contrast.pairs=2048", _OVERLAPPING),
            teacher=None,
            fair_top1=False,
        ),
        Variant(
            "PPKT and PointContrast",
            ("method=ppkt_point_contrast", "point_contrast.pairs=2048", _OVERLAPPING),
        ),
    ),
}
"""The base has D = 128, τ = 0.07, N = 2048 uniform pairs, one direction, and the VOC teacher at its head, aligned."""
