"""Published TFLite files, read by the ``tflite`` package's schema, become the safetensors of teachers."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

from ppkt_zoo.errors import PPKTZooError, TeacherError
from ppkt_zoo.files.checksums import sha256_of_file
from ppkt_zoo.files.limits import MAX_BYTES, memory_named
from ppkt_zoo.files.optional import need
from ppkt_zoo.files.reading import read_file
from ppkt_zoo.files.safetensors import write_tensors
from ppkt_zoo.files.targets import check_file_target
from ppkt_zoo.teachers.torchvision import DeepLabV3MobileNetV2

_IDENTIFIER = b"TFL3"
# What flatbuffers, which does not verify a file, stumbles over where bytes are missing or wrong.
_DAMAGE = (struct.error, IndexError, ValueError, TypeError, AttributeError, OverflowError, UnicodeDecodeError)
_STORED = {"UINT8": np.uint8, "INT8": np.int8, "INT32": np.int32, "FLOAT32": np.float32}


@dataclass(frozen=True)
class Layer:
    """One convolution, in PyTorch's layout.

    Attributes:
        name: of its kernel in the file.
        weight: float32 (C_out, C_in, kH, kW); (C, 1, kH, kW) where depthwise.
        bias: float32 (C_out,).
        depthwise: whether each channel has a kernel of its own.
    """

    name: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    depthwise: bool


def read_layers(file: Path) -> list[Layer]:
    """All convolutions of a model in the order in which they are computed, dequantised: scale · (q − zero point).

    Raises:
        TeacherError: the file is missing, is no TFLite model, is cut short or damaged, or ``tflite`` isn't installed.
    """
    schema = need("tflite", "teachers", "reading a TFLite model", TeacherError)
    content = read_file(file, TeacherError, "TFLite model", "this {what} cannot be read (no such file)")
    if content[4:8] != _IDENTIFIER:
        raise TeacherError(f"{file}: this is no TFLite model (its bytes 4 to 8 are not TFL3)")
    try:
        with memory_named(str(file), TeacherError):
            layers = _layers(schema, schema.Model.GetRootAsModel(content, 0), file)
    except _DAMAGE as error:
        if isinstance(error, PPKTZooError):
            raise
        raise TeacherError(f"{file}: this TFLite model is cut short or damaged ({error}): fetch it again") from error
    if not layers:
        raise TeacherError(f"{file}: this TFLite model has no convolution")
    return layers


def _layers(schema: Any, model: Any, file: Path) -> list[Layer]:
    graph = model.Subgraphs(0)
    kinds = {schema.BuiltinOperator.CONV_2D: False, schema.BuiltinOperator.DEPTHWISE_CONV_2D: True}
    layers = []
    held = 0
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        # Old files know only the first of the two fields, new ones fill both.
        kind = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        if kind not in kinds:
            continue
        _, kernel, bias = (graph.Tensors(int(one)) for one in operator.InputsAsNumpy())
        weight = _values(schema, model, kernel)
        # A few stored bytes may be the kernel of any number of layers.
        held += weight.nbytes
        MAX_BYTES.check(held, f"{file}: the layers of this TFLite model", TeacherError)
        # Depthwise kernels lie as (1, H, W, C), the others as (C_out, H, W, C_in).
        weight = weight.transpose((3, 0, 1, 2) if kinds[kind] else (0, 3, 1, 2))
        layers.append(
            Layer(kernel.Name().decode(), np.ascontiguousarray(weight), _values(schema, model, bias), kinds[kind])
        )
    return layers


def _values(schema: Any, model: Any, tensor: Any) -> NDArray[np.float32]:
    kind = next((name for name in _STORED if getattr(schema.TensorType, name) == tensor.Type()), None)
    if kind is None:
        raise ValueError(f"{tensor.Name().decode()} is stored as type {tensor.Type()} of the schema")
    shape = tuple(int(size) for size in tensor.ShapeAsNumpy())
    stored = model.Buffers(tensor.Buffer()).DataAsNumpy()
    if isinstance(stored, int):
        raise ValueError(f"{tensor.Name().decode()} has no data")
    values = np.frombuffer(stored.tobytes(), _STORED[kind]).reshape(shape)
    if kind == "FLOAT32":
        return values.astype(np.float32)
    quantisation = tensor.Quantization()
    scale, zero = np.atleast_1d(quantisation.ScaleAsNumpy()), np.atleast_1d(quantisation.ZeroPointAsNumpy())
    if len(scale) != 1 or len(zero) != 1:
        raise ValueError(f"{tensor.Name().decode()} is quantised channel by channel, which is not known here")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused where it is used
        return (float(scale[0]) * (values.astype(np.float64) - float(zero[0]))).astype(np.float32)


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
    digest = sha256_of_file(source, TeacherError, "TFLite model")
    record = {"architecture": architecture, "source": f"{source.name}, sha256 {digest}, dequantised"}
    write_tensors(target, tensors, record, error=TeacherError)
    return ImportedTeacher(target, architecture, sha256_of_file(target, TeacherError), len(layers))


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
