"""Networks of timm as teachers: built by name, filled strictly, from a file or from what timm publishes.

Needs the extra ``teachers``. DINO and DINOv2 are among them (``timm:vit_small_patch14_dinov2.lvd142m``), as files
of timm's or of their authors'.
"""

import difflib
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from requests import RequestException
from torch import Tensor, nn

from ppkt_zoo.errors import InputError, TeacherError
from ppkt_zoo.files.optional import need
from ppkt_zoo.teachers.checkpoints import MOCO_V3, backbone_tensors, load_strictly, read_teacher_file
from ppkt_zoo.teachers.receptive_field import Window, cell_grid, trace_windows
from ppkt_zoo.teachers.spec import Rgb, TeacherSpec


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


def timm_normalisation(name: str) -> tuple[Rgb, Rgb]:
    """Mean and standard deviation that timm records for its network ``name``. Raises TeacherError as `load_timm`."""
    config = _config(name)
    return tuple(config.mean), tuple(config.std)


def load_timm(spec: TeacherSpec, file: Path | None) -> tuple[TimmNetwork, str, bool]:
    """The network of a ``timm:`` spec, the sha256 of its file, and whether it can classify.

    Raises:
        TeacherError: timm is not installed or has no such network; the file is missing, damaged or does not fit;
            the published weights cannot be had.
    """
    name = spec.timm_name
    assert name is not None
    config = _config(name)
    origin = f"teacher file {file}"
    if file is None:
        file = _published(name, config)
        origin = f"timm's weights {name}"
    tensors, sha256 = read_teacher_file(file, spec.sha256)
    model = _empty(name, spec.output_stride)
    tensors, layout = backbone_tensors(tensors, model.state_dict().keys(), origin)
    if layout == MOCO_V3 and name.startswith("vit_small_"):
        # MoCo v3's ViT-S has twelve heads of 32 where timm's has six of 64: the same shapes, other numbers
        model = _empty(name, spec.output_stride, num_heads=12)
    heads = config.classifier or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    has_head = load_strictly(model, tensors, origin, tuple(f"{head}." for head in heads))
    network = TimmNetwork(model, name, spec.stage)
    if spec.image_size is not None:
        network.check_size(*spec.image_size)
    return network, sha256, has_head and getattr(model, "num_classes", 0) > 0


def _empty(name: str, output_stride: int, **arguments: Any) -> nn.Module:
    """The network without weights; its random numbers are drawn aside."""
    timm = _timm(name)
    if output_stride != 32:
        arguments["output_stride"] = output_stride
    with torch.random.fork_rng(devices=[]):
        if _config(name).fixed_input_size:
            try:
                # a ViT stretches its place embeddings to the image; hierarchical transformers do not know the word
                model: nn.Module = timm.create_model(name, dynamic_img_size=True, **arguments)
                return model
            except TypeError:
                pass
        try:
            model = timm.create_model(name, **arguments)
        except (TypeError, AssertionError, NotImplementedError) as error:
            raise TeacherError(
                f"timm:{name} cannot be built with {arguments} ({error}): leave output_stride away"
            ) from error
    return model


def _config(name: str) -> Any:
    """timm's record of a network: input size, normalisation, name of the classifier, where its weights lie."""
    timm = _timm(name)
    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture, timm.list_models(), n=3, cutoff=0.5)
        raise TeacherError(
            f"timm {timm.__version__} has no network {architecture!r}"
            + (f": did you mean {' or '.join(near)}?" if near else ": see timm.list_models()")
        )
    config = timm.get_pretrained_cfg(name, allow_unregistered=False) if _has_tag(timm, name) else None
    if config is None:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        raise TeacherError(f"timm's {architecture} has no weights {tag!r}: it has {', '.join(tags) or 'none'}")
    return config


def _has_tag(timm: ModuleType, name: str) -> bool:
    return "." not in name or name in timm.list_pretrained(f"{name.partition('.')[0]}.*")


def _published(name: str, config: Any) -> Path:
    """timm's weights from the Hugging Face Hub, or from its cache on this machine."""
    if "." not in name:
        raise TeacherError(
            f"weights 'timm' of timm:{name}: say which, since timm's choice changes from version to version: "
            f"{', '.join('timm:' + known for known in _timm(name).list_pretrained(f'{name}.*')) or 'it has none'}"
        )
    if not config.hf_hub_id:
        where = f": get {config.url} and use weights='file'" if config.url else ""
        raise TeacherError(f"timm's {name} has no weights on the Hugging Face Hub{where}")
    file = config.hf_hub_filename or "model.safetensors"
    try:
        return Path(hf_hub_download(config.hf_hub_id, file))
    except (HfHubHTTPError, LocalEntryNotFoundError, RequestException, OSError) as error:
        raise TeacherError(
            f"timm's weights {name} could not be had from https://huggingface.co/{config.hf_hub_id} "
            f"({type(error).__name__}): get {file} from there on a machine with a network and use weights='file'"
        ) from error


def _timm(name: str) -> ModuleType:
    module: ModuleType = need("timm", "teachers", f"timm:{name}", TeacherError)
    return module
