"""Published TFLite files become the safetensors that teachers are loaded from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from ppkt_zoo.errors import TeacherError
from ppkt_zoo.files.safetensors import write_tensors
from ppkt_zoo.files.targets import check_file_target
from ppkt_zoo.teachers.checkpoints import sha256_of
from ppkt_zoo.teachers.deeplab import DeepLabV3MobileNetV2
from ppkt_zoo.teachers.tflite_layers import Layer, read_layers

__all__ = ["ImportedTeacher", "import_tflite"]


@dataclass(frozen=True)
class ImportedTeacher:
    """What was written.

    Attributes:
        file: the safetensors file.
        architecture: name of the teacher's architecture, as recipes give it.
        sha256: of the safetensors file, as recipes give it.
        layers: how many layers it was made from.
    """

    file: Path
    architecture: str
    sha256: str
    layers: int


def import_tflite(source: Path | str, target: Path | str) -> ImportedTeacher:
    """Turn a quantised MobileNetV2 or DeepLabv3-MobileNetV2 into a safetensors file, kernels in half precision.

    The two published files are google's ``mobilenet_v2_1.0_224_quant.tflite`` (ImageNet, 1001 classes of which the
    first, background, is dropped) and ``deeplabv3_mnv2_pascal_quant.tflite`` (Pascal VOC). Batch norms are folded
    into their convolutions there, so here they are the identity with a bias.

    Args:
        source: the ``.tflite`` file.
        target: the ``.safetensors`` file to write; it must not exist.

    Raises:
        TeacherError: the source is missing or damaged, its layers are of neither network, or the target exists.
    """
    source, target = Path(source), Path(target)
    if target.exists():
        raise TeacherError(f"{target} exists: name another file")
    check_file_target(target, TeacherError, "target")
    layers = read_layers(source)
    architecture, network = _network(layers, source)
    tensors = dict(_filled(network, layers, source))
    if broken := [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]:
        raise TeacherError(f"{source}: {broken[0]} has NaN or infinite numbers: the file is damaged, fetch it again")
    record = {"architecture": architecture, "source": f"{source.name}, sha256 {sha256_of(source)}, dequantised"}
    write_tensors(target, tensors, record, error=TeacherError)
    return ImportedTeacher(target, architecture, sha256_of(target), len(layers))


def _network(layers: list[Layer], source: Path) -> tuple[str, nn.Module]:
    """An empty network of the same layers, told by the widths at the end."""
    widths = [layer.weight.shape[0] for layer in layers[-2:]]
    if widths == [1280, 1001]:
        return "mobilenet_v2", mobilenet_v2(weights=None)
    if widths[-1:] == [21]:
        return "deeplabv3_mobilenet_v2", DeepLabV3MobileNetV2()
    raise TeacherError(
        f"{source}: this is neither MobileNetV2 (1280, 1001 channels at the end) nor DeepLabv3-MobileNetV2 (21): "
        f"its last layers have {widths}"
    )


def _filled(network: nn.Module, layers: list[Layer], source: Path) -> Iterator[tuple[str, Tensor]]:
    """The network's state with the layers' values; both go from input to output."""
    state = network.state_dict()
    modules = dict(network.named_modules())
    places = [name for name, module in modules.items() if isinstance(module, nn.Conv2d | nn.Linear)]
    if len(places) != len(layers):
        raise TeacherError(f"{source}: the network has {len(places)} layers, the file {len(layers)}")
    norms = iter([name for name, module in modules.items() if isinstance(module, nn.BatchNorm2d)])
    for place, layer in zip(places, layers, strict=True):
        weight, bias = torch.from_numpy(layer.weight), torch.from_numpy(layer.bias)
        module = modules[place]
        if isinstance(module, nn.Linear):
            # The file counts a class "background" before the thousand.
            weight, bias = weight[1:, :, 0, 0].contiguous(), bias[1:].contiguous()
        if weight.shape != state[f"{place}.weight"].shape:
            wanted = tuple(state[f"{place}.weight"].shape)
            raise TeacherError(f"{source}: {layer.name} has the shape {tuple(weight.shape)}, {place} wants {wanted}")
        yield f"{place}.weight", weight.half()
        if module.bias is not None:
            yield f"{place}.bias", bias
            continue
        norm = next(norms)
        width = len(bias)
        epsilon = modules[norm].eps
        assert isinstance(epsilon, float)
        yield f"{norm}.weight", torch.ones(width)
        yield f"{norm}.bias", bias
        yield f"{norm}.running_mean", torch.zeros(width)
        # So that dividing by the square root of variance and epsilon changes nothing.
        yield f"{norm}.running_var", torch.full((width,), 1 - epsilon)
        yield f"{norm}.num_batches_tracked", torch.tensor(0)
