"""What a 2D teacher is: architecture, feature stage, weights, and the input convention that belongs to them."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator

from ppkt_zoo.files.validation import StrictModel

TorchvisionArchitecture = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "mobilenet_v2",
    "deeplabv3_mobilenet_v2",
]
TIMM = "timm:"
TimmArchitecture = Annotated[str, StringConstraints(pattern=r"^timm:[A-Za-z0-9_.\-]+$")]
Architecture = TorchvisionArchitecture | TimmArchitecture
Padding = Literal["torch", "tensorflow"]
Convention = Literal["aligned", "plain"]
Rgb = tuple[float, float, float]

IMAGENET_NORMALISATION: tuple[Rgb, Rgb] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC_NORMALISATION: tuple[Rgb, Rgb] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

RESNET_STAGES = ("layer1", "layer2", "layer3", "layer4")
DEEPLAB_STAGES = ("features", "concat_projection", "logits")
NEWER_FIELDS = {"output_stride": 32, "upsampling": "aligned"}  # with their defaults
LAST_BLOCK = {"mobilenet_v2": 18, "deeplabv3_mobilenet_v2": 17}


class TeacherSpec(StrictModel):
    """Everything that is needed to get the same teacher features again.

    Attributes:
        architecture: the network: one of torchvision's by name, or ``timm:NAME`` for one of timm's.
        stage: where its features are taken. ResNet: ``layer1`` to ``layer4``. MobileNetV2: ``features`` (the
            last, 1280 channels, stride 32) or ``features.N``. DeepLab: ``features`` (320, stride 16),
            ``features.N``, ``concat_projection`` (256, stride 16) or ``logits`` (21, stride 16). timm:
            ``stage0``, ``stage1``, … in the order of its ``feature_info`` (a ViT's blocks), or ``last``.
        weights: torchvision's name of the weights (``IMAGENET1K_V1``); ``file`` for a safetensors file or a torch
            checkpoint (MoCo, DINO, torchvision's own); ``timm`` for those that timm publishes under its name.
        sha256: of the file, 64 hex digits; where it is given, another file is refused.
        output_stride: pixels between cells of a ResNet's ``layer4``, 32, 16 or 8. Below 32 dilation takes the place
            of the last strides: the same features, two or four times as densely each way.
        upsampling: where pixels lie between cells. ``aligned``: by the true centres of the receptive fields.
            ``plain``: as `F.interpolate(…, mode="bilinear")` does it, the paper's upsampling layer to the letter.
        padding: ``torch`` (symmetric) or ``tensorflow`` (SAME: stride-2 layers pad (0, 1) on even sizes).
        mean, std: normalisation of RGB in [0, 1]; absent means the one of the weights: ImageNet's for
            torchvision's weights and every ResNet, (x - 0.5) / 0.5 for the MobileNetV2 and DeepLab files, and
            what timm records for its networks.
        image_size: (height, width) in pixels that images are resized to first (bilinear, antialiased), or None.
    """

    architecture: Architecture
    stage: str
    weights: str = Field(min_length=1)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    padding: Padding = "torch"
    mean: Rgb | None = None
    std: Rgb | None = None
    image_size: tuple[int, int] | None = None
    output_stride: Literal[8, 16, 32] = 32
    upsampling: Convention = "aligned"

    @property
    def timm_name(self) -> str | None:
        """timm's name of the network, None for torchvision's networks."""
        return self.architecture.removeprefix(TIMM) if self.architecture.startswith(TIMM) else None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_stage(self.architecture, self.stage)
        if self.timm_name is not None and self.weights not in ("file", "timm"):
            raise ValueError(
                f"weights of {self.architecture} must be 'file' or 'timm', got {self.weights!r}: timm's weights are "
                "part of its names (timm:resnet50.a1_in1k)"
            )
        if self.output_stride != 32 and self.architecture in LAST_BLOCK:
            raise ValueError(f"output_stride {self.output_stride} is for ResNets; {self.architecture} has its own")
        if self.architecture == "deeplabv3_mobilenet_v2" and self.weights != "file":
            raise ValueError(
                f"torchvision has no weights {self.weights!r} for deeplabv3_mobilenet_v2: use weights='file'"
            )
        if self.padding == "tensorflow" and self.architecture not in LAST_BLOCK:
            raise ValueError(
                "padding 'tensorflow' is for MobileNetV2 and DeepLab: on even sizes it would move a ResNet's "
                "3x3 branch by one pixel against its 1x1 shortcut; use padding='torch'"
            )
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}")
        if self.image_size is not None and min(self.image_size) < 32:
            raise ValueError(f"image_size must be at least 32 pixels each way, got {self.image_size}")
        return self

    @model_serializer(mode="wrap")
    def _only_new_fields_that_say_something(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Specs from before these fields existed keep their dump, and with it caches and recipes their hash."""
        content: dict[str, Any] = handler(self)
        return {key: value for key, value in content.items() if NEWER_FIELDS.get(key, ...) != value}


def _check_stage(architecture: str, stage: str) -> None:
    """ValueError that lists the stages where ``stage`` is not one of the architecture's."""
    if architecture.startswith(TIMM):
        known, text = re.fullmatch(r"last|stage\d{1,2}", stage) is not None, "stage0, stage1, … and last"
    elif architecture not in LAST_BLOCK:
        known, text = stage in RESNET_STAGES, ", ".join(RESNET_STAGES)
    else:
        names = DEEPLAB_STAGES if architecture.startswith("deeplab") else ("features",)
        last = LAST_BLOCK[architecture]
        block = re.fullmatch(r"features\.(\d{1,2})", stage)
        known = stage in names or (block is not None and int(block[1]) <= last)
        text = ", ".join((*names, f"features.0 to features.{last}"))
    if not known:
        raise ValueError(f"{architecture} has no feature stage {stage!r}; it has: {text}")


VOC_SEGMENTER = TeacherSpec(
    architecture="deeplabv3_mobilenet_v2",
    stage="logits",
    weights="file",
    padding="tensorflow",
    image_size=(385, 513),
)
"""The classes of Pascal VOC from the DeepLabv3 teacher, at the size that its padding fits (16k + 1)."""
