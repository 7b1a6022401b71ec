"""The linear head that a fine-tuned weight carries: what each channel of it means, and a golden output of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol

import torch
from pydantic import FailFast, Field, field_validator, model_validator
from torch import Tensor

from ppkt_zoo.errors import WeightError
from ppkt_zoo.zoo.golden import Golden
from ppkt_zoo.zoo.record import Model, Text
from ppkt_zoo.zoo.tensors import check_finite, decode_tensors, encode_tensors
from ppkt_zoo.zoo.validation import parse_json

if TYPE_CHECKING:
    from ppkt_zoo.backbones.base import Backbone

HEAD: Final = "head.safetensors"
HEAD_CONFIG: Final = "head.json"

_Id = Annotated[int, Field(ge=0, lt=2**31)]
_Part = Annotated[int, Field(ge=0, le=255)]


class HeadConfig(Model):
    """The whole of head.json; the header of ``head.safetensors`` repeats it."""

    format: Literal[1] = 1
    task: Literal["segmentation"] = "segmentation"
    level: Text = Field(description="the backbone's level that the head reads")
    classes: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], FailFast()] = Field(
        min_length=2, description="a name each output"
    )
    ids: tuple[_Id, ...] | None = Field(default=None, description="what files call each class; its place where absent")
    colors: tuple[tuple[_Part, _Part, _Part] | None, ...] | None = Field(
        default=None, description="in pictures, red, green and blue a class; any that fits where a class has none"
    )

    @field_validator("classes")
    @classmethod
    def _classes_are_distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(classes)) != len(classes):
            raise ValueError("names no class twice")
        return classes

    @model_validator(mode="after")
    def _one_each(self) -> "HeadConfig":
        for field in (self.ids, self.colors):
            if field is not None and len(field) != len(self.classes):
                raise ValueError(f"has {len(field)} ids or colors for {len(self.classes)} classes")
        if self.ids is not None and len(set(self.ids)) != len(self.ids):
            raise ValueError("gives two classes one id")
        return self

    def content(self) -> dict[str, Any]:
        """What the files hold; fields that are absent are left out, as older versions wrote it."""
        return self.model_dump(mode="json", exclude_none=True)


class HeadFiles(Protocol):
    """What a weight folder carries beside its backbone for one task."""

    def files(self, backbone: "Backbone", golden: Golden) -> dict[str, bytes]:
        """Name → content of the files that config.json shall vouch for.

        Args:
            backbone: as the folder stores it, rounded, on the CPU.
            golden: the folder's golden output.
        """
        ...


@dataclass(frozen=True)
class Head:
    """A linear layer on one level's features.

    Attributes:
        config: level and classes.
        weight: float32 (K, C).
        bias: float32 (K,).
        golden: float32 (rows, K), what it gives for the golden features; None before it was written.
    """

    config: HeadConfig
    weight: Tensor
    bias: Tensor
    golden: Tensor | None = None

    def scores(self, features: Tensor) -> Tensor:
        """Features float32 (N, C) → scores (N, K)."""
        return torch.nn.functional.linear(features, self.weight.to(features.device), self.bias.to(features.device))

    def error(self, features: Mapping[str, Tensor]) -> float:
        """Largest difference to the golden scores for these features of the golden rows, over the largest score."""
        assert self.golden is not None
        difference = (self.scores(features[self.config.level]) - self.golden).abs().max()
        scale = float(self.golden.abs().max().clamp_min(torch.finfo(torch.float32).tiny))
        return float(difference) / scale if bool(torch.isfinite(difference)) else float("inf")

    def files(self, backbone: "Backbone", golden: Golden) -> dict[str, bytes]:
        """The head's two files, for a weight folder with this golden output; see :class:`HeadFiles`.

        Raises:
            WeightError: the head does not fit the backbone's level, or holds NaN.
        """
        features = golden.features.get(self.config.level)
        _check(self, None if features is None else features.shape[1], "the head")
        assert features is not None
        tensors = {"weight": self.weight, "bias": self.bias, "golden": self.scores(features)}
        text = self.config.model_dump_json(indent=2, exclude_none=True)
        return {HEAD: encode_tensors(tensors, self.config.content()), HEAD_CONFIG: text.encode()}

    @classmethod
    def from_files(cls, config: bytes, tensors: bytes, levels: Mapping[str, int], where: str) -> "Head":
        """Read the two files strictly.

        Args:
            config, tensors: the bytes of head.json and head.safetensors.
            levels: of the backbone, name → channels.
            where: path of head.safetensors, for messages.

        Raises:
            WeightError: they do not fit each other or the backbone.
        """
        parsed = parse_json(HeadConfig, config, f"{where.removesuffix(HEAD)}{HEAD_CONFIG}", WeightError)
        found, header = decode_tensors(tensors, where)
        if header != parsed.content():
            raise WeightError(f"{where} and {HEAD_CONFIG} disagree on level or classes: get the folder again")
        if set(found) != {"weight", "bias", "golden"}:
            raise WeightError(f"{where} must hold bias, golden, weight, it holds {', '.join(sorted(found))}")
        head = cls(parsed, found["weight"], found["bias"], found["golden"])
        _check(head, levels.get(parsed.level), where)
        if found["golden"].ndim != 2 or found["golden"].shape[1] != len(parsed.classes):
            raise WeightError(f"{where}: golden must have {len(parsed.classes)} columns, one a class")
        return head


def _check(head: Head, channels: int | None, where: str) -> None:
    if channels is None:
        raise WeightError(f"{where} reads the level {head.config.level!r}, which the backbone does not have")
    shapes = {"weight": (len(head.config.classes), channels), "bias": (len(head.config.classes),)}
    for key, shape in shapes.items():
        tensor: Tensor = getattr(head, key)
        if tensor.shape != shape or tensor.dtype != torch.float32:
            raise WeightError(
                f"{where}: {key} is {tensor.dtype} {tuple(tensor.shape)}, must be float32 {shape}: "
                "it belongs to other classes or another backbone"
            )
        check_finite(key, tensor, where)
