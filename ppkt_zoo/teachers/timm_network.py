"""One stage of a timm network as a feature map, whatever the network's family."""

from typing import Any

from torch import Tensor, nn

from ppkt_zoo.errors import InputError, TeacherError
from ppkt_zoo.teachers.receptive_field import Window, cell_grid
from ppkt_zoo.teachers.traced_windows import trace_windows

__all__ = ["TimmNetwork"]


class TimmNetwork(nn.Module):
    """A timm network that answers with the map of one stage; tokens become cells, class tokens and registers go.

    Tokens of a ViT's block are taken behind the network's last norm, as DINOv2's patch features are.

    Args:
        model: timm's network; its own names stay under ``model.``.
        name: timm's name of it, for messages.
        stage: ``stageN``, N as in its ``feature_info`` (a ViT's block N), or ``last``.

    Attributes:
        channels: of the map.
        windows: what the map's cells look through, for `ppkt_zoo.teachers.receptive_field.cell_grid`.

    Raises:
        TeacherError: no such stage, or the network shows no intermediate maps.
    """

    def __init__(self, model: nn.Module, name: str, stage: str) -> None:
        super().__init__()
        self.model: Any = model.eval()
        self._name = name
        stages = list(getattr(model, "feature_info", ()))
        if not stages or not hasattr(model, "forward_intermediates"):
            raise TeacherError(f"timm's {name} shows no intermediate features: choose another network")
        self._index = len(stages) - 1 if stage == "last" else int(stage.removeprefix("stage"))
        if self._index >= len(stages):
            raise TeacherError(f"timm:{name} has no stage {stage!r}: it has stage0 to stage{len(stages) - 1}, and last")
        self._norm = hasattr(model, "num_prefix_tokens")
        config: Any = model.pretrained_cfg
        native: tuple[int, int] = tuple(config["input_size"][1:])
        fixed = bool(config.get("fixed_input_size")) and not getattr(model, "dynamic_img_size", False)
        self._only_size = native if fixed else None
        self._patch = None if fixed else _patch_of(model)
        probe = native if fixed else (16 * self._patch[0], 16 * self._patch[1]) if self._patch else (224, 224)
        self.channels, windows = trace_windows(self._map, probe, self.model)
        if windows is None:
            raise TeacherError(
                f"cannot tell which pixels the cells of timm:{name} look at: choose another stage or network"
            )
        self.windows: list[Window] = windows

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → (B, channels, h, w). InputError where H, W do not suit the network."""
        features = self._map(images)
        rows, columns = (cell_grid(self.windows, n, axis) for axis, n in enumerate(images.shape[-2:]))
        if features.shape[-2:] != (rows.cells, columns.cells):
            fits = [max(1, round(n / rows.stride)) * rows.stride for n in images.shape[-2:]]
            raise InputError(
                f"timm:{self._name} pads images of {images.shape[-2]} x {images.shape[-1]} pixels, which moves its "
                f"cells: set image_size: {fits} in the teacher's spec"
            )
        return features

    def _map(self, images: Tensor) -> Tensor:
        [features] = self.model.forward_intermediates(
            images, indices=[self._index], norm=self._norm, stop_early=True, intermediates_only=True
        )
        assert isinstance(features, Tensor)
        return features

    def logits(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → class scores (B, classes)."""
        scores: Tensor = self.model(images)
        return scores

    def check_size(self, height: int, width: int) -> None:
        """InputError, with the nearest size that fits, where images are not whole patches."""
        if self._only_size is not None and (height, width) != self._only_size:
            raise InputError(
                f"timm:{self._name} takes images of {self._only_size[0]} x {self._only_size[1]} pixels alone, got "
                f"{height} x {width}: set image_size: {list(self._only_size)} in the teacher's spec"
            )
        if self._patch is not None and (height % self._patch[0] or width % self._patch[1]):
            fits = [max(1, round(n / p)) * p for n, p in zip((height, width), self._patch, strict=True)]
            raise InputError(
                f"images of {height} x {width} pixels are not whole patches of {self._patch[0]} x {self._patch[1]} "
                f"(timm:{self._name}): set image_size: {fits} in the teacher's spec"
            )


def _patch_of(model: nn.Module) -> tuple[int, int] | None:
    """Height and width of the patches that a transformer cuts images into; None where they overlap, and for CNNs."""
    embedding = getattr(model, "patch_embed", None)
    patch, cut = getattr(embedding, "patch_size", None), getattr(embedding, "proj", None)
    if patch is None or not isinstance(cut, nn.Conv2d) or cut.stride != cut.kernel_size:
        return None
    return int(patch[0]), int(patch[1])
