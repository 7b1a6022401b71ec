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
from torch import nn

from ppkt_zoo.errors import TeacherError
from ppkt_zoo.files.optional import need
from ppkt_zoo.teachers.checkpoint_layouts import MOCO_V3, backbone_tensors
from ppkt_zoo.teachers.checkpoints import load_strictly, read_teacher_file
from ppkt_zoo.teachers.spec import Rgb, TeacherSpec
from ppkt_zoo.teachers.timm_network import TimmNetwork

__all__ = ["load_timm", "timm_normalisation"]


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
