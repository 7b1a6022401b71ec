"""Get a teacher's tensors: strictly from a file, or from torchvision by the name of its weights.

Which of a published file's tensors are the backbone's is told by name alone, with everything else accounted for.
Layouts known, as their authors publish them:

- torchvision, DINO (ResNet and ViT), timm: the network's own names; inside ``module.`` where DDP wrapped it.
- MoCo v1 and v2 (He et al., arXiv 1911.05722; Chen et al., arXiv 2003.04297): ``encoder_q.`` is the network, with
  the contrastive head in place of its classifier; ``encoder_k.``, ``queue`` and ``queue_ptr`` belong to training.
- MoCo v3 (Chen et al., arXiv 2104.02057): ``base_encoder.`` is the network, with a projector in place of its
  classifier; ``momentum_encoder.`` and ``predictor.`` belong to training.
- DINOv2's own files (Oquab et al., arXiv 2304.07193): ``mask_token`` belongs to training; registers are spelled
  otherwise than in timm, and the class token's place embedding lies in another tensor.
- EfficientNet-PyTorch (lukemelas) and EfficientNet-Lite0 from PyPI, see `ppkt_zoo.teachers.efficientnet`.
"""

import difflib
import pickle
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from ppkt_zoo.errors import TeacherError
from ppkt_zoo.files.checksums import sha256_of_file, sha256_of_tensors
from ppkt_zoo.files.safetensors import load_foreign
from ppkt_zoo.files.torch import PICKLE, ZIP, check_plain_tensors, first_bytes, read_torch_file
from ppkt_zoo.teachers.efficientnet import is_numbered_through, to_timm

MOCO_V3 = "MoCo v3"


class _Layout(NamedTuple):
    """``network`` is the prefix to keep; ``head`` and ``aside`` are names (patterns) that are left out."""

    name: str
    network: str
    head: str
    aside: str


_LAYER = r"(\d+\.)?(weight|bias|running_mean|running_var|num_batches_tracked)"
_LAYOUTS = (
    _Layout("MoCo", "encoder_q.", rf"fc\.{_LAYER}", r"encoder_k\..+|queue|queue_ptr"),
    _Layout(MOCO_V3, "base_encoder.", rf"(fc|head)\.{_LAYER}", r"(momentum_encoder|predictor)\..+"),
    _Layout(MOCO_V3, "momentum_encoder.", rf"(fc|head)\.{_LAYER}", r"predictor\..+"),
)


def backbone_tensors(
    tensors: dict[str, Tensor], expected: Collection[str], origin: str
) -> tuple[dict[str, Tensor], str | None]:
    """The network's tensors under its own names, and the layout that the file has (None: the network's own).

    Args:
        tensors: all tensors of the file.
        expected: names of the network that is to be filled.
        origin: what errors call the file.

    Raises:
        TeacherError: a tensor that belongs neither to the network nor to what the layout leaves aside, or not one
            tensor of the network; the message lists the names or prefixes found.
    """
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    for layout in _LAYOUTS:
        if any(name.startswith(layout.network) for name in tensors):
            return _without_training(tensors, layout, origin), layout.name
    if is_numbered_through(tensors) and "conv_stem.weight" in expected:
        tensors = to_timm(tensors, expected)
    if "mask_token" in tensors and "mask_token" not in expected:
        tensors = _from_dinov2(tensors)
    if not any(name in expected for name in tensors):
        prefixes = sorted({".".join(name.split(".")[:2]) for name in tensors})
        raise TeacherError(
            f"{origin} holds no tensor of the network under a prefix that we know ('', 'module.', "
            f"{', '.join(repr(layout.network) for layout in _LAYOUTS)}); its names begin with "
            f"{', '.join(prefixes[:8]) or 'nothing at all'}{', …' if len(prefixes) > 8 else ''}: "
            "check the architecture, or save the network's own state_dict as safetensors"
        )
    return tensors, None


def _without_training(tensors: dict[str, Tensor], layout: _Layout, origin: str) -> dict[str, Tensor]:
    kept, strange = {}, []
    for name, tensor in tensors.items():
        own = name.removeprefix(layout.network)
        if own != name:
            if not re.fullmatch(layout.head, own):
                kept[own] = tensor
        elif not re.fullmatch(layout.aside, name):
            strange.append(name)
    if strange:
        raise TeacherError(
            f"{origin} has {layout.network!r} like a {layout.name} checkpoint, but also {len(strange)} tensors that "
            f"such a file does not have: {', '.join(strange[:5])}{', …' if len(strange) > 5 else ''}: "
            "save the network's own state_dict as safetensors"
        )
    return kept


def _from_dinov2(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """DINOv2's names → timm's."""
    renamed = {
        name.replace(".mlp.w12.", ".mlp.fc1.").replace(".mlp.w3.", ".mlp.fc2."): tensor
        for name, tensor in tensors.items()
        if name != "mask_token"
    }
    if "register_tokens" in renamed and "pos_embed" in renamed and "cls_token" in renamed:
        renamed["reg_token"] = renamed.pop("register_tokens")
        # timm's networks with registers add place embeddings to patches alone
        places = renamed["pos_embed"]
        renamed["cls_token"] = renamed["cls_token"] + places[:, :1]
        renamed["pos_embed"] = places[:, 1:]
    return renamed


HEADS = ("fc.", "classifier.")
#: sha256 of a teacher's file that recipes name → sha256 of its tensors alone. The two public TFLite files were first
#: dequantised by others, whose files have another header; what ``ppkt-zoo teacher import`` writes has the same tensors.
SAME_TENSORS = {
    "ec13ee5dfdb0e0b98e70bbb04cb1b0d9f3594b5077c33d5e3a324fbc2bd99128": (
        "4eb735299fc3b9b4474018bf9669d73fb71de293919c6fc0fa99ee12b1ea3715"
    ),
    "8037d0e4acdc812107aa78197375cf564656c1a4260a470e5ab6c6f68e55537d": (
        "27112d8585afe974e9938def4d4f7c81eac7aa249eca3cd172833f3c92faf8b0"
    ),
}
_MISSING = "does not exist: give the path of a safetensors file or checkpoint"


def read_teacher_file(file: Path, sha256: str | None) -> tuple[dict[str, Tensor], str]:
    """Tensors of a safetensors file or a torch checkpoint, and the file's sha256; half precision becomes float32.

    Which of the two it is, the first bytes tell, not the name. A checkpoint is opened with ``weights_only=True``
    alone: a dictionary of tensors, or one with such a dictionary under ``state_dict`` or ``model``.

    Raises TeacherError where the file is absent, is another one than ``sha256`` names, is cut or damaged, or holds
    objects that torch does not open safely.
    """
    start = first_bytes(file, "teacher file", TeacherError, _MISSING)
    found = sha256_of_file(file, TeacherError, "teacher file")
    if sha256 is not None and found != sha256 and sha256 not in SAME_TENSORS:
        raise _other_file(file, found, sha256)
    tensors = _read_checkpoint(file) if start == ZIP or start[:2] == PICKLE else _read_safetensors(file)
    check_plain_tensors(tensors, f"teacher file {file}", TeacherError)
    if sha256 is not None and found != sha256 and sha256_of_tensors(tensors) != SAME_TENSORS[sha256]:
        raise _other_file(file, found, sha256)
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, found


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    problem = (
        f"teacher file {file} ({file.stat().st_size} bytes) is cut, damaged or no safetensors file: fetch it again, "
        "or convert it to safetensors"
    )
    return load_foreign(file, problem, TeacherError)


def _read_checkpoint(file: Path) -> dict[str, Tensor]:
    content = read_torch_file(file, f"teacher file {file}", TeacherError)
    inner = content
    if isinstance(content, dict):
        inner = next((content[key] for key in ("state_dict", "model") if key in content), content)
    if not isinstance(inner, dict) or not inner:
        kind = type(content).__name__
        raise TeacherError(f"teacher file {file} holds a {kind} without tensors: save the network's state_dict")
    others = [str(name) for name, value in inner.items() if not isinstance(value, Tensor)]
    if others:
        raise TeacherError(
            f"teacher file {file} has neither 'state_dict' nor 'model', and not only tensors: "
            f"{', '.join(others[:5])}{', …' if len(others) > 5 else ''}: save the network's state_dict alone"
        )
    return inner


def read_torchvision(architecture: str, weights: str, sha256: str | None) -> tuple[dict[str, Tensor], str]:
    """Tensors of torchvision's weights, downloaded by torchvision where its cache lacks them, and the hash.

    Raises TeacherError where the name is unknown (lists the right ones), the download fails (names the URL and
    the cache folder), or the cached file is damaged or another one than ``sha256`` names.
    """
    choices = get_model_weights(architecture)
    names = [entry.name for entry in choices]  # without DEFAULT, which changes from version to version
    if weights not in names:
        near = difflib.get_close_matches(weights, names, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise TeacherError(
            f"torchvision has no weights {weights!r} for {architecture}: {hint}"
            f"It has {', '.join(names)}; for a file of your own use weights='file'"
        )
    entry = choices[weights]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
    try:
        tensors = dict(entry.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (EOFError, pickle.UnpicklingError) as error:
        raise _damaged(cached, error) from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise TeacherError(
            f"the weights {weights} of {architecture} could not be downloaded from {entry.url} ({error}). "
            f"Get that file on a machine with a network and put it into {cached.parent} under the name "
            f"{cached.name}, or use weights='file' with that file"
        ) from error
    except RuntimeError as error:  # torch's zip reader; torch.hub's own hash check after a download
        raise _damaged(cached, error) from error
    return tensors, _checked_hash(cached, sha256)


def load_strictly(network: nn.Module, tensors: dict[str, Tensor], origin: str, heads: tuple[str, ...] = HEADS) -> bool:
    """Fill ``network`` with exactly ``tensors``; tells whether the classifier was among them.

    The one liberty: a file without any tensor of the classifier (names that begin with one of ``heads``), as
    self-supervised networks have it, fits too. Batch counters of batch norm may be absent; evaluation does not use
    them.
    Raises TeacherError naming what is missing, superfluous or of another shape.
    """
    expected = network.state_dict()
    headless = not any(name.startswith(heads) for name in tensors)
    missing = [
        name
        for name in expected
        if name not in tensors
        and not name.endswith("num_batches_tracked")
        and not (headless and name.startswith(heads))
    ]
    unknown = [name for name in tensors if name not in expected]
    misshapen = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
        for name, tensor in tensors.items()
        if name in expected and tensor.shape != expected[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        for what, names in (("missing", missing), ("unknown", unknown), ("of another shape", misshapen))
        if names
    ]
    if problems:
        raise TeacherError(f"{origin} does not fit {type(network).__name__}: {'; '.join(problems)}")
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise TeacherError(f"{origin} holds NaN or infinite numbers in {', '.join(broken[:5])}: fetch it again")
    network.load_state_dict(tensors, strict=False)
    return not (headless and any(name.startswith(heads) for name in expected))


def _checked_hash(file: Path, sha256: str | None) -> str:
    found = sha256_of_file(file, TeacherError, "teacher file")
    if sha256 is not None and found != sha256:
        raise _other_file(file, found, sha256)
    return found


def _other_file(file: Path, found: str, wanted: str) -> TeacherError:
    return TeacherError(
        f"teacher file {file} has sha256 {found}, the spec asks for {wanted}: "
        "the file was changed or is another one; fetch it again, or correct the spec"
    )


def _damaged(cached: Path, error: Exception) -> TeacherError:
    return TeacherError(f"the cached weights {cached} are cut or damaged ({error}): delete the file and try again")
