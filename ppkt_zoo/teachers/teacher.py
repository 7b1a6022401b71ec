"""Frozen 2D teachers: images in, a feature map out, and the exact pixel that each cell looks at."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ppkt_zoo.errors import InputError, TeacherError
from ppkt_zoo.teachers.checkpoints import backbone_tensors, load_strictly, read_teacher_file, read_torchvision
from ppkt_zoo.teachers.receptive_field import CellGrid, Window, cell_grid, main_path, use_tensorflow_padding
from ppkt_zoo.teachers.spec import (
    IMAGENET_NORMALISATION,
    LAST_BLOCK,
    SYMMETRIC_NORMALISATION,
    Convention,
    Rgb,
    TeacherSpec,
)
from ppkt_zoo.teachers.timm import TimmNetwork, load_timm, timm_normalisation
from ppkt_zoo.teachers.torchvision import (
    VOC_CLASSES,
    DeepLabV3MobileNetV2,
    empty_network,
    feature_path,
    fuse_batch_norm,
)

RANGE_SLACK = 1e-3  # resizing and jitter may leave [0, 1] by rounding


def image_tensor(color: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) → float32 (1, 3, H, W) in [0, 1], a teacher's input."""
    return torch.from_numpy(color).permute(2, 0, 1)[None].float() / 255.0


def normalisation_of(spec: TeacherSpec) -> tuple[Rgb, Rgb]:
    """Mean and standard deviation of RGB in [0, 1] that apply, the defaults filled in.

    Raises:
        TeacherError: they are timm's, and timm is not installed or does not know the name.
    """
    if spec.mean is not None and spec.std is not None:
        return spec.mean, spec.std
    if spec.timm_name is not None:
        mean, std = timm_normalisation(spec.timm_name)
    else:
        tensorflow_file = spec.weights == "file" and spec.architecture in LAST_BLOCK
        mean, std = SYMMETRIC_NORMALISATION if tensorflow_file else IMAGENET_NORMALISATION
    return spec.mean or mean, spec.std or std


class Teacher(nn.Module):
    """A 2D network that only answers: no gradients, always in eval mode.

    Attributes:
        spec: what it was made from.
        channels: of the feature map.
        stride: pixels of the (resized) image from one feature cell to the next.
        sha256: of the file that the tensors came from, None for a network that came from no file.
        has_head: whether ``logits`` can answer (files of self-supervised networks have no classifier).
    """

    def __init__(self, spec: TeacherSpec, network: nn.Module, sha256: str | None = None, has_head: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.sha256 = sha256
        self.has_head = has_head
        # channels last: less than half of the time on the CPU, and what tensor cores want
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self._windows: list[nn.Conv2d | nn.MaxPool2d] | list[Window]
        if isinstance(network, TimmNetwork):
            self._path: tuple[nn.Module, ...] = (network,)
            self._windows, self.channels = network.windows, network.channels
        else:
            self._path = feature_path(network, spec.stage)  # a tuple: the modules are registered once, in network
            self._windows = layers = main_path(self._path)
            heads = {"concat_projection": 256, "logits": len(VOC_CLASSES)}
            convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
            self.channels = heads.get(spec.stage, convolutions[-1].out_channels)
        self.stride: int = cell_grid(self._windows, 1024, axis=0).stride
        mean, std = normalisation_of(spec)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def train(self, mode: bool = True) -> "Teacher":
        """Keeps eval mode whatever is asked: a teacher's batch statistics never move."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """RGB images, float (B, 3, H, W) in [0, 1] → features (B, channels, h, w) of the spec's stage.

        Under autocast the features have autocast's dtype. Raises InputError where the images do not fit.
        """
        features = self._trunk(self._prepared(images))
        if isinstance(self.network, DeepLabV3MobileNetV2) and self.spec.stage in ("concat_projection", "logits"):
            features = self.network.project(features)
            if self.spec.stage == "logits":
                features = self.network.logits(features)
        return features

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Class scores before softmax: (B, 21, h, w) of `VOC_CLASSES` for DeepLab, else (B, 1000) of ImageNet.

        Raises InputError where the images do not fit, TeacherError where the file held no classifier.
        """
        if not self.has_head:
            raise TeacherError(f"the file of this {self.spec.architecture} held no classifier: only features here")
        if self.spec.output_stride != 32:
            raise TeacherError("a dilated network's classifier would see another map than it learned: only features")
        images = self._prepared(images)
        scores: Tensor = self.network.logits(images) if isinstance(self.network, TimmNetwork) else self.network(images)
        return scores

    def classifier(self) -> tuple[Tensor, Tensor]:
        """Its classes as a linear layer on the features of its stage: weight (classes, channels) and bias (classes,).

        Raises:
            TeacherError: its file held no classifier, or its stage is not what the classifier reads.
        """
        network, stage = self.network, self.spec.stage
        layer: nn.Module | None = None
        if isinstance(network, DeepLabV3MobileNetV2):
            if stage == "logits":
                return torch.eye(self.channels), torch.zeros(self.channels)
            layer = network.logits if stage == "concat_projection" else None
        elif self.has_head and stage == "layer4":
            layer = network.get_submodule("fc")
        elif self.has_head and stage == "features":
            layer = network.get_submodule("classifier.1")
        if not isinstance(layer, nn.Conv2d | nn.Linear) or layer.bias is None:
            raise TeacherError(
                f"{self.spec.architecture} has no classes that are linear in the features of its stage {stage}: choose "
                "concat_projection or logits of DeepLab, layer4 of a ResNet, or features of MobileNetV2"
            )
        return layer.weight.detach().flatten(1), layer.bias.detach()

    def feature_size(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """(h, w) of the feature map of an image of (H, W) pixels."""
        rows, columns = self.feature_to_pixel(image_size)
        return rows.cells, columns.cells

    def feature_to_pixel(self, image_size: tuple[int, int]) -> tuple[CellGrid, CellGrid]:
        """Where cells lie along rows and along columns, in pixels of the image that the network sees.

        That image has the spec's ``image_size`` where there is one, else ``image_size`` (H, W) itself.
        """
        height, width = self.spec.image_size or image_size
        self._check_patches(height, width)
        return cell_grid(self._windows, height, axis=0), cell_grid(self._windows, width, axis=1)

    def pixel_to_feature(
        self, pixels: Tensor, image_size: tuple[int, int], convention: Convention | None = None
    ) -> Tensor:
        """Pixels (N, 2) as (u, v) of the original image (H, W) → cell coordinates (N, 2) as (x, y), float32.

        Whole numbers are centres, of pixels as of cells: (0, 0) is the centre of the first. Coordinates may lie
        outside the map by less than a cell; whoever samples takes the nearest cell there.

        ``convention`` None means the spec's ``upsampling``. ``aligned`` uses the true centres of the receptive
        fields (see `ppkt_zoo.teachers.receptive_field`) and the resize; ``plain`` is what
        `F.interpolate(features, (H, W), mode="bilinear")` does, which lies up to (stride - 1) / 2 pixels off for
        networks that pad symmetrically.
        """
        convention = convention or self.spec.upsampling
        if pixels.ndim != 2 or pixels.shape[1] != 2:
            raise InputError(f"pixels must be (N, 2) as (u, v), got {tuple(pixels.shape)}")
        rows, columns = self.feature_to_pixel(image_size)
        original = torch.tensor([image_size[1], image_size[0]], dtype=torch.float32, device=pixels.device)
        centres = pixels.float() + 0.5
        if convention == "plain":
            return centres / original * original.new_tensor([columns.cells, rows.cells]) - 0.5
        if convention != "aligned":
            raise InputError(f"convention must be 'aligned' or 'plain', got {convention!r}")
        height, width = self.spec.image_size or image_size
        seen = centres * (original.new_tensor([width, height]) / original) - 0.5
        return (seen - original.new_tensor([columns.offset, rows.offset])) / self.stride

    def _trunk(self, x: Tensor) -> Tensor:
        for module in self._path:
            x = module(x)
        return x

    def _check_patches(self, height: int, width: int) -> None:
        """InputError where images of this size are not whole patches of a vision transformer."""
        if isinstance(self.network, TimmNetwork):
            self.network.check_size(height, width)

    def _prepared(self, images: Tensor) -> Tensor:
        """Check, resize and normalise."""
        if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
            raise InputError(f"images must be (B, 3, H, W), got {tuple(images.shape)}")
        if not images.is_floating_point():
            raise InputError(f"images must be float in [0, 1], got {images.dtype}: divide uint8 by 255")
        low, high = (float(v) for v in torch.aminmax(images.detach()))
        if not (low >= -RANGE_SLACK and high <= 1 + RANGE_SLACK):
            raise InputError(f"images must lie in [0, 1], got {low:.4g} to {high:.4g}: divide by 255, do not normalise")
        if self.spec.image_size is not None and images.shape[-2:] != self.spec.image_size:
            images = F.interpolate(images, self.spec.image_size, mode="bilinear", antialias=True)
        self._check_patches(images.shape[-2], images.shape[-1])
        return ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


def load_teacher(spec: TeacherSpec, file: Path | str | None = None, fuse: bool = True) -> Teacher:
    """The frozen teacher that ``spec`` names, on the CPU in float32.

    Args:
        spec: architecture, stage, weights and input convention.
        file: the safetensors file or torch checkpoint (see `ppkt_zoo.teachers.checkpoints`) where
            ``spec.weights`` is ``file``; None otherwise.
        fuse: fold batch norm into the convolutions of torchvision's networks (same numbers to rounding, less time).

    Raises:
        TeacherError: the file is missing, cut, changed or does not fit; torchvision's or timm's weights are unknown
            or cannot be downloaded; timm is not installed. Nothing is ever filled with random numbers instead.
    """
    if (spec.weights == "file") != (file is not None):
        raise TeacherError(
            f"weights={spec.weights!r} of {spec.architecture}: "
            + ("give the path of its file" if file is None else "a file goes only with weights='file'")
        )
    if spec.timm_name is not None:
        return Teacher(spec, *load_timm(spec, None if file is None else Path(file)))
    network = empty_network(spec.architecture, spec.output_stride)
    if file is not None:
        tensors, sha256 = read_teacher_file(Path(file), spec.sha256)
        origin = f"teacher file {file}"
        tensors, _ = backbone_tensors(tensors, network.state_dict().keys(), origin)
    else:
        tensors, sha256 = read_torchvision(spec.architecture, spec.weights, spec.sha256)
        origin = f"torchvision's {spec.weights}"
    has_head = load_strictly(network, tensors, origin)
    network.eval()
    if spec.padding == "tensorflow":
        use_tensorflow_padding(network)
    if fuse:
        fuse_batch_norm(network)
    return Teacher(spec, network, sha256, has_head)
